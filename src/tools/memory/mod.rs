//! The memory tools: arguments in, the domain's calls, documents out.

mod edit;
mod render;
mod search;
mod store;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::arguments::Reader;
use super::{Arguments, Context, Document, Tool};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::Memories;
use crate::memory::moment::{self, Edge};
use crate::store::PROJECT_SHARED;

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

/// A moment: ISO 8601, or a span from now (`7d`), `direction` being -1 for the
/// past and 1 for the future.
pub fn moment(
    reader: &Reader<'_>,
    key: &str,
    edge: Edge,
    direction: i64,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = reader.text(key)? else {
        return Ok(None);
    };
    let span = || moment::parse_span(text).map(|span| now.plus_seconds(direction * span));
    moment::parse(text, edge)
        .or_else(span)
        .map(Some)
        .ok_or_else(|| {
            Failure::invalid(reader.path(key), format!("{text:?} is not a moment")).hint(
                "write an ISO 8601 date or time, such as 2026-11-22 or \
                 2026-11-22T17:36:00Z, or a span such as 7d",
            )
        })
}

/// The projects that a question covers: the one it names, all of them (none is
/// listed), or the current one and the shared one.
pub fn scope_of(reader: &Reader<'_>, current: &str) -> Result<Vec<String>, Failure> {
    Ok(match reader.name("project")? {
        Some(all) if all == "*" => Vec::new(),
        Some(project) => vec![project],
        None if current == PROJECT_SHARED => vec![PROJECT_SHARED.to_owned()],
        None => vec![current.to_owned(), PROJECT_SHARED.to_owned()],
    })
}

/// The one project that something is to belong to, where one was named.
pub fn one_project(reader: &Reader<'_>) -> Result<Option<String>, Failure> {
    match reader.name("project")? {
        Some(name) if name == "*" => Err(Failure::invalid(
            reader.path("project"),
            "this belongs to one project, so * cannot be used here",
        )
        .hint(format!(
            "leave project out, or use {PROJECT_SHARED:?} for what holds everywhere"
        ))),
        name => Ok(name),
    }
}

/// Names what was asked, so that a cursor of another question is noticed.
pub fn fingerprint(arguments: &Arguments) -> u32 {
    let asks = |key: &str| !matches!(key, "cursor" | "limit" | "max_tokens");
    let mut asked: Vec<String> = arguments
        .iter()
        .filter(|(key, value)| asks(key) && !value.is_null())
        .map(|(key, value)| format!("{key}={value};"))
        .collect();
    asked.sort_unstable();
    let digest = Sha256::digest(asked.concat());
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}
