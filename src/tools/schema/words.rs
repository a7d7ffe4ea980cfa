//! Names and values that clients write for those of a schema, and what they mean. They
//! only shape a hint: a call that uses them is refused like any other mistake.

use crate::diagnostics::nearest;

/// The arguments that a name is written for, the likeliest first.
const NAMES: &[(&[&str], &[&str])] = &[
    (
        &[
            "text",
            "body",
            "memory",
            "note",
            "fact",
            "message",
            "statement",
            "value",
            "data",
        ],
        &["content", "query"],
    ),
    (&["new_text", "new_content", "replacement"], &["content"]),
    (&["content"], &["text"]),
    (
        &["id", "memory_id", "memory_ids"],
        &["ids", "undo_id", "execution_id"],
    ),
    (&["run_id", "run", "execution"], &["execution_id"]),
    (&["undo"], &["undo_id"]),
    (
        &["question", "q", "search", "prompt", "term", "keywords"],
        &["query"],
    ),
    (
        &[
            "arguments",
            "args",
            "input",
            "inputs",
            "params",
            "parameters",
            "variables",
        ],
        &["context", "arguments"],
    ),
    (&["context"], &["arguments"]),
    (&["procedure", "procedure_name", "workflow"], &["name"]),
    (&["name", "tool_name"], &["tool"]),
    (&["from", "source", "head"], &["subject", "start"]),
    (&["entity", "node", "name"], &["start"]),
    (&["to", "target", "tail"], &["object", "to"]),
    (
        &["relation", "relationship", "verb", "edge", "type", "rel"],
        &["predicate"],
    ),
    (&["tag", "labels", "keywords"], &["tags"]),
    (&["namespace", "workspace"], &["project"]),
    (&["kind", "type"], &["category"]),
    (&["priority", "weight"], &["importance"]),
    (&["preview", "simulate", "validate_only"], &["dry_run"]),
    (
        &["top_k", "k", "n", "count", "max_results", "size"],
        &["limit"],
    ),
    (&["expires", "expires_at", "until"], &["valid_until"]),
    (
        &[
            "date",
            "timestamp",
            "happened_at",
            "occurred_at",
            "event_date",
        ],
        &["said_at"],
    ),
    (&["key", "topic"], &["topic_key"]),
    (&["after", "from_date", "start_date"], &["since"]),
    (&["before", "to_date", "end_date"], &["until"]),
    (&["depth", "hops"], &["max_depth"]),
    (&["operation", "op", "command"], &["action"]),
    (&["why", "comment"], &["reason"]),
    (&["triples", "facts", "relations", "add"], &["assert"]),
    (&["remove", "delete"], &["retract"]),
    (&["background"], &["async"]),
];

/// The values of an enumeration that a word is written for.
const VALUES: &[(&[&str], &str)] = &[
    (&["delete", "remove", "archive", "retire"], "forget"),
    (&["undelete", "unarchive", "unforget", "recover"], "restore"),
    (&["edit", "change", "modify", "replace"], "update"),
    (&["pin", "lock"], "protect"),
    (&["unpin", "unlock"], "unprotect"),
    (&["revert"], "undo"),
    (&["inbound", "incoming"], "in"),
    (&["outbound", "outgoing"], "out"),
    (&["any", "all"], "both"),
    (&["vector", "embedding"], "semantic"),
    (&["lexical", "fulltext"], "keyword"),
];

/// What an argument that no tool has is mistaken for, where the answer is a command.
const COMMANDS: &[(&str, &[&str], &str)] = &[(
    "procedure_run",
    &["approve", "approved", "approval", "decision", "reject"],
    "a person decides, with `mimo procedure approve EXECUTION_ID` (--reject refuses it); then \
     the run is resumed by its execution_id",
)];

/// The names among `known` that `word` is probably written for, the likeliest first.
pub(in crate::tools) fn matching_names<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let listed = NAMES
        .iter()
        .filter(|(words, _)| words.contains(&&*word.to_lowercase()))
        .flat_map(|(_, meant)| meant.iter());
    let listed = listed.filter_map(|meant| known.iter().find(|name| *name == meant));
    let mut names: Vec<&str> = listed.copied().collect();
    names.extend(nearest(word, known.iter().copied()));
    names
}

/// The one option that `word` can mean.
pub(super) fn matching_option<'a>(word: &str, options: &[&'a str]) -> Option<&'a str> {
    let word = word.trim().to_lowercase();
    let listed = VALUES.iter().find(|(words, _)| words.contains(&&*word));
    let listed = listed.and_then(|(_, meant)| options.iter().find(|option| *option == meant));
    match (listed, nearest(&word, options.iter().copied()).as_slice()) {
        (Some(option), _) => Some(option),
        (None, [only]) => Some(only),
        _ => None,
    }
}

/// The command that does what `word` asks `tool` for.
pub(super) fn command(tool: &str, word: &str) -> Option<&'static str> {
    let matches =
        |(name, words, _): &&(&str, &[&str], &str)| *name == tool && words.contains(&word);
    COMMANDS.iter().find(matches).map(|(.., advice)| *advice)
}
