//! The prototype's names, for clients that were set up for it: each is a call of
//! the tool that took its place, and answers what that one answers.

mod translate;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::skills;
use super::{Arguments, Document, Tool};
use crate::failure::Failure;

/// Reloads the skills; what came of it, as a document.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// A name of the prototype's, and what it is now.
struct Former {
    name: &'static str,
    successor: &'static str,
    definition: &'static str,
    translate: fn(Arguments) -> Arguments,
}

/// The one that no tool took the place of: skills are reloaded by themselves
/// when their file changes.
const RELOAD: (&str, &str) = ("mimo_reload_skills", "mimo skill reload");

const FORMER: [Former; 5] = [
    Former {
        name: "search_vibes",
        successor: "memory_search",
        definition: include_str!("../../../schemas/tools/legacy/search_vibes.json"),
        translate: translate::same,
    },
    Former {
        name: "store_fact",
        successor: "graph_update",
        definition: include_str!("../../../schemas/tools/legacy/store_fact.json"),
        translate: translate::fact,
    },
    Former {
        name: "mimo_store_memory",
        successor: "memory_store",
        definition: include_str!("../../../schemas/tools/legacy/mimo_store_memory.json"),
        translate: translate::same,
    },
    Former {
        name: "run_procedure",
        successor: "procedure_run",
        definition: include_str!("../../../schemas/tools/legacy/run_procedure.json"),
        translate: translate::same,
    },
    Former {
        name: "list_procedures",
        successor: "procedure_find",
        definition: include_str!("../../../schemas/tools/legacy/list_procedures.json"),
        translate: translate::all,
    },
];

/// What took the place of `name`, where that is a name of the prototype's.
pub fn successor(name: &str) -> Option<&'static str> {
    let former = FORMER.iter().map(|former| (former.name, former.successor));
    let mut all = former.chain([RELOAD]);
    all.find_map(|(each, successor)| (each == name).then_some(successor))
}

/// The tools of those names, over the tools of today.
pub fn tools(today: &[Tool], reload: Reload) -> Vec<Tool> {
    let renamed = FORMER.iter().filter_map(|former| {
        let successor = today.iter().find(|tool| tool.name == former.successor)?;
        let (handler, translate) = (successor.handler.clone(), former.translate);
        Some(Tool {
            name: former.name,
            definition: former.definition,
            patience: successor.patience,
            handler: Arc::new(move |arguments, context| handler(translate(arguments), context)),
        })
    });
    let mut tools: Vec<Tool> = renamed.collect();
    tools.push(Tool {
        // Starting new skills takes as long as a skill may.
        patience: skills::PATIENCE,
        ..Tool::of(
            RELOAD.0,
            include_str!("../../../schemas/tools/legacy/mimo_reload_skills.json"),
            &reload,
            |reload, _, _| async move { Document::of(&reload().await?) },
        )
    });
    tools
}
