//! Definitions of skills, whatever they are: each is either left out or accepted by
//! every client.

use jsonschema::Validator;
use mimo::skills::client::List;
use mimo::skills::client::definitions::repair;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::support::definitions::definition;
use crate::support::official::{REVISIONS, check, official};
use crate::support::random::repeat;

/// What clients that are stricter than the protocol refuse besides.
fn stricter(list: List) -> Validator {
    let uri = json!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:."});
    let icons = json!({"items": {"properties": {"src": uri}}});
    let time = json!({"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"});
    let annotations = json!({"properties": {"lastModified": time}});
    let mut properties = json!({"icons": icons});
    match list {
        List::Tools => {
            properties["name"] = json!({"minLength": 1});
            properties["inputSchema"] = json!({"not": {"anyOf": [
                {"required": ["anyOf"]}, {"required": ["oneOf"]}, {"required": ["allOf"]},
            ]}});
        }
        List::Prompts => properties["name"] = json!({"minLength": 1}),
        List::Resources => {
            properties["uri"] = uri;
            properties["annotations"] = annotations;
        }
        List::Templates => {
            properties["uriTemplate"] = json!({"minLength": 1});
            properties["annotations"] = annotations;
        }
    }
    jsonschema::validator_for(&json!({"properties": properties})).expect("a schema")
}

const LISTS: [(List, &str, &str); 4] = [
    (List::Tools, "tools", "ListToolsResult"),
    (List::Prompts, "prompts", "ListPromptsResult"),
    (List::Resources, "resources", "ListResourcesResult"),
    (
        List::Templates,
        "resourceTemplates",
        "ListResourceTemplatesResult",
    ),
];

/// The definition that clients get; `None` where it is left out.
fn repaired(list: List, item: &Value) -> Option<Value> {
    let raw: Box<RawValue> = to_raw_value(item).expect("JSON");
    let repaired = repair(list, &raw).ok()?;
    let text = repaired.text.unwrap_or(raw);
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
                "n": {"minimum": 0, "exclusiveMinimum": true, "id": 5},
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
        let tool = repaired(List::Tools, &tool(given.clone()));
        let tool = tool.unwrap_or_else(|| panic!("{given} is left out"));
        assert_eq!(
            tool.get(field).unwrap_or(&Value::Null),
            &expected,
            "{given}"
        );
    }
    let missing = repaired(List::Tools, &json!({"name": "t"})).expect("a tool");
    assert_eq!(missing["inputSchema"], object);
    for useless in [
        json!({"inputSchema": {"type": "string"}}),
        json!({"inputSchema": "an object"}),
        json!({"name": null}),
        json!({"name": ""}),
    ] {
        assert_eq!(repaired(List::Tools, &tool(useless)), None);
    }
    let resource = repaired(List::Resources, &json!({"uri": "file:///a", "size": "1"}));
    assert_eq!(
        resource,
        Some(json!({"uri": "file:///a", "name": "file:///a"}))
    );
    assert_eq!(
        repaired(List::Resources, &json!({"uri": "a", "name": "a"})),
        None
    );
    let prompt = repaired(List::Prompts, &json!({"name": "p", "arguments": null}));
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
    let repaired = repair(List::Tools, &raw).expect("a tool");
    assert!(repaired.text.is_none(), "{:?}", repaired.text);
}

#[test]
fn no_definition_breaks_its_list() {
    let lists = LISTS.map(|(list, member, result)| {
        let official = REVISIONS.map(|revision| official(revision, result));
        (list, member, official, stricter(list))
    });
    let (mut kept, mut left_out, mut odd) = (0, 0, 0);
    repeat(10_000, |random| {
        let item = definition(random);
        for (list, member, official, stricter) in &lists {
            odd += u64::from(!official[0].is_valid(&json!({ *member: [item] })));
            let Some(repaired) = repaired(*list, &item) else {
                left_out += 1;
                continue;
            };
            kept += 1;
            // The newest revision wants some members that older ones ignore.
            let result = json!({
                *member: [repaired], "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            });
            for validator in official {
                check(validator, &result);
            }
            check(stricter, &repaired);
            for schema in [repaired.get("inputSchema"), repaired.get("outputSchema")]
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
                self::repaired(*list, &repaired).as_ref(),
                Some(&repaired),
                "{item}"
            );
        }
    });
    assert!(kept > left_out, "{kept} kept, {left_out} left out");
    assert!(odd > left_out, "{odd} odd, {left_out} left out");
}
