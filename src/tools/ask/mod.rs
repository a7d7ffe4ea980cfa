//! `ask_mimo`: one question over memories, the graph, procedures and skills.

mod answer;
mod bridge;
mod call;
mod compare;
mod look;
mod request;
mod sampling;
mod say;
mod sources;
mod writers;

use std::sync::{Arc, OnceLock};

use super::Tool;
use super::skills::Skills;
use crate::ask::{Contexts, Router};
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits;
use crate::memory::Memories;
use crate::procedure::Procedures;

use super::vectors::Vectors;
pub use writers::Writers;

/// What a question is asked of.
pub struct Ask {
    memories: Arc<Memories>,
    graph: Arc<Graph>,
    procedures: Procedures,
    /// Absent where there is no registry.
    skills: Option<Arc<Skills>>,
    /// The project of this workspace.
    project: String,
    writers: Writers,
    contexts: Contexts,
    vectors: Vectors,
    /// Made by the first question: a server that starts does without.
    router: OnceLock<Router>,
}

impl Ask {
    /// Asks these parts, in the project of this workspace; `writers` may put the
    /// answers into words.
    pub fn new(
        memories: Arc<Memories>,
        graph: Arc<Graph>,
        procedures: Procedures,
        skills: Option<Arc<Skills>>,
        project: String,
        writers: Writers,
    ) -> Ask {
        Ask {
            contexts: Contexts::new(memories.clock()),
            memories,
            graph,
            procedures,
            skills,
            project,
            writers,
            vectors: Vectors::at_most(limits::ASK_VECTORS_KEPT_MAX),
            router: OnceLock::new(),
        }
    }

    fn router(&self) -> Result<&Router, Failure> {
        if let Some(router) = self.router.get() {
            return Ok(router);
        }
        let router = Router::new()?;
        Ok(self.router.get_or_init(|| router))
    }
}

/// `ask_mimo`.
pub fn tool(ask: Arc<Ask>) -> Tool {
    Tool::of(
        "ask_mimo",
        include_str!("../../../schemas/tools/ask_mimo.json"),
        &ask,
        call::call,
    )
}
