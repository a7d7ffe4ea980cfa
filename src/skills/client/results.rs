//! Repairs the results that a skill sends. Clients reject a whole result for one member
//! that breaks the protocol's schema, and its content would be lost. A valid result
//! stays byte for byte. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::definitions::{
    BASE, Item, is_integer, is_uri, keep_if, repair_annotations, repair_icon, repair_list,
    repair_resource,
};
use super::fixes::Fixes;
use crate::limits::COMPLETION_VALUES_MAX;

/// Members of a later revision than Mimo speaks to skills. With some of them a result
/// asks the client's user, which a skill may do by a request only.
const LATER: [&str; 5] = [
    "resultType",
    "ttlMs",
    "cacheScope",
    "inputRequests",
    "requestState",
];

/// The key in `_meta` with the answering server, which to clients is Mimo.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The result of a request for `method`, which may be about the resource `uri`, as
/// clients accept it; `None` where that is `raw` itself.
pub fn repair_result(method: &str, uri: Option<&str>, raw: &RawValue) -> Option<Box<RawValue>> {
    if method == "tools/call" && is_plain(raw) {
        return None;
    }
    let given: Value = match serde_json::from_str(raw.get()) {
        Ok(given) => given,
        // Nested too deep, or with a number too large: a client may not read it either.
        Err(_) => raw.get().into(),
    };
    let mut result = match given.clone() {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => match member_of(method) {
            Some(member) => Map::from_iter([(member.to_owned(), other)]),
            None => Map::new(),
        },
    };
    result.retain(|name, _| !LATER.contains(&name.as_str()));
    keep(&mut result, "_meta", Value::is_object);
    if let Some(Value::Object(meta)) = result.get_mut("_meta") {
        meta.shift_remove(SERVER_INFO);
    }
    match method {
        "tools/call" => repair_call(&mut result),
        "prompts/get" => repair_prompt(&mut result),
        "resources/read" => repair_contents(&mut result, uri.unwrap_or_default()),
        "completion/complete" => repair_completion(&mut result),
        _ => {}
    }
    let result = Value::Object(result);
    if result == given {
        return None;
    }
    to_raw_value(&result).ok()
}

/// The member of a result with its content.
fn member_of(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" => Some("content"),
        "prompts/get" => Some("messages"),
        "resources/read" => Some("contents"),
        _ => None,
    }
}

/// Whether the result of a tool has nothing but texts and structured content, as most
/// have. Builds no tree.
fn is_plain(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code, reason = "it only matters whether this can be read")]
    struct Plain<'a> {
        #[serde(borrow)]
        content: Vec<Block<'a>>,
        #[serde(borrow, default)]
        structured_content: BTreeMap<Cow<'a, str>, IgnoredAny>,
        #[serde(default)]
        is_error: bool,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "it only matters whether this can be read")]
    struct Block<'a> {
        r#type: BlockType,
        #[serde(borrow)]
        text: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum BlockType {
        Text,
    }
    // An array would be read as a struct, too.
    raw.get().starts_with('{') && serde_json::from_str::<Plain<'_>>(raw.get()).is_ok()
}

fn repair_call(result: &mut Item) {
    if result.get("isError").is_some_and(|flag| flag == "true") {
        result.insert("isError".to_owned(), true.into());
    }
    keep(result, "isError", Value::is_boolean);
    let unstructured = match result.get("structuredContent") {
        Some(Value::Object(_)) | None => None,
        Some(_) => result.shift_remove("structuredContent"),
    };
    let unstructured = unstructured.filter(|content| !content.is_null());
    let content = match take_list(result, "content") {
        Some(blocks) => blocks,
        None => vec![
            unstructured
                .or_else(|| remaining_content(result))
                .unwrap_or_default(),
        ],
    };
    let blocks = content.into_iter().filter_map(repair_block).collect();
    result.insert("content".to_owned(), Value::Array(blocks));
}

/// The content of a result without any: its structured content, or else the members
/// that the protocol does not have.
fn remaining_content(result: &Item) -> Option<Value> {
    if let Some(structured) = result.get("structuredContent") {
        return Some(as_text(structured.clone()));
    }
    let mut own = result.clone();
    for known in ["content", "isError", "_meta"] {
        own.shift_remove(known);
    }
    (!own.is_empty()).then(|| as_text(Value::Object(own)))
}

/// A content block in the protocol's form. Anything else becomes a text block, so that
/// nothing is lost; null has no content.
fn repair_block(block: Value) -> Option<Value> {
    match block {
        Value::Null => None,
        Value::Object(mut block) => Some(match is_block(&mut block) {
            true => Value::Object(block),
            false => as_text(Value::Object(block)),
        }),
        other => Some(as_text(other)),
    }
}

/// Repairs a block; returns whether it is valid now.
fn is_block(block: &mut Item) -> bool {
    if !block.contains_key("type") && has_text(block, "text") {
        block.insert("type".to_owned(), "text".into());
    }
    keep(block, "_meta", Value::is_object);
    repair_annotations(block, &mut Fixes::default());
    match block.get("type").and_then(Value::as_str) {
        Some("text") => has_text(block, "text"),
        Some("image" | "audio") => has_text(block, "data") && has_text(block, "mimeType"),
        Some("resource") => match block.get_mut("resource") {
            Some(Value::Object(contents)) => {
                keep(contents, "mimeType", Value::is_string);
                keep(contents, "_meta", Value::is_object);
                has_uri(contents) && (has_text(contents, "text") || has_text(contents, "blob"))
            }
            _ => false,
        },
        Some("resource_link") => {
            let fixes = &mut Fixes::default();
            for (field, check) in BASE {
                keep_if(block, field, *check, "", fixes);
            }
            repair_list(block, "icons", "", fixes, repair_icon);
            repair_resource(block, "uri", is_uri, fixes).is_ok()
        }
        _ => false,
    }
}

fn repair_prompt(result: &mut Item) {
    keep(result, "description", Value::is_string);
    let mut repaired = Vec::new();
    for message in take_list(result, "messages").unwrap_or_default() {
        let mut message = match message {
            Value::Object(message) => message,
            other => Map::from_iter([("content".to_owned(), other)]),
        };
        let is_role = |role: &Value| role == "user" || role == "assistant";
        if !message.get("role").is_some_and(is_role) {
            message.insert("role".to_owned(), "user".into());
        }
        // Some servers put several blocks into one message.
        for block in take_list(&mut message, "content").unwrap_or_default() {
            if let Some(block) = repair_block(block) {
                message.insert("content".to_owned(), block);
                repaired.push(Value::Object(message.clone()));
            }
        }
    }
    result.insert("messages".to_owned(), Value::Array(repaired));
}

fn repair_contents(result: &mut Item, uri: &str) {
    let parts = take_list(result, "contents").unwrap_or_default();
    let parts = parts.into_iter().filter(|part| !part.is_null());
    let repaired = parts.map(|part| {
        let mut part = match part {
            Value::Object(part) => part,
            other => Map::from_iter([("text".to_owned(), other)]),
        };
        keep(&mut part, "mimeType", Value::is_string);
        keep(&mut part, "_meta", Value::is_object);
        if !has_text(&part, "text") && !has_text(&part, "blob") {
            let told = part.shift_remove("text").filter(|text| !text.is_null());
            let told = told.unwrap_or_else(|| Value::Object(part.clone()));
            part.insert("text".to_owned(), text_of(told).into());
        }
        if !has_uri(&part) {
            part.insert("uri".to_owned(), uri.into());
        }
        Value::Object(part)
    });
    let repaired = repaired.collect();
    result.insert("contents".to_owned(), Value::Array(repaired));
}

fn repair_completion(result: &mut Item) {
    let mut completion = match result.get_mut("completion").map(Value::take) {
        Some(Value::Object(completion)) => completion,
        _ => Map::new(),
    };
    let mut values = take_list(&mut completion, "values").unwrap_or_default();
    values.retain(Value::is_string);
    values.truncate(COMPLETION_VALUES_MAX);
    completion.insert("values".to_owned(), Value::Array(values));
    keep(&mut completion, "total", is_integer);
    keep(&mut completion, "hasMore", Value::is_boolean);
    result.insert("completion".to_owned(), Value::Object(completion));
}

/// Takes the members of a list, which stays as a null in its place. A single value is
/// a list of one; `None` where there is nothing.
fn take_list(item: &mut Item, list: &str) -> Option<Vec<Value>> {
    match item.get_mut(list).map(Value::take) {
        Some(Value::Array(members)) => Some(members),
        Some(Value::Null) | None => None,
        Some(other) => Some(vec![other]),
    }
}

fn keep(item: &mut Item, field: &str, check: impl Fn(&Value) -> bool) {
    keep_if(item, field, check, "", &mut Fixes::default());
}

fn has_text(item: &Item, field: &str) -> bool {
    item.get(field).is_some_and(Value::is_string)
}

fn has_uri(item: &Item) -> bool {
    item.get("uri").and_then(Value::as_str).is_some_and(is_uri)
}

/// A text block with the value's text, or else its JSON.
fn as_text(value: Value) -> Value {
    json!({"type": "text", "text": text_of(value)})
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
