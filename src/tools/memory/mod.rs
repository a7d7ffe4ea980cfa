//! The memory tools: read arguments, call the domain, render documents.

mod edit;
mod render;
pub mod resource;
mod search;
mod store;

pub(super) use self::render::{cut, row};
pub(super) use self::store::named_category;

use std::sync::Arc;

use super::Tool;
use crate::failure::Failure;
use crate::limits;
use crate::memory::Memories;

const STORE: &str = include_str!("../../../schemas/tools/memory_store.json");
const EDIT: &str = include_str!("../../../schemas/tools/memory_edit.json");

/// `memory_store`, `memory_search` and `memory_edit`.
pub(crate) fn tools(memories: &Arc<Memories>) -> Vec<Tool> {
    vec![
        Tool::of("memory_store", STORE, memories, store::call),
        Tool::of(
            "memory_search",
            include_str!("../../../schemas/tools/memory_search.json"),
            memories,
            search::call,
        ),
        Tool::of("memory_edit", EDIT, memories, edit::call),
    ]
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
