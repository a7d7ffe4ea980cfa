//! The server's instructions, which a model reads before any tool: short enough to be
//! read, and naming no tool that it does not see.

use crate::limits;

const OPENING: &str = "Mimo keeps what should outlast this conversation, on this machine, for \
                       every session and client.";
/// Hints when to use Mimo, each with the tool it depends on.
const USES: [(&str, &str); 5] = [
    (
        "memory_search",
        "When a task begins, or may have a history: memory_search, before you ask the user \
         again. ask_mimo puts one question to everything stored, and cites its sources.",
    ),
    (
        "memory_store",
        "When a decision, preference or fact is worth keeping: memory_store, one \
         self-contained statement each, no secrets. What replaces something gets supersedes_id \
         or a topic_key.",
    ),
    (
        "graph_update",
        "How people, things and places are related: graph_update, graph_query.",
    ),
    (
        "procedure_run",
        "Steps that will be repeated: procedure_find, procedure_define, procedure_run.",
    ),
    ("skill_find", "A tool that you lack: skill_find."),
];
/// Follows the use of `memory_store` for a caller who may write the shared project.
const SHARED: &str = " What is true of the user everywhere: project global.";
const CLOSING: &str =
    "A refused call changes nothing; one that timed out or lost its skill may have taken effect.";

const _: () = {
    let (mut all, mut at) = (words(OPENING) + words(SHARED) + words(CLOSING), 0);
    while at < USES.len() {
        all += 1 + words(USES[at].1);
        at += 1;
    }
    assert!(all <= limits::INSTRUCTIONS_WORDS_MAX);
};

/// The instructions for a client that sees the tools for which `lists` is true, and may
/// or may not write the shared project.
pub(super) fn instructions(lists: impl Fn(&str) -> bool, writes_shared: bool) -> String {
    let uses = USES.into_iter().filter(|(tool, _)| lists(tool));
    let shared = |tool: &str| match tool == "memory_store" && writes_shared {
        true => SHARED,
        false => "",
    };
    let mut lines = vec![OPENING.to_owned()];
    lines.extend(uses.map(|(tool, line)| format!("- {line}{}", shared(tool))));
    lines.push(CLOSING.to_owned());
    lines.join("\n")
}

/// How many words a text has.
const fn words(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut count, mut at) = (0, 0);
    while at < bytes.len() {
        let begins = at == 0 || bytes[at - 1].is_ascii_whitespace();
        if begins && !bytes[at].is_ascii_whitespace() {
            count += 1;
        }
        at += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_name_only_listed_tools() {
        let core = instructions(|tool| tool.starts_with("memory"), true);
        assert!(
            core.contains("memory_store") && !core.contains("graph"),
            "{core}"
        );
        let all = instructions(|_| true, false);
        assert!(core.contains("project global") && !all.contains("project global"));
        assert!(
            all.contains("graph_query") && all.contains("procedure_find"),
            "{all}"
        );
        assert_eq!(
            instructions(|_| false, true),
            format!("{OPENING}\n{CLOSING}")
        );
    }
}
