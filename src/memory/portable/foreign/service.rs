//! The JSON export of mcp-memory-service, and records of other programs with a
//! `content`.

use serde_json::{Map, Value, json};

use super::{Item, SkippedFields, cut, names_of, said_at, text_of, value_of};
use crate::failure::Failure;
use crate::memory::portable::own_thread;

/// Keys that a line of Mimo's own export never has.
const FOREIGN: &[&str] = &[
    "content_hash",
    "memory_type",
    "metadata",
    "metadata_",
    "created_at_iso",
    "user_id",
    "app_id",
    "embedding",
];

pub(super) fn is_memory(object: &Map<String, Value>) -> bool {
    object.contains_key("content") && FOREIGN.iter().any(|key| object.contains_key(*key))
}

/// The type of a memory stays as a tag.
pub(super) fn read(
    object: Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    left_out: &mut SkippedFields,
) {
    let Some(content) = text_of(&object, &["content"]) else {
        let document = Err(Failure::invalid(
            "/content",
            "the content is not text, or blank",
        ));
        items.push(Item { path, document });
        return;
    };
    if text_of(&object, &["state"]) == Some("deleted") {
        *left_out.entry("deleted memory").or_default() += 1;
        return;
    }
    let name = match text_of(&object, &["content_hash", "id"]) {
        Some(name) => name.to_owned(),
        None => own_thread(content),
    };
    let kind = text_of(&object, &["memory_type", "category"]).unwrap_or_default();
    let category = match kind {
        "observation" | "decision" | "preference" => kind,
        "action" | "code_edit" | "command" | "tool_outcome" => "action",
        "plan" | "planning" | "task" | "todo" => "plan",
        _ => "fact",
    };
    let mut tags = names_of(object.get("tags"));
    tags.extend(Some(cut(kind)).filter(|kind| !kind.is_empty()));
    let metadata = object.get("metadata").or_else(|| object.get("metadata_"));
    let metadata = metadata.and_then(Value::as_object);
    if metadata.is_some_and(|kept| !kept.is_empty()) {
        *left_out.entry("metadata").or_default() += 1;
    }
    let mut memory = json!({
        "content": content,
        "category": category,
        "tags": tags,
        "thread": cut(&format!("mcp-memory-service/{name}")),
    });
    let times = [
        "created_at",
        "created_at_iso",
        "updated_at",
        "updated_at_iso",
    ];
    if let Some(time) = value_of(&object, &times) {
        memory["created_at"] = time.clone();
        let said = metadata.and_then(|kept| said_at(kept, time));
        if let Some(said) = said {
            memory["said_at"] = said.clone();
        }
    }
    if let Some(project) = text_of(&object, &["project"]) {
        memory["project"] = json!(cut(project));
    }
    items.push(Item {
        path,
        document: Ok(memory),
    });
}
