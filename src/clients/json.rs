//! Settings in JSON, with the comments and commas that some clients allow.

use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Value, json};

use super::entry::{ENTRY, Entry, FoundEntry, Keys, REMOTE, is_default, is_switch, mistake};
use crate::diagnostics::Diagnostic;

/// Clients accept comments and trailing commas besides plain JSON, and nothing else.
const FORM: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// See `Client::find`.
pub(super) fn find(text: &str, servers: &str) -> Result<Option<FoundEntry>, Diagnostic> {
    let root = parse(text)?;
    let property = property_in(&root, servers)?;
    let Some(value) = property.and_then(|property| property.value()) else {
        return Ok(None);
    };
    let shown = value.to_string();
    let Some(entry) = value.as_object() else {
        return Ok(Some(FoundEntry {
            entry: None,
            text: shown,
            remote: None,
            is_off: false,
        }));
    };
    let of = |key| entry.get(key).and_then(|property| property.value());
    let says = |key, wanted| {
        let lit = of(key).and_then(|value| value.as_boolean_lit());
        lit.is_some_and(|lit| lit.value() == wanted)
    };
    let shown = ["command", "args"].into_iter().chain(REMOTE);
    let shown = shown.filter_map(|key| Some(format!("{key}: {}", of(key)?)));
    Ok(Some(FoundEntry {
        entry: started(&entry),
        text: shown.collect::<Vec<_>>().join(", "),
        remote: REMOTE
            .into_iter()
            .find(|key| entry.get(key).is_some())
            .map(|key| {
                let address = of(key).map(|address| value_of(&address));
                let address = address.as_ref().and_then(Value::as_str);
                (key, address.unwrap_or_default().to_owned())
            }),
        is_off: says("disabled", true) || says("enabled", false) || says("active", false),
    }))
}

/// See `Client::put`.
pub(super) fn put(text: &str, servers: &str, keys: &Keys) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    if let Some(property) = property_in(&root, servers)? {
        let Some(object) = property.object_value() else {
            property.set_value(written(keys));
            return Ok(root.to_string());
        };
        for (key, wanted) in keys {
            merge(&object, key, wanted);
        }
        return Ok(root.to_string());
    }
    if let Some(text) = put_on_the_line(text, &root, servers, keys)? {
        return Ok(text);
    }
    root.object_value_or_create()
        .ok_or_else(no_object)?
        .object_value_or_create(servers)
        .ok_or_else(|| no_map(servers))?
        .append(ENTRY, written(keys));
    Ok(root.to_string())
}

/// See `Client::remove_entry`.
pub(super) fn remove_entry(text: &str, servers: &str) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    if let Some(property) = property_in(&root, servers)? {
        property.remove();
    }
    Ok(root.to_string())
}

pub(super) fn servers(text: &str, map: &[String]) -> Result<Vec<(String, Value)>, Diagnostic> {
    let mut found = Vec::new();
    let Some(object) = object_at(&parse(text)?, map)? else {
        return Ok(found);
    };
    for property in object.properties() {
        if let (Some(name), Some(value)) = (property.decoded_name(), property.value()) {
            only(&object, &name)?;
            found.push((name, value_of(&value)));
        }
    }
    Ok(found)
}

pub(super) fn remove_servers(
    text: &str,
    map: &[String],
    names: &[String],
) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    let object = object_at(&root, map)?;
    for property in object.iter().flat_map(CstObject::properties) {
        if property
            .decoded_name()
            .is_some_and(|name| names.contains(&name))
        {
            property.remove();
        }
    }
    Ok(root.to_string())
}

pub(super) fn add_servers(
    text: &str,
    map: &[String],
    servers: &[(String, Value)],
) -> Result<String, Diagnostic> {
    let root = parse(text)?;
    let mut object = root.object_value_or_create().ok_or_else(no_object)?;
    for key in map {
        object = object
            .object_value_or_create(key)
            .ok_or_else(|| no_map(key))?;
    }
    for (name, server) in servers {
        object.append(name, input_of(server));
    }
    Ok(root.to_string())
}

/// The object that `path` leads to, key by key.
fn object_at(root: &CstRootNode, path: &[String]) -> Result<Option<CstObject>, Diagnostic> {
    let mut object = match root.value() {
        None => return Ok(None),
        Some(value) => value.as_object().ok_or_else(no_object)?,
    };
    for key in path {
        object = match only(&object, key)? {
            None => return Ok(None),
            Some(property) => property.object_value().ok_or_else(|| no_map(key))?,
        };
    }
    Ok(Some(object))
}

fn no_map(key: &str) -> Diagnostic {
    mistake(
        "",
        format!("{key:?} holds something else than an object of servers"),
    )
}

fn value_of(node: &CstNode) -> Value {
    if let Some(object) = node.as_object() {
        let properties = object.properties().into_iter();
        let entry = |property: CstObjectProp| {
            Some((property.decoded_name()?, value_of(&property.value()?)))
        };
        return Value::Object(properties.filter_map(entry).collect());
    }
    if let Some(list) = node.as_array() {
        return list.elements().iter().map(value_of).collect();
    }
    match node.as_string_lit() {
        Some(text) => text.decoded_value().unwrap_or_default().into(),
        // A number, a truth value or null.
        None => serde_json::from_str(&node.to_string()).unwrap_or_default(),
    }
}

fn input_of(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => text_of(text),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input_of).collect()),
        Value::Object(map) => CstInputValue::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), input_of(value)))
                .collect(),
        ),
    }
}

fn parse(text: &str) -> Result<CstRootNode, Diagnostic> {
    let root = CstRootNode::parse(text, &FORM).map_err(|error| {
        let place = format!("{}:{}", error.line_display(), error.column_display());
        mistake(&place, error.kind().to_string())
    })?;
    match root.to_string() == text {
        true => Ok(root),
        false => Err(mistake(
            "",
            "Mimo cannot edit it without changing its other lines",
        )),
    }
}

/// Fails if `text` uses syntax that the reader called `title` does not support.
pub(super) fn check_plain(text: &str, title: &str, has_comments: bool) -> Result<(), Diagnostic> {
    let form = ParseOptions {
        allow_comments: has_comments,
        allow_trailing_commas: false,
        ..FORM
    };
    parse_to_ast(text, &CollectOptions::default(), &form)
        .map(drop)
        .map_err(|error| {
            let place = format!("{}:{}", error.line_display(), error.column_display());
            let extras = match has_comments {
                true => "a trailing comma",
                false => "comments or a trailing comma",
            };
            let reason = format!("{title} reads no file with {extras}: {}", error.kind());
            mistake(&place, reason)
        })
}

fn no_object() -> Diagnostic {
    mistake(
        "",
        "the file is not an object, so nothing can be added to it",
    )
}

fn property_in(root: &CstRootNode, servers: &str) -> Result<Option<CstObjectProp>, Diagnostic> {
    match object_at(root, &[servers.to_owned()])? {
        Some(all) => only(&all, ENTRY),
        None => Ok(None),
    }
}

/// The property of a key that may occur once: clients differ in which duplicate
/// counts.
fn only(object: &CstObject, key: &str) -> Result<Option<CstObjectProp>, Diagnostic> {
    let mut found = object.properties();
    found.retain(|property| property.decoded_name().as_deref() == Some(key));
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(mistake("", format!("{key:?} occurs twice"))),
    }
}

/// What an entry starts; one without `args` has none. Some clients write the program
/// and its arguments as one list.
fn started(entry: &CstObject) -> Option<Entry> {
    let text = |node: CstNode| node.as_string_lit()?.decoded_value().ok();
    let texts = |node: CstNode| {
        let elements = node.as_array()?.elements().into_iter();
        elements.map(text).collect::<Option<Vec<String>>>()
    };
    let command = entry.get("command")?.value()?;
    if command.as_array().is_some() {
        let mut words = texts(command)?.into_iter();
        let command = words.next()?;
        return Some(Entry {
            command,
            args: words.collect(),
            env: Vec::new(),
        });
    }
    let args = match entry.get("args") {
        None => Vec::new(),
        Some(args) => texts(args.value()?)?,
    };
    Some(Entry {
        command: text(command)?,
        args,
        env: Vec::new(),
    })
}

/// Sets a key to what is wanted. An object keeps what it has besides that.
fn merge(object: &CstObject, key: &str, wanted: &Value) {
    let property = object.get(key);
    let Some(property) = property.filter(|property| property.value().is_some()) else {
        if !is_default(key, wanted) {
            object.append(key, input_of(wanted));
        }
        return;
    };
    match (property.object_value(), wanted) {
        (Some(inner), Value::Object(entries)) => {
            for (key, wanted) in entries {
                merge(&inner, key, wanted);
            }
        }
        _ if property.value().as_ref().map(value_of).as_ref() == Some(wanted) => {}
        _ if is_switch(key)
            && property
                .value()
                .is_some_and(|value| value.as_boolean_lit().is_some()) => {}
        _ => property.set_value(input_of(wanted)),
    }
}

fn text_of(text: &str) -> CstInputValue {
    CstInputValue::String(text.to_owned())
}

fn written(keys: &Keys) -> CstInputValue {
    let each = keys.iter();
    CstInputValue::Object(
        each.map(|(key, value)| ((*key).to_owned(), input_of(value)))
            .collect(),
    )
}

/// Inserts the entry into an object written on one line and keeps it on one line,
/// which the editor of the tree would not. `None` if the object has several lines.
fn put_on_the_line(
    text: &str,
    root: &CstRootNode,
    servers: &str,
    keys: &Keys,
) -> Result<Option<String>, Diagnostic> {
    let Some(whole) = root.object_value() else {
        return Ok(None);
    };
    let all = object_at(root, &[servers.to_owned()])?;
    let has_line = |object: &CstObject| object.to_string().contains('\n');
    let is_filled = |object: &CstObject| !object.properties().is_empty();
    let on_one_line = match &all {
        Some(all) => !has_line(all) && (is_filled(all) || !has_line(&whole)),
        None => !has_line(&whole) && is_filled(&whole),
    };
    if !on_one_line {
        return Ok(None);
    }
    let each = keys.iter();
    let document = each.map(|(key, value)| ((*key).to_owned(), value.clone()));
    let document = Value::Object(document.collect::<Map<_, _>>());
    let (object, key, value) = match all {
        Some(all) => (all, ENTRY, document),
        None => (whole, servers, json!({ ENTRY: document })),
    };
    // After the last property, or else before the closing brace.
    let ahead: usize = match object.properties().last() {
        Some(last) => end_of(&last.clone().into()),
        None => end_of(&object.clone().into()) - (object.to_string().len() - 1),
    };
    let comma = if is_filled(&object) { ", " } else { "" };
    let added = format!("{comma}\"{key}\": {value}");
    Ok(Some([&text[..ahead], &added, &text[ahead..]].concat()))
}

/// The byte offset of a node's end.
fn end_of(node: &CstNode) -> usize {
    let mut end = node.to_string().len();
    let mut node = node.clone();
    while let Some(parent) = node.parent() {
        let siblings = parent.children();
        let before = &siblings[..node.child_index()];
        end += before
            .iter()
            .map(|each| each.to_string().len())
            .sum::<usize>();
        node = parent.into();
    }
    end
}
