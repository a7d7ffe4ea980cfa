//! A skill whose definitions are odd in every way that was met, and in random ones.

use std::collections::BTreeMap;

use mimo::skills::client::List;
use mimo::skills::client::definitions::repair;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::definitions::definition;
use super::random::Random;

/// The lists of the protocol: the method, the member of its result, the type of that
/// in the official schema, and the member that tells the items apart.
pub const LISTS: [(&str, &str, &str, &str); 4] = [
    ("tools/list", "tools", "ListToolsResult", "name"),
    ("prompts/list", "prompts", "ListPromptsResult", "name"),
    ("resources/list", "resources", "ListResourcesResult", "uri"),
    (
        "resources/templates/list",
        "resourceTemplates",
        "ListResourceTemplatesResult",
        "uriTemplate",
    ),
];

/// Marks what becomes of an item.
const KEPT: &str = "kept";
const LEFT_OUT: &str = "left out";

/// An item as JSON text, and whether it is of use to clients.
pub type Item = (String, bool);

/// The script of a server with these items in one page for each method, which
/// answers a call of one of `lines` with that line. `ID` in it is the request's id.
pub fn server(items: &BTreeMap<&str, Vec<Item>>, lines: &BTreeMap<&str, String>) -> String {
    let page = |(method, member, ..): &(&str, &str, &str, &str)| {
        let items = items.get(method).into_iter().flatten();
        let items: Vec<&str> = items.map(|(text, _)| text.as_str()).collect();
        let text = format!("{{\"{member}\":[{}]}}", items.join(","));
        ((*method).to_owned(), json!([text]))
    };
    let pages: serde_json::Map<String, Value> = LISTS.iter().map(page).collect();
    script(&json!({"pages": pages, "lines": lines}))
}

/// The script of a server with these `pages` and `lines`.
pub fn script(data: &Value) -> String {
    include_str!("odd.mjs").replace("DATA", &data.to_string())
}

/// The odd items of a list, each with a name or an address of its own.
pub fn items(method: &str, random: &mut Random) -> Vec<Item> {
    type Own = fn(usize) -> Value;
    let (list, fields, own): (_, Value, Own) = match method {
        "tools/list" => (
            List::Tools,
            tools(),
            |n| json!({"name": format!("t{n}"), "inputSchema": {"type": "object"}}),
        ),
        "prompts/list" => (
            List::Prompts,
            prompts(),
            |n| json!({"name": format!("p{n}")}),
        ),
        "resources/list" => (
            List::Resources,
            resources(),
            |n| json!({"name": "r", "uri": format!("odd://r/{n}")}),
        ),
        _ => (
            List::Templates,
            templates(),
            |n| json!({"name": "t", "uriTemplate": format!("odd://t/{n}/{{x}}")}),
        ),
    };
    let mut items: Vec<Item> = Vec::new();
    for case in fields.as_array().expect("cases") {
        let (fields, is_kept) = (&case[0], case[1] == KEPT);
        let mut item = own(items.len());
        for (field, value) in fields.as_object().expect("fields") {
            match value {
                // Stands for an absent member.
                Value::String(text) if text == "ABSENT" => {
                    item.as_object_mut().expect("an object").remove(field);
                }
                value => item[field] = value.clone(),
            }
        }
        items.push((item.to_string(), is_kept));
    }
    for text in ["null", "7", "\"text\"", "[]", "{}"] {
        items.push((text.to_owned(), false));
    }
    // Nested deeper than readers go, and a number beyond those of readers.
    let deep = format!(
        "{{\"_meta\":{}1{}}}",
        "{\"a\":".repeat(300),
        "}".repeat(300)
    );
    items.push((deep, false));
    for _ in 0..100 {
        let mut item = definition(random);
        for (field, value) in own(items.len()).as_object().expect("an object") {
            if field != "inputSchema" {
                item[field] = value.clone();
            }
        }
        // A random schema of arguments may be one of a text, which is of no use.
        let is_kept = repair(list, &to_raw_value(&item).expect("JSON")).is_ok();
        items.push((item.to_string(), is_kept));
    }
    items
}

/// The fields of each tool that are odd, and what becomes of the tool.
fn tools() -> Value {
    let string = json!({"type": "string"});
    let mut cases = json!([
        [{"inputSchema": "ABSENT"}, KEPT],
        [{"inputSchema": null}, KEPT],
        [{"inputSchema": []}, KEPT],
        [{"inputSchema": {}}, KEPT],
        [{"inputSchema": true}, KEPT],
        [{"inputSchema": false}, LEFT_OUT],
        [{"inputSchema": "object"}, LEFT_OUT],
        [{"inputSchema": 1}, LEFT_OUT],
        [{"inputSchema": [string]}, LEFT_OUT],
        [{"inputSchema": {"type": "string"}}, LEFT_OUT],
        [{"inputSchema": {"type": ["object", "null"]}}, KEPT],
        [{"inputSchema": {"type": null}}, KEPT],
        [{"inputSchema": {"properties": {"a": string}}}, KEPT],
        [{"inputSchema": {"type": "object", "properties": null, "required": null}}, KEPT],
        [{"inputSchema": {"type": "object", "properties": [], "required": [1, "a", "a"]}}, KEPT],
        [{"inputSchema": {"type": "object", "properties": {"a": true, "b": false, "c": null, "d": "string"}}}, KEPT],
        [{"inputSchema": {"anyOf": [{"properties": {"a": string}, "required": ["a"]}, {"type": "object"}]}}, KEPT],
        [{"inputSchema": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}}, KEPT],
        [{"inputSchema": {"type": "object", "allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"properties": {"a": string}}}}}, KEPT],
        [{"inputSchema": {"$ref": "#/$defs/none"}}, KEPT],
        [{"inputSchema": {"$ref": "https://example.com/schema.json"}}, KEPT],
        [{"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/definitions/none"}}}}, KEPT],
        [{"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/properties/b"}}}}, KEPT],
        [{"inputSchema": {"type": "object", "$id": "urn:one", "properties": {"a": {"$id": "urn:one"}}}}, KEPT],
        [{"inputSchema": {"type": "object", "$schema": 4, "definitions": []}}, KEPT],
        [{"inputSchema": {"type": "object", "patternProperties": {"(?i)a": {}}, "additionalProperties": null}}, KEPT],
        [{"description": null}, KEPT],
        [{"description": ["a"]}, KEPT],
        [{"title": 5}, KEPT],
        [{"annotations": null}, KEPT],
        [{"annotations": []}, KEPT],
        [{"annotations": {"title": null, "readOnlyHint": "true", "openWorldHint": 1}}, KEPT],
        [{"execution": "fast"}, KEPT],
        [{"execution": {"taskSupport": "sometimes"}}, KEPT],
        [{"name": "ABSENT"}, LEFT_OUT],
        [{"name": null}, LEFT_OUT],
        [{"name": ""}, LEFT_OUT],
        [{"name": 5}, LEFT_OUT],
    ]);
    let outputs = json!([
        null, [], "object", true, {}, {"type": "array"}, {"type": ["object"]},
        {"type": "object", "properties": {"n": {"minimum": 0, "exclusiveMinimum": true}}},
        {"type": "object", "$schema": "http://json-schema.org/draft-04/schema#", "id": "http://a/b#"},
        {"type": "object", "$schema": "http://json-schema.org/draft-03/schema", "extends": {}},
        {"type": "object", "properties": {"a": {"required": true, "divisibleBy": 2}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
        {"type": "object", "properties": {"a": {"pattern": "(?P<year>\\d+)\\Z"}}},
        {"type": "object", "properties": {"a": {"format": "no-such-format", "x-own": 1}}},
        {"type": "object", "properties": {"a": {"type": "any"}, "b": {"type": []}, "c": {"enum": []}}},
        {"type": "object", "properties": {"a": {"items": [{"type": "string"}], "additionalItems": false}}},
        {"type": "object", "properties": {"a": {"minLength": -1, "maxItems": "3", "multipleOf": 0}}},
        {"type": "object", "properties": {"a": {"nullable": true}, "b": {"if": 1, "then": null}}},
        {"type": "object", "id": 5}, {"type": "object", "$id": "urn:same"}, {"type": "object", "$id": "urn:same"},
        {"type": "object", "$anchor": "a", "$dynamicRef": "#meta", "$vocabulary": {"a": true}},
        {"type": "object", "dependencies": {"a": ["b"], "c": 1}, "dependentRequired": {"a": "b"}},
    ]);
    let outputs = outputs.as_array().expect("schemas").iter();
    let all = cases.as_array_mut().expect("cases");
    all.extend(outputs.map(|schema| json!([{"outputSchema": schema}, KEPT])));
    all.extend(everywhere());
    cases
}

fn prompts() -> Value {
    let mut cases = json!([
        [{"arguments": null}, KEPT],
        [{"arguments": {}}, KEPT],
        [{"arguments": "a"}, KEPT],
        [{"arguments": [null, 1, [], {"name": null}, {"name": "a", "required": "yes"}]}, KEPT],
        [{"arguments": [{"name": "a", "description": null, "title": 1}]}, KEPT],
        [{"description": null}, KEPT],
        [{"name": "ABSENT"}, LEFT_OUT],
        [{"name": null}, LEFT_OUT],
        [{"name": ["p"]}, LEFT_OUT],
    ]);
    cases.as_array_mut().expect("cases").extend(everywhere());
    cases
}

fn resources() -> Value {
    let mut cases = located("uri");
    cases.as_array_mut().expect("cases").extend([
        json!([{"uri": "no/scheme"}, LEFT_OUT]),
        json!([{"uri": "http://"}, LEFT_OUT]),
        json!([{"uri": "file:///with a space/é"}, KEPT]),
    ]);
    cases
}

fn templates() -> Value {
    let mut cases = located("uriTemplate");
    let unclosed = json!([{"uriTemplate": "odd://{unclosed"}, KEPT]);
    cases.as_array_mut().expect("cases").push(unclosed);
    cases
}

/// What is odd in resources and in templates of resources.
fn located(address: &str) -> Value {
    let mut cases = json!([
        [{"name": "ABSENT"}, KEPT],
        [{"name": null}, KEPT],
        [{"name": 1, "title": "Title"}, KEPT],
        [{"mimeType": null}, KEPT],
        [{"mimeType": ["text/plain"]}, KEPT],
        [{"size": null}, KEPT],
        [{"size": "12"}, KEPT],
        [{"size": 1.5}, KEPT],
        [{"size": -1}, KEPT],
        [{"size": u64::MAX}, KEPT],
        [{"annotations": null}, KEPT],
        [{"annotations": {"audience": "user", "priority": 2, "lastModified": "today"}}, KEPT],
        [{"annotations": {"audience": ["user", "robot"], "priority": "high", "lastModified": 5}}, KEPT],
        [{ address: "ABSENT" }, LEFT_OUT],
        [{ address: null }, LEFT_OUT],
        [{ address: "" }, LEFT_OUT],
        [{ address: 7 }, LEFT_OUT],
    ]);
    cases.as_array_mut().expect("cases").extend(everywhere());
    cases
}

/// What is odd in items of every kind.
fn everywhere() -> Vec<Value> {
    let cases = [
        json!({"title": null}),
        json!({"title": {"en": "Title"}}),
        json!({"description": 5}),
        json!({"_meta": null}),
        json!({"_meta": []}),
        json!({"_meta": "m"}),
        json!({"_meta": {"": 1, "a b": null}}),
        json!({"icons": null}),
        json!({"icons": {}}),
        json!({"icons": [null, "https://example.com/i.png", {"src": 1}, {}]}),
        json!({"icons": [{"src": "i.png"}, {"src": "https://example.com/i", "sizes": "48x48", "theme": "blue", "mimeType": 1}]}),
        json!({"x-own": null, "": 1, "__proto__": {"name": 1}, "constructor": 1}),
    ];
    cases
        .into_iter()
        .map(|fields| json!([fields, KEPT]))
        .collect()
}
