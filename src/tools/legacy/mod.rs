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
struct LegacyTool {
    name: &'static str,
    replacement: &'static str,
    definition: &'static str,
    translate: fn(Arguments) -> Arguments,
}

/// The one that no tool took the place of: skills are reloaded by themselves
/// when their file changes.
const RELOAD: (&str, &str) = ("mimo_reload_skills", "mimo skill reload");

const LEGACY: [LegacyTool; 5] = [
    LegacyTool {
        name: "search_vibes",
        replacement: "memory_search",
        definition: include_str!("../../../schemas/tools/legacy/search_vibes.json"),
        translate: translate::same,
    },
    LegacyTool {
        name: "store_fact",
        replacement: "graph_update",
        definition: include_str!("../../../schemas/tools/legacy/store_fact.json"),
        translate: translate::fact,
    },
    LegacyTool {
        name: "mimo_store_memory",
        replacement: "memory_store",
        definition: include_str!("../../../schemas/tools/legacy/mimo_store_memory.json"),
        translate: translate::same,
    },
    LegacyTool {
        name: "run_procedure",
        replacement: "procedure_run",
        definition: include_str!("../../../schemas/tools/legacy/run_procedure.json"),
        translate: translate::same,
    },
    LegacyTool {
        name: "list_procedures",
        replacement: "procedure_find",
        definition: include_str!("../../../schemas/tools/legacy/list_procedures.json"),
        translate: translate::all,
    },
];

/// What took the place of `name`, where that is a name of the prototype's.
pub fn replacement(name: &str) -> Option<&'static str> {
    let legacy = LEGACY
        .iter()
        .map(|legacy| (legacy.name, legacy.replacement));
    let mut all = legacy.chain([RELOAD]);
    all.find_map(|(each, replacement)| (each == name).then_some(replacement))
}

/// The tools of those names, over the tools of today.
pub fn tools(today: &[Tool], reload: Reload) -> Vec<Tool> {
    let renamed = LEGACY.iter().filter_map(|legacy| {
        let replacement = today.iter().find(|tool| tool.name == legacy.replacement)?;
        let (handler, translate) = (replacement.handler.clone(), legacy.translate);
        Some(Tool {
            name: legacy.name,
            definition: legacy.definition,
            timeout: replacement.timeout,
            handler: Arc::new(move |arguments, context| handler(translate(arguments), context)),
        })
    });
    let mut tools: Vec<Tool> = renamed.collect();
    tools.push(Tool {
        // Starting new skills takes as long as a skill may.
        timeout: skills::CALL_TIMEOUT,
        ..Tool::of(
            RELOAD.0,
            include_str!("../../../schemas/tools/legacy/mimo_reload_skills.json"),
            &reload,
            |reload, _, _| async move { Document::of(&reload().await?) },
        )
    });
    tools
}
