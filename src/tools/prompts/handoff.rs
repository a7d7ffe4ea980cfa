//! `handoff`: a note from which the next session continues, kept under a topic key
//! so that a newer note replaces it.

use serde_json::json;

use super::quoted::Quoted;
use super::{Argument, Composer, PromptArguments, short};
use crate::caller::{Caller, with_shared};
use crate::failure::Failure;
use crate::limits;
use crate::procedure::ExecutionStatus;
use crate::store::memory::{Category, Memory};
use crate::tools::scope;

pub(super) const ARGUMENTS: [Argument; 2] = [
    Argument {
        name: "project",
        description: "The project the work belongs to. Left out: the current one.",
        required: false,
    },
    Argument {
        name: "focus",
        description: "The piece of work, where there are several: each has a note of its own.",
        required: false,
    },
];

/// The key of the note; a piece of work is appended to it.
const KEY: &str = "handoff";
/// Memories less similar than this are unrelated to the piece of work.
const SIMILARITY_MIN: f32 = 0.4;
/// The statuses of an execution that is not over.
const OPEN: [ExecutionStatus; 3] = [
    ExecutionStatus::WaitingApproval,
    ExecutionStatus::Running,
    ExecutionStatus::Pending,
];

pub(super) async fn message(
    composer: &Composer,
    given: &PromptArguments,
    caller: &Caller,
) -> Result<(String, String), Failure> {
    let project = scope::destination(&given.reader(), &*composer.names, caller).await?;
    let focus = given.text("focus");
    let key = key(focus);
    let quoted = gather(composer, caller, &project, focus, &key).await?;

    let about = match focus {
        Some(focus) => format!("our work on {}", json!(focus)),
        None => "our work here".to_owned(),
    };
    let known = match quoted.is_empty() {
        true => "Nothing is stored about it yet, so go by our conversation alone.".to_owned(),
        false => format!(
            "Beside our conversation, this is known of it.\n\n{}",
            quoted.block()
        ),
    };
    let call = json!({
        "content": "Handoff: ...",
        "category": "action",
        "importance": 0.9,
        "tags": ["handoff"],
        "topic_key": key,
        "project": project,
    });
    let topic = focus.map_or("handoff", |_| key.as_str());
    let text = format!(
        "Hand {about} over to whoever goes on with it: another session, another client, or me \
         tomorrow.\n\n{known}\n\nWrite a note that can be followed without this conversation: the \
         goal; where it stands, and how that was checked; what was decided and why; what is open \
         or blocked; the next steps in their order, with the files, commands and sources (such as \
         memory:12) they need. Leave out secrets, and say so where you are not sure. Show me the \
         note, then store it with memory_store as {call}: the key replaces the note before it, \
         which stays readable as its older version. Facts and decisions of lasting worth that are \
         not stored yet go into memories of their own. At last tell me how to take it up again: \
         the prompt `recall` with the topic {}, or \"what does Mimo say about {topic}?\".",
        json!(topic)
    );
    Ok((format!("Hand over {}", short(&about)), text))
}

fn key(focus: Option<&str>) -> String {
    let Some(focus) = focus else {
        return KEY.to_owned();
    };
    let words: Vec<String> = focus.split_whitespace().map(str::to_lowercase).collect();
    let mut key = format!("{KEY}: {}", words.join(" "));
    while key.len() > limits::NAME_BYTES_MAX {
        key.pop();
    }
    key.trim_end().to_owned()
}

/// Gathers the last note, open executions, memories about the piece of work, and
/// the latest plans, actions, facts and observations.
async fn gather(
    composer: &Composer,
    caller: &Caller,
    project: &str,
    focus: Option<&str>,
    key: &str,
) -> Result<Quoted, Failure> {
    let own = [project.to_owned()];
    let both = with_shared(project);
    let mut quoted = Quoted::default();
    for memory in composer
        .by_name(key, &composer.filter(caller, &own, None, None))
        .await?
    {
        if memory.fields.topic_key.as_deref() == Some(key) {
            quoted.memory(&memory, project);
        }
    }
    for status in OPEN {
        let most = limits::PROMPT_EXECUTIONS_MAX;
        for execution in composer
            .procedures
            .executions(&caller.grants, None, Some(status), most)
            .await?
        {
            quoted.execution(&execution);
        }
    }
    if let Some(focus) = focus {
        let filter = composer.filter(caller, &both, None, None);
        for memory in composer.search(focus, filter, SIMILARITY_MIN).await?.0 {
            quoted.memory(&memory, project);
        }
    }
    let latest = composer
        .latest(&composer.filter(caller, &own, None, None))
        .await?;
    // Plans matter most to the next session.
    for category in [
        Category::Plan,
        Category::Decision,
        Category::Action,
        Category::Fact,
        Category::Preference,
        Category::Observation,
    ] {
        let of_category = latest
            .iter()
            .filter(|memory| memory.fields.category == category);
        // Notes of other pieces of work are not of this one.
        let other = |memory: &Memory| {
            let kept = memory.fields.topic_key.as_deref().unwrap_or_default();
            kept != key && (kept == KEY || kept.starts_with("handoff:"))
        };
        let of_this = of_category.filter(|memory| !other(memory));
        for memory in of_this.take(limits::PROMPT_MEMORIES_MAX / 2) {
            quoted.memory(memory, project);
        }
    }
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_focus_has_its_own_bounded_topic_key() {
        assert_eq!(key(None), "handoff");
        assert_eq!(key(Some(" The  Release ")), "handoff: the release");
        let long = key(Some(&"ж".repeat(400)));
        assert!(long.len() <= limits::NAME_BYTES_MAX);
    }
}
