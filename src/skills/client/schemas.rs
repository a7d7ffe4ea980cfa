//! Repairs the JSON Schemas in tool definitions. Clients compile them and pass them to
//! model providers, which reject a whole list for one wrong keyword. A keyword with one
//! possible meaning gets it; any other wrong keyword is dropped, which only makes the
//! schema accept more. Pure.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::fixes::Fixes;
use crate::diagnostics::pointer_token;
use crate::files::percent_decoded;

type Schema = Map<String, Value>;

/// Keywords that model providers refuse at the top of a tool's arguments.
const NOT_AT_TOP: [&str; 5] = ["anyOf", "oneOf", "allOf", "not", "enum"];

/// Keywords whose value is a schema.
const ONE_SCHEMA: [&str; 12] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords whose value is a list of schemas.
const SCHEMA_LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];

/// Dialects whose keywords are those of today, or nearly.
const DIALECTS: [&str; 4] = [
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft/2020-12/schema",
];

/// Repairs the schema of a tool's arguments; fails if it is not for an object.
pub(super) fn repair_input(schema: &mut Value, fixes: &mut Fixes) -> Result<(), String> {
    let path = "/inputSchema";
    let object = as_object_schema(schema, path, fixes)?;
    walk(object, path, fixes);
    merge_alternatives(object, path, fixes);
    finish(schema, path, fixes);
    Ok(())
}

/// Repairs the schema of a tool's results; fails if it is not for an object.
pub(super) fn repair_output(schema: &mut Value, fixes: &mut Fixes) -> Result<(), String> {
    let path = "/outputSchema";
    walk(as_object_schema(schema, path, fixes)?, path, fixes);
    finish(schema, path, fixes);
    Ok(())
}

/// The schema as one whose type is `object`, as the protocol demands.
fn as_object_schema<'a>(
    schema: &'a mut Value,
    path: &str,
    fixes: &mut Fixes,
) -> Result<&'a mut Schema, String> {
    let says_nothing = match schema {
        Value::Null | Value::Bool(true) => true,
        // PHP writes an empty map as an empty list.
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if says_nothing {
        fixes.note(format!("{path} is taken as an object"));
        *schema = json!({"type": "object"});
    }
    let Value::Object(object) = schema else {
        return Err(format!("{} is not a schema of an object", &path[1..]));
    };
    let wanted = object.get("type").is_none_or(|given| match given {
        Value::String(name) => name == "object",
        Value::Array(names) => names.is_empty() || names.iter().any(|name| name == "object"),
        _ => true,
    });
    if !wanted {
        return Err(format!("{} is not a schema of an object", &path[1..]));
    }
    if object.get("type").is_none_or(|given| given != "object") {
        fixes.note(format!("{path}/type is taken as object"));
        object.insert("type".to_owned(), "object".into());
    }
    Ok(object)
}

/// Drops or replaces every keyword whose value no validator accepts, here and in
/// all schemas below.
fn walk(schema: &mut Schema, path: &str, fixes: &mut Fixes) {
    for (exclusive, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        // Draft 4 has a boolean beside the bound.
        if schema.get(exclusive) == Some(&Value::Bool(true))
            && schema.get(bound).is_some_and(Value::is_number)
            && let Some(value) = schema.shift_remove(bound)
        {
            fixes.note(format!("{path}/{exclusive} is taken from {bound}"));
            schema.insert(exclusive.to_owned(), value);
        }
    }
    let is_tuple = |items: &Value| items.as_array().is_some_and(|items| !items.is_empty());
    if schema.get("items").is_some_and(is_tuple)
        && !schema.contains_key("prefixItems")
        && let Some(items) = schema.shift_remove("items")
    {
        fixes.note(format!("{path}/items is taken as prefixItems"));
        schema.insert("prefixItems".to_owned(), items);
    }
    let has_type = schema.get("type").is_some_and(is_type);
    let keywords: Vec<String> = schema.keys().cloned().collect();
    for keyword in keywords {
        let Some(value) = schema.get_mut(&keyword) else {
            continue;
        };
        let below = format!("{path}/{}", pointer_token(&keyword));
        if !repair_keyword(&keyword, value, has_type, &below, fixes) {
            fixes.note(format!("{below} is dropped"));
            schema.shift_remove(&keyword);
        }
    }
}

/// Repairs one keyword's value; returns whether it can stay.
fn repair_keyword(
    keyword: &str,
    value: &mut Value,
    has_type: bool,
    path: &str,
    fixes: &mut Fixes,
) -> bool {
    match keyword {
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
        "multipleOf" => value.as_f64().is_some_and(|number| number > 0.0),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => value.is_u64(),
        "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => value.is_boolean(),
        "nullable" => has_type && value.is_boolean(),
        "title" | "description" | "$comment" | "format" | "contentEncoding"
        | "contentMediaType" | "$ref" => value.is_string(),
        "pattern" => value.as_str().is_some_and(is_portable_pattern),
        "$schema" => value.as_str().is_some_and(is_known_dialect),
        // Two tools with one identifier make a validator refuse both, and one in
        // JavaScript refuses draft 4's `id` whatever its value.
        "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" | "$dynamicRef"
        | "$recursiveRef" | "$vocabulary" | "$async" => false,
        "enum" => value.as_array().is_some_and(|values| !values.is_empty()),
        "examples" => value.is_array(),
        "type" => is_type(value),
        "required" => repair_names(value, path, fixes),
        "dependentRequired" => value
            .as_object()
            .is_some_and(|lists| lists.values().all(is_names)),
        keyword if ONE_SCHEMA.contains(&keyword) => repair_schema(value, path, fixes),
        keyword if SCHEMA_LISTS.contains(&keyword) => match value {
            Value::Array(schemas) if !schemas.is_empty() => schemas
                .iter_mut()
                .enumerate()
                .all(|(at, schema)| repair_schema(schema, &format!("{path}/{at}"), fixes)),
            _ => false,
        },
        "properties" | "$defs" | "definitions" | "dependentSchemas" => match value {
            Value::Object(schemas) => {
                repair_schemas(schemas, path, fixes);
                true
            }
            _ => false,
        },
        "patternProperties" => match value {
            Value::Object(schemas) if schemas.keys().all(|key| is_portable_pattern(key)) => {
                repair_schemas(schemas, path, fixes);
                true
            }
            _ => false,
        },
        "dependencies" => match value {
            Value::Object(rules) => rules.iter_mut().all(|(name, rule)| {
                let path = format!("{path}/{}", pointer_token(name));
                is_names(rule) || repair_schema(rule, &path, fixes)
            }),
            _ => false,
        },
        _ => true,
    }
}

/// Repairs a nested schema; returns whether it is one now.
fn repair_schema(schema: &mut Value, path: &str, fixes: &mut Fixes) -> bool {
    match schema {
        Value::Object(object) => walk(object, path, fixes),
        Value::Bool(_) => {}
        _ => return false,
    }
    true
}

/// Repairs the schemas of a map. An invalid one is replaced by one that accepts
/// anything.
fn repair_schemas(schemas: &mut Schema, path: &str, fixes: &mut Fixes) {
    for (name, schema) in schemas {
        let path = format!("{path}/{}", pointer_token(name));
        if !repair_schema(schema, &path, fixes) {
            fixes.note(format!("{path} is not a schema, so it accepts anything"));
            *schema = json!({});
        }
    }
}

/// Removes duplicates from a list of names; returns whether it is one.
fn repair_names(value: &mut Value, path: &str, fixes: &mut Fixes) -> bool {
    let Value::Array(names) = value else {
        return false;
    };
    let before = names.len();
    let mut seen = HashSet::new();
    names.retain(|name| {
        name.as_str()
            .is_some_and(|name| seen.insert(name.to_owned()))
    });
    if names.len() < before {
        fixes.note(format!("{path} keeps its names only"));
    }
    true
}

fn is_names(value: &Value) -> bool {
    let mut seen = HashSet::new();
    let is_new = |name: &Value| {
        name.as_str()
            .is_some_and(|name| seen.insert(name.to_owned()))
    };
    value
        .as_array()
        .is_some_and(|names| names.iter().all(is_new))
}

fn is_type(value: &Value) -> bool {
    const TYPES: [&str; 7] = [
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];
    let is_one = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    is_one(value)
        || is_names(value)
            && value
                .as_array()
                .is_some_and(|names| !names.is_empty() && names.iter().all(is_one))
}

fn is_known_dialect(address: &str) -> bool {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"));
    rest.is_some_and(|rest| DIALECTS.contains(&rest.trim_end_matches('#')))
}

/// Whether every validator reads this regular expression in the same way: those in
/// JavaScript refuse escapes and groups that others have, and the reverse.
fn is_portable_pattern(pattern: &str) -> bool {
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        let is_portable = match character {
            '\\' => rest
                .next()
                .is_some_and(|escaped| r"dDwWsSbBnrtfv.*+?^$()[]{}|\/".contains(escaped)),
            '(' if rest.peek() == Some(&'?') => {
                rest.next();
                rest.next()
                    .is_some_and(|kind| matches!(kind, ':' | '=' | '!'))
            }
            _ => true,
        };
        if !is_portable {
            return false;
        }
    }
    jsonschema::validator_for(&json!({ "pattern": pattern })).is_ok()
}

/// Model providers refuse alternatives at the top of a tool's arguments: their
/// properties become the tool's, and the skill itself checks which belong together.
fn merge_alternatives(schema: &mut Schema, path: &str, fixes: &mut Fixes) {
    for keyword in NOT_AT_TOP {
        let Some(value) = schema.shift_remove(keyword) else {
            continue;
        };
        fixes.note(format!("{path}/{keyword} is merged into its properties"));
        let Value::Array(branches) = value else {
            continue;
        };
        for branch in branches {
            let Some(branch) = resolved(schema, branch) else {
                continue;
            };
            if let Some(Value::Object(properties)) = branch.get("properties") {
                let own = schema.entry("properties").or_insert_with(|| json!({}));
                if let Value::Object(own) = own {
                    for (name, property) in properties {
                        own.entry(name.clone()).or_insert_with(|| property.clone());
                    }
                }
            }
            if keyword == "allOf"
                && let Some(Value::Array(names)) = branch.get("required")
            {
                let own = schema.entry("required").or_insert_with(|| json!([]));
                if let Value::Array(own) = own {
                    let new = names.iter().filter(|name| !own.contains(name));
                    let new: Vec<Value> = new.cloned().collect();
                    own.extend(new);
                }
            }
        }
    }
}

/// A branch, or the definition that it refers to.
fn resolved(root: &Schema, branch: Value) -> Option<Value> {
    let Some(reference) = branch.get("$ref").and_then(Value::as_str) else {
        return branch.is_object().then_some(branch);
    };
    let (group, name) = reference.strip_prefix("#/")?.split_once('/')?;
    root.get(group)?.get(name).cloned()
}

/// Last, because it depends on everything else: references resolve, and the properties
/// at the top are objects, as the protocol demands.
fn finish(schema: &mut Value, path: &str, fixes: &mut Fixes) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties {
            if let Value::Bool(accepts) = property {
                fixes.note(format!(
                    "{path}/properties/{} is a boolean",
                    pointer_token(name)
                ));
                *property = match accepts {
                    true => json!({}),
                    false => json!({"not": {}}),
                };
            }
        }
    }
    let mut places = HashSet::new();
    let mut refers = false;
    each_schema(schema, "", &mut |schema, place| {
        places.insert(place.to_owned());
        refers |= schema.contains_key("$ref");
    });
    if refers {
        each_schema(schema, "", &mut |schema, place| {
            let target = schema.get("$ref").and_then(Value::as_str);
            let leads = |target: &str| {
                let pointer = target.strip_prefix('#').map(percent_decoded);
                pointer.is_some_and(|pointer| places.contains(&pointer))
            };
            if target.is_some_and(|target| !leads(target)) {
                fixes.note(format!("{path}{place}/$ref leads nowhere and is dropped"));
                schema.shift_remove("$ref");
            }
        });
    }
}

/// Visits each object that is a schema, with its JSON Pointer.
fn each_schema(schema: &mut Value, place: &str, visit: &mut impl FnMut(&mut Schema, &str)) {
    let Value::Object(object) = schema else {
        return;
    };
    visit(object, place);
    for (keyword, value) in object {
        let below = format!("{place}/{keyword}");
        match (keyword.as_str(), value) {
            (keyword, value) if ONE_SCHEMA.contains(&keyword) => each_schema(value, &below, visit),
            (keyword, Value::Array(schemas)) if SCHEMA_LISTS.contains(&keyword) => {
                for (at, schema) in schemas.iter_mut().enumerate() {
                    each_schema(schema, &format!("{below}/{at}"), visit);
                }
            }
            (
                "properties" | "$defs" | "definitions" | "dependentSchemas" | "patternProperties"
                | "dependencies",
                Value::Object(schemas),
            ) => {
                for (name, schema) in schemas {
                    each_schema(schema, &format!("{below}/{}", pointer_token(name)), visit);
                }
            }
            _ => {}
        }
    }
}
