//! `mimo://memory/{id}`: one memory with its whole text.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Memory, search};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::tools::{Context, Document, Family};

const PREFIX: &str = "mimo://memory/";

/// Memories as resources.
pub fn family(memory: Arc<Memory>) -> Family {
    Family {
        prefix: PREFIX,
        template: json!({
            "uriTemplate": format!("{PREFIX}{{id}}"),
            "name": "memory",
            "title": "A memory",
            "description": "One memory with its whole text, by its id.",
            "mimeType": "application/json",
        }),
        read: Arc::new(move |uri| Box::pin(read(memory.clone(), uri))),
    }
}

async fn read(memory: Arc<Memory>, uri: String) -> Result<Document, Failure> {
    let unknown = || {
        Failure::new(Kind::NotFound, format!("there is no memory {uri}"))
            .hint(format!("write {PREFIX} and the id that memory_search gave"))
    };
    let id = uri.strip_prefix(PREFIX);
    let id: i64 = id.and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let asked = json!({"ids": [id], "max_tokens": limits::RESULT_TOKENS_MAX});
    let asked = asked.as_object().cloned().unwrap_or_default();
    // Whoever reads it by its id is no session of its own.
    let found = search::call(memory, asked, Context::new("".into())).await?;
    let mut found: Value = serde_json::from_str(&found.0).map_err(Failure::internal)?;
    match found["items"].get_mut(0).map(Value::take) {
        Some(item) => Document::of(&item),
        None => Err(unknown()),
    }
}
