//! The result of mem0's `get_all` and of its export: a list of memories.

use serde_json::{Map, Value, json};

use super::{Item, SkippedFields, cut, names_of, said_at, text_of, value_of};
use crate::memory::portable::own_thread;

pub(super) fn is_memory(object: &Map<String, Value>) -> bool {
    text_of(object, &["memory"]).is_some() && !object.contains_key("content")
}

pub(super) fn read(
    object: &Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    left_out: &mut SkippedFields,
) {
    let content = text_of(object, &["memory"]).unwrap_or_default();
    let name = match text_of(object, &["id"]) {
        Some(id) => id.to_owned(),
        None => own_thread(content),
    };
    let metadata = object.get("metadata").and_then(Value::as_object);
    if metadata.is_some_and(|kept| !kept.is_empty()) {
        *left_out.entry("metadata").or_default() += 1;
    }
    let mut memory = json!({
        "content": content,
        "tags": names_of(object.get("categories")),
        "thread": cut(&format!("mem0/{name}")),
    });
    if let Some(time) = value_of(object, &["created_at", "updated_at"]) {
        memory["created_at"] = time.clone();
        let said = metadata.and_then(|kept| said_at(kept, time));
        if let Some(said) = said {
            memory["said_at"] = said.clone();
        }
    }
    items.push(Item {
        path,
        document: Ok(memory),
    });
}
