//! The prototype's tool names, for clients that were set up for it: each calls its
//! replacement and returns the same reply.

mod translate;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::skills;
use super::{Arguments, Document, Tool};
use crate::failure::Failure;

/// Reloads the skills and returns the outcome as a document.
pub(crate) type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// A tool of the prototype and its replacement.
struct LegacyTool {
    name: &'static str,
    replacement: &'static str,
    definition: &'static str,
    translate: fn(Arguments) -> Arguments,
}

/// The legacy tool that a command replaced: skills reload by themselves when their
/// file changes.
pub(crate) const RELOAD: (&str, &str) = ("mimo_reload_skills", "mimo skill reload");

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

/// The replacement of `name`, where that is a legacy tool.
pub(crate) fn replacement(name: &str) -> Option<&'static str> {
    let legacy = LEGACY
        .iter()
        .map(|legacy| (legacy.name, legacy.replacement));
    let mut all = legacy.chain([RELOAD]);
    all.find_map(|(each, replacement)| (each == name).then_some(replacement))
}

/// The legacy tools, over the `current` ones.
pub(crate) fn tools(current: &[Tool], reload: Reload) -> Vec<Tool> {
    let renamed = LEGACY.iter().filter_map(|legacy| {
        let replacement = current
            .iter()
            .find(|tool| tool.name == legacy.replacement)?;
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
