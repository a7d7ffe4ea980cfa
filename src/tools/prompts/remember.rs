//! `remember`: asks the model to store what is worth keeping, by Mimo's
//! conventions.

use serde_json::json;

use super::quoted::Quoted;
use super::{Argument, Composer, PromptArguments, short};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::store::PROJECT_SHARED;
use crate::tools::scope;

pub(super) const ARGUMENTS: [Argument; 1] = [Argument {
    name: "what",
    description: "What is to be remembered. Left out: what is worth keeping of the conversation.",
    required: false,
}];

/// A memory at least this similar may be a duplicate.
const SIMILARITY_MIN: f32 = 0.5;

const CONVENTIONS: &str = "\
- One self-contained statement a memory: who, what and when by name and date, so that it can be read without this conversation. Several go into one call of memory_store, as `memories`.
- category: `fact` for what is so, `decision` for what was decided and why, `preference` for how someone wants it, `action` for what was done, `observation` for what was seen or said, `plan` for what is intended.
- importance: 0.9 for what would be costly to lose, 0.5 for the usual, 0.2 for details.
- tags: two or three short ones.
- topic_key where something changes over time (such as `deploy target`): storing under the same key again replaces what was there.
- supersedes_id where a statement takes the place of one that is stored; memory_search finds its id.
- No passwords, keys, tokens or other secrets, and nothing that the files of the project say anyway.";

const RELATED: &str = "
- How people, things and places are related goes into graph_update as well (`person:alice`, `works_at`, `company:acme`).";

pub(super) async fn message(
    composer: &Composer,
    given: &PromptArguments,
    caller: &Caller,
) -> Result<(String, String), Failure> {
    let project = json!(caller.project());
    let whose = match caller.project() {
        PROJECT_SHARED => String::new(),
        _ if !caller.reach().can_write(PROJECT_SHARED) => {
            format!("\n- It is stored in the project {project}, the only one that can be written.")
        }
        _ => format!(
            "\n- It is stored in the project {project}; `\"project\": \"{PROJECT_SHARED}\"` is for \
             what holds everywhere."
        ),
    };
    let related = if composer.has_graph_tools {
        RELATED
    } else {
        ""
    };
    let whose = format!("{whose}{related}");
    let closing = "When it is stored, tell me in a line or two what you kept.";
    let Some(what) = given.text("what") else {
        let text = format!(
            "Store in Mimo what is worth keeping of our conversation so far (decisions with their \
             reasons, preferences, facts, what was done, what is planned), so that later sessions \
             know it. If nothing is, say so and store nothing.\n\n{CONVENTIONS}{whose}\n- Search \
             with memory_search before you store what may be there already.\n\n{closing}"
        );
        return Ok(("Store what is worth keeping".to_owned(), text));
    };
    let projects = scope::projects(&given.reader(), &*composer.names, caller)
        .await?
        .names;
    let filter = composer.filter(caller, &projects, None, None);
    let mut quoted = Quoted::default();
    for memory in composer
        .search(what, filter, SIMILARITY_MIN)
        .await?
        .0
        .iter()
        .take(5)
    {
        quoted.memory(memory, caller.project());
    }
    let known = match quoted.is_empty() {
        true => "Nothing like it is stored yet.".to_owned(),
        false => format!(
            "This is stored already and may be about the same: leave out what it says, and give \
             supersedes_id (or its topic_key) for what is to replace it.\n\n{}",
            quoted.block()
        ),
    };
    let text = format!(
        "Store this in Mimo, so that later sessions know it: {}\n\n{CONVENTIONS}{whose}\n\n{known}\n\n{closing}",
        json!(what)
    );
    Ok((format!("Remember: {}", short(what)), text))
}
