//! The memory tools: arguments in, the domain's calls, documents out.

mod edit;
mod render;
mod search;
mod store;

use std::sync::Arc;

use super::{Arguments, Context, Document, Tool};
use crate::failure::Failure;
use crate::limits;
use crate::memory::Memories;

/// What the memory tools work with.
pub struct Memory {
    /// The domain.
    pub memories: Arc<Memories>,
    /// The project of this workspace.
    pub project: String,
}

/// `memory_store`, `memory_search` and `memory_edit`.
pub fn tools(memory: Arc<Memory>) -> Vec<Tool> {
    vec![
        tool(
            "memory_store",
            include_str!("../../../schemas/tools/memory_store.json"),
            &memory,
            store::call,
        ),
        tool(
            "memory_search",
            include_str!("../../../schemas/tools/memory_search.json"),
            &memory,
            search::call,
        ),
        tool(
            "memory_edit",
            include_str!("../../../schemas/tools/memory_edit.json"),
            &memory,
            edit::call,
        ),
    ]
}

fn tool<F>(
    name: &'static str,
    definition: &'static str,
    memory: &Arc<Memory>,
    call: impl Fn(Arc<Memory>, Arguments, Context) -> F + Send + Sync + 'static,
) -> Tool
where
    F: Future<Output = Result<Document, Failure>> + Send + 'static,
{
    let memory = memory.clone();
    Tool {
        name,
        definition,
        handler: Arc::new(move |arguments, context| {
            let answer = call(memory.clone(), arguments, context);
            Box::pin(async move { Ok(answer.await?.into()) })
        }),
    }
}

/// Checks the text of a memory.
fn content(text: &str, path: String) -> Result<String, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::invalid(path, "the content is blank")
            .hint("give one self-contained statement"));
    }
    if text.len() > limits::MEMORY_CONTENT_BYTES_MAX {
        return Err(Failure::invalid(
            path,
            format!(
                "the content has {} bytes; at most {} fit",
                text.len(),
                limits::MEMORY_CONTENT_BYTES_MAX
            ),
        )
        .hint("split it into several memories, one statement each"));
    }
    if text.contains('\0') {
        return Err(Failure::invalid(path, "the content holds a NUL character"));
    }
    Ok(text.to_owned())
}
