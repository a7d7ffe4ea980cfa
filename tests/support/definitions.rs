//! Random definitions of tools, prompts and resources, valid in some fields and
//! odd in others.

use serde_json::{Map, Value, json};

use super::random::Random;

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
const ANNOTATIONS: &[&str] = &[
    "title",
    "readOnlyHint",
    "audience",
    "priority",
    "lastModified",
    "taskSupport",
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

/// Any value, most often a text.
pub fn anything(random: &mut Random) -> Value {
    match random.below(10) {
        0 => list(random, scalar),
        1 => objects(random, NAMES),
        _ => scalar(random),
    }
}

fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(5)),
        3 => json!([-1.5, 0.0, 0.5, 1e300][random.below(4)]),
        4 => [
            json!(u64::MAX),
            json!(i64::MIN),
            json!(9_007_199_254_740_993_u64),
        ][random.below(3)]
        .clone(),
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
    let pair = |_| {
        let value = match random.below(5) {
            0 => list(random, scalar),
            _ => scalar(random),
        };
        ((*random.pick(keys)).to_owned(), value)
    };
    Value::Object((0..count).map(pair).collect())
}

const RESULT_FIELDS: &[&str] = &[
    "content",
    "structuredContent",
    "isError",
    "_meta",
    "messages",
    "description",
    "contents",
    "completion",
    "resultType",
    "ttlMs",
    "cacheScope",
    "inputRequests",
    "x-own",
];

/// A result that is meant for every request.
pub fn result(random: &mut Random) -> Value {
    if random.below(20) == 0 {
        return anything(random);
    }
    let mut result = json!({});
    for _ in 0..random.below(6) {
        let field = *random.pick(RESULT_FIELDS);
        result[field] = match (random.below(6), field) {
            (0, _) => anything(random),
            (1, "content" | "contents") => block(random),
            (_, "content") => list(random, block),
            (_, "contents") => list(random, |random| members(random, CONTENTS)),
            (_, "messages") => list(random, |random| {
                let mut message = members(random, &["role", "content", "x-own"]);
                if message.is_object() && random.below(3) > 0 {
                    message["content"] = match random.below(4) {
                        0 => list(random, block),
                        _ => block(random),
                    };
                }
                message
            }),
            (_, "completion") => members(random, &["values", "total", "hasMore"]),
            (_, "isError") => json!(true),
            (_, "_meta") => json!({"io.modelcontextprotocol/serverInfo": anything(random), "k": 1}),
            _ => objects(random, NAMES),
        };
    }
    result
}

const CONTENTS: &[&str] = &["uri", "mimeType", "text", "blob", "_meta", "x-own"];
const BLOCKS: &[&str] = &[
    "text",
    "data",
    "mimeType",
    "resource",
    "name",
    "uri",
    "annotations",
    "icons",
    "size",
    "title",
    "description",
    "_meta",
    "x-own",
];

fn block(random: &mut Random) -> Value {
    let mut block = members(random, BLOCKS);
    if block.is_object() {
        let kinds = [
            "text",
            "image",
            "audio",
            "resource",
            "resource_link",
            "video",
        ];
        if random.below(4) > 0 {
            block["type"] = json!(*random.pick(&kinds));
        }
        if random.below(3) == 0 {
            block["resource"] = members(random, CONTENTS);
        }
        if random.below(3) == 0 {
            block["annotations"] = objects(random, ANNOTATIONS);
        }
    }
    block
}

/// An object, mostly, with some members of the right kind and some of any.
fn members(random: &mut Random, names: &[&str]) -> Value {
    if random.below(12) == 0 {
        return anything(random);
    }
    let mut object = json!({});
    for name in names {
        match (random.below(4), *name) {
            (0, _) => {}
            (1, _) => object[name] = anything(random),
            (_, "_meta" | "annotations") => object[name] = json!({"k": 1}),
            (_, "icons") => object[name] = json!([{"src": "https://a/b"}]),
            (_, "uri") => object[name] = json!("file:///n"),
            (_, "size" | "total") => object[name] = json!(5),
            (_, "values") => object[name] = json!(["a", "b"]),
            (_, "role") => object[name] = json!("assistant"),
            _ => object[name] = json!("a"),
        }
    }
    object
}

/// A definition that is meant for every list.
pub fn definition(random: &mut Random) -> Value {
    let mut item = json!({
        "name": "n", "uri": "file:///n", "uriTemplate": "file:///{n}",
        "inputSchema": {"type": "object"},
    });
    for _ in 0..random.below(6) {
        let field = *random.pick(FIELDS);
        let value = match (random.below(5), field) {
            (0, _) => anything(random),
            (1, _) if random.below(4) == 0 => {
                item.as_object_mut().expect("an object").remove(field);
                continue;
            }
            (_, "inputSchema" | "outputSchema") => {
                let mut schema = schema(random, 4);
                if random.below(2) == 0 && schema.is_object() {
                    schema["type"] = json!("object");
                }
                schema
            }
            (_, "annotations" | "execution") => objects(random, ANNOTATIONS),
            (_, "icons") => list(random, |random| {
                objects(random, &["src", "mimeType", "sizes", "theme"])
            }),
            (_, "arguments") => list(random, |random| {
                objects(random, &["name", "title", "description", "required"])
            }),
            _ => anything(random),
        };
        item[field] = value;
    }
    item
}
