//! Compares the arguments of a tool call with the tool's schema. Only literal parts:
//! the values of expressions are known when the procedure runs.

use serde_json::{Map, Value};

use crate::caller::is_placeholder;
use crate::diagnostics::{pointer_token, suggest};
use crate::failure::json_kind;
use crate::procedure::template;

/// A mistake among the arguments.
pub(super) struct Mistake {
    /// A JSON Pointer into the arguments; empty for all of them.
    pub(super) path: String,
    pub(super) reason: String,
    pub(super) fix: String,
}

pub(super) fn mistakes(tool: &str, arguments: &Map<String, Value>, schema: &Value) -> Vec<Mistake> {
    let mut comparison = Comparison {
        tool,
        found: Vec::new(),
    };
    comparison.members(arguments, schema, "");
    comparison.found
}

struct Comparison<'a> {
    tool: &'a str,
    found: Vec<Mistake>,
}

impl Comparison<'_> {
    fn report(&mut self, path: &str, reason: String, fix: String) {
        let path = path.to_owned();
        self.found.push(Mistake { path, reason, fix });
    }

    fn members(&mut self, given: &Map<String, Value>, schema: &Value, path: &str) {
        let Some(known) = schema["properties"].as_object() else {
            return;
        };
        let is_closed = schema["additionalProperties"] == false;
        for (name, value) in given {
            let at = format!("{path}/{}", pointer_token(name));
            match known.get(name) {
                Some(declared) => self.value(value, declared, &at),
                None if is_closed => {
                    let reason = format!("{} has no argument {name:?}", self.tool);
                    let fix = suggest(name, known.keys().map(String::as_str));
                    self.report(&at, reason, fix);
                }
                None => {}
            }
        }
        let required = schema["required"].as_array();
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !given.contains_key(name) {
                let reason = format!("{} needs the argument {name:?}", self.tool);
                self.report(path, reason, format!("add {name}"));
            }
        }
    }

    fn value(&mut self, value: &Value, declared: &Value, path: &str) {
        if !has_type(value, &declared["type"]) {
            let (tool, wanted) = (self.tool, &declared["type"]);
            let reason = format!(
                "{tool} takes {wanted} here, and this is {}",
                json_kind(value)
            );
            let fix = format!("give a value of type {wanted}, or an expression for one");
            return self.report(path, reason, fix);
        }
        match value {
            Value::Object(members) => self.members(members, declared, path),
            Value::Array(items) => {
                for (nth, item) in items.iter().enumerate() {
                    self.value(item, &declared["items"], &format!("{path}/{nth}"));
                }
            }
            _ => {}
        }
    }
}

/// Whether a tool takes `value` where it declares `wanted`: a type, or a list of them.
fn has_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::String(kind) => is_taken_as(value, kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.any(|kind| is_taken_as(value, kind))
        }
        _ => true,
    }
}

/// As lenient as a call: a text may stand for another value, and one item for a list of
/// it.
fn is_taken_as(value: &Value, kind: &str) -> bool {
    if let Value::String(text) = value
        && kind != "string"
    {
        let held = || serde_json::from_str::<Value>(&text.trim().to_lowercase());
        return template::is_template(text)
            || is_placeholder(text)
            || kind == "array"
            || held().is_ok_and(|held| !held.is_string() && is_taken_as(&held, kind));
    }
    match kind {
        "string" => value.is_string() || value.is_null(),
        "boolean" => value.is_boolean() || value.is_null(),
        "object" => value.is_object() || value.is_null(),
        "number" => value.is_number() || value.is_null(),
        "null" => value.is_null(),
        "integer" => {
            let fraction = value.as_f64().map_or(1.0, f64::fract);
            value.is_null() || fraction == 0.0
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_compared_with_the_schema_of_the_tool() {
        let item = json!({"type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {"name": {"type": "string"}, "weight": {"type": "number"}}});
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["query"],
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"},
                           "tags": {"type": "array", "items": {"type": "string"}},
                           "parts": {"type": "array", "items": item},
                           "deep": {"type": ["boolean", "null"]}, "any": {}}});
        let wrong = |arguments: Value| -> Vec<String> {
            let arguments = arguments.as_object().expect("an object");
            let found = mistakes("search", arguments, &schema);
            found.into_iter().map(|mistake| mistake.path).collect()
        };
        for good in [
            json!({"query": "x"}),
            json!({"query": "{{ a }}", "limit": "{{ n }}", "tags": "{{ t }}", "deep": "{{ b }}"}),
            json!({"query": "x", "limit": " 5 ", "tags": "one", "deep": "True"}),
            json!({"query": "x", "limit": 5.0, "tags": null, "deep": "", "any": {"a": 1}}),
            json!({"query": "x", "parts": [{"name": "a", "weight": "{{ w }}"}, "{{ part }}"]}),
            json!({"query": "x", "parts": {"name": "a"}}),
        ] {
            assert_eq!(wrong(good.clone()), [""; 0], "{good}");
        }
        for (bad, expected) in [
            (json!({"query": "x", "limt": 5}), "/limt"),
            (json!({"query": 7}), "/query"),
            (json!({"query": "x", "limit": "many"}), "/limit"),
            (json!({"query": "x", "limit": 1.5}), "/limit"),
            (json!({"query": "x", "limit": true}), "/limit"),
            (json!({"query": "x", "deep": {}}), "/deep"),
            (json!({"query": "x", "tags": ["a", 5]}), "/tags/1"),
            (
                json!({"query": "x", "parts": [{"name": "a", "wait": 1}]}),
                "/parts/0/wait",
            ),
            (json!({"query": "x", "parts": [{"weight": 1}]}), "/parts/0"),
            (json!({"limit": 5}), ""),
        ] {
            assert_eq!(wrong(bad.clone()), [expected], "{bad}");
        }
    }
}
