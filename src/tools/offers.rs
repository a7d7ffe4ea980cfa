//! Mimo's own resources, prompts and completions. Each respects its caller's
//! grants, as a tool does.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::complete::Completer;
use super::{Arguments, Document, graph, memory, procedure, prompts};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::memory::Memories;
use crate::procedure::Procedures;
use crate::store::NameStore;

pub(crate) struct Offers {
    pub(crate) resources: Vec<Box<dyn ResourceSource>>,
    /// In the order they are listed.
    pub(crate) prompts: Vec<Box<dyn PromptSource>>,
    pub(crate) completer: Completer,
}

/// Resources of one kind: documents to read by their URI.
pub trait ResourceSource: Send + Sync {
    /// How their URIs begin.
    fn prefix(&self) -> &'static str;

    /// In the protocol's form.
    fn template(&self) -> Value;

    /// Those that a person may want to pick, in the protocol's form.
    fn list<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>>;

    /// The document of this URI. Reading it changes nothing.
    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, Failure>>;

    /// Counts a read as use, where use is tracked.
    fn note_read(&self, _uri: &str) {}
}

pub(crate) trait PromptSource: Send + Sync {
    /// In the protocol's form.
    fn list<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>>;

    /// The result for a name and its arguments, where there is such a prompt.
    fn get<'a>(
        &'a self,
        name: &'a str,
        arguments: Arguments,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Value>, Failure>>;
}

/// The resources, prompts and completions that clients get; `names` finds the names
/// in use. A prompt mentions only tools for which `serves` is true.
pub(crate) fn offers(
    memories: &Arc<Memories>,
    graph: &Arc<Graph>,
    procedures: &Procedures,
    names: &Arc<dyn NameStore>,
    serves: impl Fn(&str) -> bool,
) -> Offers {
    let composer = prompts::Composer {
        memories: memories.clone(),
        graph: graph.clone(),
        procedures: procedures.clone(),
        names: names.clone(),
        has_graph_tools: serves("graph_update") && serves("graph_query"),
    };
    let mut all_prompts: Vec<Box<dyn PromptSource>> = vec![Box::new(composer)];
    if serves("procedure_run") {
        all_prompts.push(Box::new(procedure::offers::ProcedurePrompts(
            procedures.clone(),
        )));
    }
    Offers {
        resources: vec![
            Box::new(memory::resource::MemoryResources {
                memories: memories.clone(),
                names: names.clone(),
            }),
            Box::new(procedure::offers::ProcedureResources(procedures.clone())),
            Box::new(graph::resource::EntityResources(graph.clone())),
        ],
        prompts: all_prompts,
        completer: Completer {
            names: names.clone(),
            procedures: procedures.clone(),
        },
    }
}
