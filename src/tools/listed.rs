//! A tool's definition in `tools/list`. Models read all of them before the first call,
//! so it omits what a call can do without: bounds and defaults, which a refused call
//! names, and the protocol's defaults.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Keywords of a schema that check arguments and do not help to write them.
const CHECKS: [&str; 6] = [
    "additionalProperties",
    "default",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
];
/// Annotations with the value that the protocol takes for granted.
const GRANTED: [(&str, bool); 3] = [
    ("readOnlyHint", false),
    ("idempotentHint", false),
    ("openWorldHint", true),
];
/// By the protocol, these mean something only for tools that write.
const OF_WRITES: [&str; 2] = ["destructiveHint", "idempotentHint"];

/// The listed form of `definition`; `None` if it is not a JSON object.
pub fn listed(definition: &str) -> Option<Box<RawValue>> {
    let mut tool: Map<String, Value> = serde_json::from_str(definition).ok()?;
    if let Some(schema) = tool.get_mut("inputSchema") {
        leave_out_repeated(schema);
        leave_out_checks(schema);
    }
    if let Some(Value::Object(hints)) = tool.get_mut("annotations") {
        let is_read_only = hints.get("readOnlyHint") == Some(&Value::Bool(true));
        hints.retain(|name, value| {
            let is_granted = GRANTED.contains(&(name, value == &Value::Bool(true)));
            let says_nothing = is_read_only && OF_WRITES.contains(&name.as_str());
            name != "title" && !is_granted && !says_nothing
        });
    }
    serde_json::value::to_raw_value(&tool).ok()
}

fn leave_out_checks(schema: &mut Value) {
    let Value::Object(schema) = schema else {
        return;
    };
    schema.retain(|keyword, _| !CHECKS.contains(&keyword.as_str()));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(leave_out_checks);
    }
    if let Some(items) = schema.get_mut("items") {
        leave_out_checks(items);
    }
}

/// Of a list whose items have the fields of the call itself, those fields.
fn leave_out_repeated(schema: &mut Value) {
    let own = schema["properties"].as_object();
    let own: Vec<String> = own.into_iter().flat_map(Map::keys).cloned().collect();
    for name in &own {
        let items = schema.pointer_mut(&format!("/properties/{name}/items/properties"));
        if let Some(Value::Object(items)) = items
            && items.keys().all(|field| own.contains(field))
        {
            items.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn checks_and_what_is_granted_are_left_out() {
        let definition = json!({
            "name": "store",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "minimum": {"type": "string", "description": "A property of that name"},
                    "share": {"type": "number", "minimum": 0, "default": 0.5},
                    "several": {"type": "array", "maxItems": 2, "items": {
                        "type": "object", "properties": {"share": {"type": "number"}},
                    }},
                    "others": {"type": "array", "items": {
                        "type": "object", "properties": {"own": {"type": "number", "maximum": 1}},
                    }},
                },
                "additionalProperties": false,
                "required": ["share"],
            },
            "annotations": {
                "title": "Store", "readOnlyHint": false, "destructiveHint": true,
                "idempotentHint": true, "openWorldHint": true,
            },
        });
        let shown = listed(&definition.to_string()).expect("listed");
        let shown: Value = serde_json::from_str(shown.get()).expect("JSON");
        let expected = json!({
            "name": "store",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "minimum": {"type": "string", "description": "A property of that name"},
                    "share": {"type": "number"},
                    "several": {"type": "array", "items": {"type": "object", "properties": {}}},
                    "others": {"type": "array", "items": {
                        "type": "object", "properties": {"own": {"type": "number"}},
                    }},
                },
                "required": ["share"],
            },
            "annotations": {"destructiveHint": true, "idempotentHint": true},
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn read_only_tools_say_only_that() {
        let definition = json!({"annotations": {
            "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
            "openWorldHint": false,
        }});
        let shown = listed(&definition.to_string()).expect("listed");
        let shown: Value = serde_json::from_str(shown.get()).expect("JSON");
        let expected = json!({"annotations": {"readOnlyHint": true, "openWorldHint": false}});
        assert_eq!(shown, expected);
    }
}
