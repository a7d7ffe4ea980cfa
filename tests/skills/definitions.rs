//! Definitions of skills, whatever they are: each is either left out or accepted by
//! every client.

use mimo::skills::client::List;
use mimo::skills::client::definitions::mend;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::support::random::{Random, cases, repeat};

/// What all revisions of the protocol, and the clients that are stricter, agree to
/// accept as an item of a list.
pub fn accepted(list: List) -> Value {
    let text = json!({"type": "string"});
    let object = json!({"type": "object"});
    let icons = json!({"type": "array", "items": {
        "type": "object",
        "required": ["src"],
        "properties": {
            "src": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:."},
            "mimeType": text,
            "sizes": {"type": "array", "items": text},
            "theme": {"enum": ["light", "dark"]},
        },
    }});
    let annotations = json!({"type": "object", "properties": {
        "audience": {"type": "array", "items": {"enum": ["user", "assistant"]}},
        "priority": {"type": "number", "minimum": 0, "maximum": 1},
        "lastModified": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"},
    }});
    let schema = json!({
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"const": "object"},
            "$schema": text,
            "properties": {"type": "object", "additionalProperties": object},
            "required": {"type": "array", "items": text},
        },
    });
    let mut properties = json!({
        "name": {"type": "string"},
        "title": text,
        "description": text,
        "icons": icons,
        "_meta": object,
    });
    let (more, required) = match list {
        List::Tools => {
            let mut input = schema.clone();
            input["not"] = json!({"anyOf": [
                {"required": ["anyOf"]}, {"required": ["oneOf"]}, {"required": ["allOf"]},
            ]});
            let hint = json!({"type": "boolean"});
            let more = json!({
                "name": {"type": "string", "minLength": 1},
                "inputSchema": input,
                "outputSchema": schema,
                "annotations": {"type": "object", "properties": {
                    "title": text, "readOnlyHint": hint, "destructiveHint": hint,
                    "idempotentHint": hint, "openWorldHint": hint,
                }},
                "execution": {"type": "object", "properties": {
                    "taskSupport": {"enum": ["forbidden", "optional", "required"]},
                }},
            });
            (more, json!(["name", "inputSchema"]))
        }
        List::Prompts => {
            let argument = json!({
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": text, "title": text, "description": text,
                    "required": {"type": "boolean"},
                },
            });
            let more = json!({"arguments": {"type": "array", "items": argument}});
            (more, json!(["name"]))
        }
        List::Resources => {
            let more = json!({
                "uri": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:."},
                "mimeType": text,
                "size": {"type": "integer"},
                "annotations": annotations,
            });
            (more, json!(["name", "uri"]))
        }
        List::Templates => {
            let more = json!({
                "uriTemplate": {"type": "string", "minLength": 1},
                "mimeType": text,
                "annotations": annotations,
            });
            (more, json!(["name", "uriTemplate"]))
        }
    };
    let all = properties.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    json!({"type": "object", "required": required, "properties": properties})
}

/// The definition that clients get; `None` where it is left out.
fn mended(list: List, item: &Value) -> Option<Value> {
    let raw: Box<RawValue> = to_raw_value(item).expect("JSON");
    let mended = mend(list, &raw).ok()?;
    let text = mended.text.unwrap_or(raw);
    Some(serde_json::from_str(text.get()).expect("JSON"))
}

fn tool(fields: Value) -> Value {
    let mut tool = json!({"name": "t", "inputSchema": {"type": "object"}});
    let all = tool.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    tool
}

#[test]
fn faulty_fields_get_their_one_meaning_or_go() {
    let object = json!({"type": "object"});
    for (given, field, expected) in [
        (json!({"inputSchema": null}), "inputSchema", object.clone()),
        (json!({"inputSchema": []}), "inputSchema", object.clone()),
        (json!({"inputSchema": {}}), "inputSchema", object.clone()),
        (
            json!({"inputSchema": {"type": ["object", "null"]}}),
            "inputSchema",
            object.clone(),
        ),
        (
            json!({"inputSchema": {"type": "object", "properties": [], "required": null}}),
            "inputSchema",
            object.clone(),
        ),
        (
            json!({"inputSchema": {"properties": {"a": true, "b": "text"}}}),
            "inputSchema",
            json!({"properties": {"a": {}, "b": {}}, "type": "object"}),
        ),
        (
            json!({"inputSchema": {"type": "object", "anyOf": [
                {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]}}),
            "inputSchema",
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}),
        ),
        (
            json!({"inputSchema": {"type": "object", "properties": {
                "a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/B", "title": "b"},
            }, "$defs": {"A": {"type": "string"}}}}),
            "inputSchema",
            json!({"type": "object", "properties": {
                "a": {"$ref": "#/$defs/A"}, "b": {"title": "b"},
            }, "$defs": {"A": {"type": "string"}}}),
        ),
        (
            json!({"outputSchema": {"$schema": "http://json-schema.org/draft-04/schema#", "id": "x",
            "type": "object", "properties": {
                "n": {"minimum": 0, "exclusiveMinimum": true},
                "t": {"items": [{"type": "string"}]},
                "p": {"pattern": "(?i)x"},
            }}}),
            "outputSchema",
            json!({"type": "object", "properties": {
                "n": {"exclusiveMinimum": 0},
                "t": {"prefixItems": [{"type": "string"}]},
                "p": {},
            }}),
        ),
        (json!({"outputSchema": null}), "outputSchema", Value::Null),
        (
            json!({"outputSchema": {"type": "array"}}),
            "outputSchema",
            Value::Null,
        ),
        (json!({"description": null}), "description", Value::Null),
        (
            json!({"annotations": {"readOnlyHint": "yes", "destructiveHint": true}}),
            "annotations",
            json!({"destructiveHint": true}),
        ),
        (json!({"annotations": []}), "annotations", Value::Null),
        (
            json!({"icons": [{"src": "https://a/b", "sizes": "48x48"}, "x", {"src": 1}]}),
            "icons",
            json!([{"src": "https://a/b"}]),
        ),
    ] {
        let tool = mended(List::Tools, &tool(given.clone()));
        let tool = tool.unwrap_or_else(|| panic!("{given} is left out"));
        assert_eq!(
            tool.get(field).unwrap_or(&Value::Null),
            &expected,
            "{given}"
        );
    }
    let missing = mended(List::Tools, &json!({"name": "t"})).expect("a tool");
    assert_eq!(missing["inputSchema"], object);
    for useless in [
        json!({"inputSchema": {"type": "string"}}),
        json!({"inputSchema": "an object"}),
        json!({"name": null}),
        json!({"name": ""}),
    ] {
        assert_eq!(mended(List::Tools, &tool(useless)), None);
    }
    let resource = mended(List::Resources, &json!({"uri": "file:///a", "size": "1"}));
    assert_eq!(
        resource,
        Some(json!({"uri": "file:///a", "name": "file:///a"}))
    );
    assert_eq!(
        mended(List::Resources, &json!({"uri": "a", "name": "a"})),
        None
    );
    let prompt = mended(List::Prompts, &json!({"name": "p", "arguments": null}));
    assert_eq!(prompt, Some(json!({"name": "p"})));
}

#[test]
fn valid_definition_is_left_alone() {
    let valid = tool(json!({
        "title": "T",
        "inputSchema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z0-9-]+\\.txt$"},
                "list": {"type": "array", "items": {"$ref": "#/definitions/Item"}},
                "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["id"],
            "additionalProperties": false,
            "definitions": {"Item": {"type": "object"}},
        },
        "x-vendor": {"z": 1, "a": null},
    }));
    let raw = to_raw_value(&valid).expect("JSON");
    let mended = mend(List::Tools, &raw).expect("a tool");
    assert!(mended.text.is_none(), "{:?}", mended.text);
}

const NAMES: &[&str] = &["a", "name", "$ref", "id", "type", "x/y", "anyOf"];
const FIELDS: &[&str] = &[
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "icons",
    "execution",
    "_meta",
    "uri",
    "uriTemplate",
    "mimeType",
    "size",
    "arguments",
    "x-own",
];
const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "enum",
    "const",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxItems",
    "uniqueItems",
    "pattern",
    "patternProperties",
    "format",
    "$ref",
    "$id",
    "id",
    "$schema",
    "$defs",
    "definitions",
    "additionalProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "nullable",
    "default",
    "examples",
    "$anchor",
    "$dynamicRef",
    "contains",
    "propertyNames",
    "title",
    "description",
    "x-own",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "object",
    "string",
    "array",
    "any",
    "#",
    "#/$defs/a",
    "#/properties/a",
    "#/definitions/x~1y",
    "#a",
    "https://example.com/a.json",
    "file:///a b",
    "http://",
    "user",
    "light",
    "2026-01-01T00:00:00Z",
    "yesterday",
    "^a+$",
    "(",
    "(?P<x>a)",
    "\\Z",
    "[a-",
    "a{,3}",
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2020-12/schema",
    "date-time",
    "optional",
    "\u{1}",
    "é",
];

/// Any value, more often of the kind that fits than not.
fn scalar(random: &mut Random) -> Value {
    match random.below(7) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(5)),
        3 => json!([-1.5, 0.0, 0.5, 1e300][random.below(4)]),
        _ => json!(*random.pick(TEXTS)),
    }
}

fn list(random: &mut Random, mut of: impl FnMut(&mut Random) -> Value) -> Value {
    let count = random.below(4);
    (0..count).map(|_| of(random)).collect()
}

fn schema(random: &mut Random, depth: usize) -> Value {
    if random.below(10) == 0 || depth == 0 {
        return match random.below(4) {
            0 => scalar(random),
            1 => json!([]),
            _ => json!({"type": "string"}),
        };
    }
    let mut schema = Map::new();
    for _ in 0..random.below(5) {
        let keyword = *random.pick(KEYWORDS);
        let value = match (random.below(4), keyword) {
            (0, _) => scalar(random),
            (
                _,
                "properties" | "$defs" | "definitions" | "patternProperties" | "dependencies"
                | "dependentSchemas",
            ) => {
                let count = random.below(3);
                let named = |_| {
                    (
                        (*random.pick(NAMES)).to_owned(),
                        schema_below(random, depth),
                    )
                };
                Value::Object((0..count).map(named).collect())
            }
            (_, "anyOf" | "oneOf" | "allOf" | "prefixItems") => {
                list(random, |random| schema_below(random, depth))
            }
            (1, "items") | (_, "required" | "enum" | "examples" | "type") => list(random, scalar),
            (
                _,
                "items"
                | "not"
                | "additionalProperties"
                | "if"
                | "then"
                | "contains"
                | "propertyNames",
            ) => schema_below(random, depth),
            _ => scalar(random),
        };
        schema.insert(keyword.to_owned(), value);
    }
    Value::Object(schema)
}

fn schema_below(random: &mut Random, depth: usize) -> Value {
    schema(random, depth - 1)
}

fn objects(random: &mut Random, keys: &[&str]) -> Value {
    let count = random.below(5);
    let pair = |_| ((*random.pick(keys)).to_owned(), scalar(random));
    Value::Object((0..count).map(pair).collect())
}

fn definition(random: &mut Random) -> Value {
    let mut item = json!({"name": "n", "uri": "file:///n", "uriTemplate": "file:///{n}"});
    for _ in 0..random.below(6) {
        let field = *random.pick(FIELDS);
        let value = match (random.below(5), field) {
            (0, _) => scalar(random),
            (_, "inputSchema" | "outputSchema") => {
                let mut schema = schema(random, 4);
                if random.below(2) == 0 && schema.is_object() {
                    schema["type"] = json!("object");
                }
                schema
            }
            (_, "annotations" | "execution") => objects(
                random,
                &[
                    "title",
                    "readOnlyHint",
                    "audience",
                    "priority",
                    "lastModified",
                    "taskSupport",
                ],
            ),
            (_, "icons") => list(random, |random| {
                objects(random, &["src", "mimeType", "sizes", "theme"])
            }),
            (_, "arguments") => list(random, |random| {
                objects(random, &["name", "title", "description", "required"])
            }),
            _ => scalar(random),
        };
        item[field] = value;
    }
    item
}

#[test]
fn no_definition_breaks_its_list() {
    let lists = [List::Tools, List::Prompts, List::Resources, List::Templates];
    let validators = lists.map(|list| {
        let schema = accepted(list);
        (list, jsonschema::validator_for(&schema).expect("a schema"))
    });
    let (mut kept, mut left_out) = (0, 0);
    repeat(cases(1_000, 10_000), |random| {
        let item = definition(random);
        for (list, validator) in &validators {
            let Some(mended) = mended(*list, &item) else {
                left_out += 1;
                continue;
            };
            kept += 1;
            if let Err(error) = validator.validate(&mended) {
                panic!(
                    "{item}\nbecame {mended}\n{error} at {}",
                    error.instance_path()
                );
            }
            for schema in [mended.get("inputSchema"), mended.get("outputSchema")]
                .into_iter()
                .flatten()
                .filter(|_| *list == List::Tools)
            {
                assert!(
                    jsonschema::meta::is_valid(schema),
                    "{item}\nbecame {schema}"
                );
                if let Err(error) = jsonschema::validator_for(schema) {
                    panic!("{item}\nbecame {schema}\n{error}");
                }
            }
            // Mending is done at once.
            assert_eq!(
                self::mended(*list, &mended).as_ref(),
                Some(&mended),
                "{item}"
            );
        }
    });
    assert!(kept > left_out, "{kept} kept, {left_out} left out");
}
