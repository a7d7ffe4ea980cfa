//! Splits the files of other programs into documents that the imports read: lines of
//! memories, and the entities and relations of the official memory server.

mod claude_mem;
mod markdown;
mod mem0;
mod server;
mod service;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::times;

use crate::failure::Failure;
use crate::limits;
use crate::printable::prefix;

pub(crate) use markdown::notes;
pub(crate) use server::{is_entity, is_relation};

/// A part of a file, and its location there.
#[derive(Debug)]
pub(crate) struct Item {
    /// A JSON Pointer, or `:` and the line of a text.
    pub(crate) path: String,
    pub(crate) document: Result<Value, Failure>,
}

/// Counts fields that memories do not have, by name.
pub(crate) type SkippedFields = BTreeMap<&'static str, usize>;

/// The items that `document` holds; one of an unknown format is returned as it is.
pub(crate) fn expand(document: Value, left_out: &mut SkippedFields) -> Vec<Item> {
    let mut items = Vec::new();
    walk(document, String::new(), &mut items, left_out);
    items
}

fn walk(document: Value, path: String, items: &mut Vec<Item>, left_out: &mut SkippedFields) {
    let mut object = match document {
        Value::Array(list) => {
            for (nth, each) in list.into_iter().enumerate() {
                walk(each, format!("{path}/{nth}"), items, left_out);
            }
            return;
        }
        Value::Object(object) => object,
        document => {
            items.push(Item {
                path,
                document: Ok(document),
            });
            return;
        }
    };
    // The first line of a file of mcp-knowledge-graph.
    if object.get("type").is_some_and(|kind| kind == "_aim") {
        return;
    }
    if claude_mem::is_export(&object) {
        claude_mem::read(&object, &path, items, left_out);
        return;
    }
    if !is_entity(&object) && !object.contains_key("content") {
        let mut is_whole = false;
        for (list, read) in LISTS {
            let Some(all) = object.get_mut(*list).and_then(Value::as_array_mut) else {
                continue;
            };
            is_whole = true;
            for (nth, each) in std::mem::take(all).into_iter().enumerate() {
                let path = format!("{path}/{list}/{nth}");
                match each {
                    Value::Object(each) => read(each, path, items, left_out),
                    other => items.push(not_an_object(path, &other)),
                }
            }
        }
        if is_whole {
            return;
        }
    }
    one(object, path, items, left_out);
}

type Read = fn(Map<String, Value>, String, &mut Vec<Item>, &mut SkippedFields);

/// The lists of whole documents, and how their items are read.
const LISTS: &[(&str, Read)] = &[
    ("entities", server::entity),
    ("relations", server::relation),
    ("memories", one_of_memories),
    ("results", one_of_memories),
];

fn one_of_memories(
    object: Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    left_out: &mut SkippedFields,
) {
    match object.contains_key("content") {
        true => service::read(object, path, items, left_out),
        false => one(object, path, items, left_out),
    }
}

fn one(
    object: Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    left_out: &mut SkippedFields,
) {
    if is_entity(&object) {
        return server::entity(object, path, items, left_out);
    }
    if is_relation(&object) {
        return server::relation(object, path, items, left_out);
    }
    if service::is_memory(&object) {
        return service::read(object, path, items, left_out);
    }
    if mem0::is_memory(&object) {
        return mem0::read(&object, path, items, left_out);
    }
    items.push(Item {
        path,
        document: Ok(Value::Object(object)),
    });
}

fn not_an_object(path: String, found: &Value) -> Item {
    let why = format!(
        "this is {}, not an object",
        crate::failure::json_kind(found)
    );
    Item {
        document: Err(Failure::invalid("", why)),
        path,
    }
}

/// The first of `keys` that has a text which is not blank.
fn text_of<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    let texts = keys.iter().filter_map(|key| object.get(*key)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty())
}

/// The first of `keys` that has a value.
fn value_of<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    let values = keys.iter().filter_map(|key| object.get(*key));
    values.into_iter().find(|value| !value.is_null())
}

/// The names of fields with the time at which something was said or happened.
const SAID_AT_FIELDS: &[&str] = &[
    "said_at",
    "occurred_at",
    "happened_at",
    "event_date",
    "date",
    "timestamp",
];

/// The moment in `object` at which its text was said, where one can be read that is not
/// the one of the record, `created`.
fn said_at<'a>(object: &'a Map<String, Value>, created: &Value) -> Option<&'a Value> {
    let read = |value| times::past(Some(value), "").ok().flatten();
    let said = value_of(object, SAID_AT_FIELDS)?;
    (read(said)? != read(created)?).then_some(said)
}

/// Names of a list, or of a text with commas or with a JSON list.
pub(super) fn names_of(value: Option<&Value>) -> Vec<String> {
    let listed = |list: &[Value]| -> Vec<String> {
        let texts = list.iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let names = match value {
        Some(Value::Array(list)) => listed(list),
        Some(Value::String(text)) => match serde_json::from_str::<Vec<Value>>(text) {
            Ok(list) => listed(&list),
            Err(_) => text.split(',').map(str::to_owned).collect(),
        },
        _ => Vec::new(),
    };
    let names = names.iter().map(|name| cut(name.trim()));
    names.filter(|name| !name.is_empty()).collect()
}

/// Cuts a name to the length that names may have.
fn cut(name: &str) -> String {
    let name = name.replace('\0', " ");
    prefix(&name, limits::NAME_BYTES_MAX).trim().to_owned()
}
