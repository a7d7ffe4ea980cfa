//! Arguments in forms that clients send by mistake, read as they are meant: a list
//! or an object as JSON text, a number or a boolean as text, one value for a list,
//! an argument that is left out as "" or "null". The schema decides, at any depth;
//! what it allows already, and what could mean two things, stays as it is. Pure.

use serde_json::{Map, Number, Value};

use crate::caller::is_placeholder;

/// `value` in the form that `schema` wants, if only one meaning is possible.
pub(super) fn coerce(value: Value, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => object(value, schema),
        Some("array") => array(value, schema),
        Some("integer" | "number") => number(value),
        Some("boolean") => boolean(value),
        Some("string") => string(value, schema),
        // If several types are allowed, a text may be meant as text.
        _ => value,
    }
}

fn object(value: Value, schema: &Value) -> Value {
    let members = match from_text(value, '{') {
        Value::Object(members) => members,
        other => return other,
    };
    let none = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let is_required = |name: &str| required.iter().any(|required| required == name);
    let read = |(name, value): (String, Value)| match known.get(&name) {
        Some(_) if value.is_null() => None,
        Some(_) if value.as_str().is_some_and(is_placeholder) && !is_required(&name) => None,
        Some(schema) => Some((name, coerce(value, schema))),
        None => Some((name, value)),
    };
    Value::Object(members.into_iter().filter_map(read).collect())
}

fn array(value: Value, schema: &Value) -> Value {
    let items = &schema["items"];
    let list = match from_text(value, '[') {
        Value::Array(list) if list.first().is_some_and(|first| is_one_item(first, items)) => {
            vec![Value::Array(list)]
        }
        Value::Array(list) => list,
        other => match one_or_several(other, items) {
            Ok(list) => list,
            Err(other) => return other,
        },
    };
    let read = list.into_iter().map(|item| coerce(item, items));
    Value::Array(read.collect())
}

/// Whether a list that begins with `first` is itself one item of a list of lists.
fn is_one_item(first: &Value, items: &Value) -> bool {
    items["type"] == "array" && !from_text(first.clone(), '[').is_array()
}

/// One value as the list that it stands for, or unchanged.
fn one_or_several(value: Value, items: &Value) -> Result<Vec<Value>, Value> {
    let wanted = items["type"].as_str();
    let matches = match (&value, wanted) {
        (Value::String(text), _) if text.contains(',') => {
            let parts = text
                .split(',')
                .map(|part| Value::String(part.trim().to_owned()));
            let parts: Vec<Value> = parts.map(|part| coerce(part, items)).collect();
            // A free text may have a comma of its own.
            let is_list = parts.iter().all(|part| has_type(part, items))
                && (wanted != Some("string") || items["enum"].is_array());
            return if is_list { Ok(parts) } else { Err(value) };
        }
        _ => has_type(&coerce(value.clone(), items), items),
    };
    match matches {
        true => Ok(vec![value]),
        false => Err(value),
    }
}

fn has_type(value: &Value, schema: &Value) -> bool {
    let options = schema["enum"].as_array();
    let is_allowed = options.is_none_or(|options| options.contains(value));
    is_allowed
        && match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("integer" | "number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("string") => value.is_string(),
            _ => false,
        }
}

fn number(value: Value) -> Value {
    let number = value
        .as_str()
        .and_then(|text| text.trim().parse::<Number>().ok());
    number.map_or(value, Value::Number)
}

fn boolean(value: Value) -> Value {
    match value.as_str().map(str::trim) {
        Some("true" | "True" | "TRUE") => Value::Bool(true),
        Some("false" | "False" | "FALSE") => Value::Bool(false),
        _ => value,
    }
}

/// A word of a list in another case. A number for a text stays one, and is refused.
fn string(value: Value, schema: &Value) -> Value {
    let (Some(text), Some(options)) = (value.as_str(), schema["enum"].as_array()) else {
        return value;
    };
    let equal = |option: &&Value| {
        let option = option.as_str().unwrap_or_default();
        option.eq_ignore_ascii_case(text.trim())
    };
    let is_option = options.contains(&value);
    let option = options.iter().find(equal).filter(|_| !is_option).cloned();
    option.unwrap_or(value)
}

/// The list or object in a JSON text that begins with `bracket`.
fn from_text(value: Value, bracket: char) -> Value {
    let text = value.as_str().map(str::trim_start);
    let text = text.filter(|text| text.starts_with(bracket));
    let parsed = text.and_then(|text| serde_json::from_str(text).ok());
    parsed.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "required": ["kind"], "properties": {
            "kind": {"type": "string"},
            "query": {"type": "string"},
            "mode": {"type": "string", "enum": ["hybrid", "keyword"]},
            "limit": {"type": "integer"},
            "share": {"type": "number"},
            "accept": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ids": {"type": "array", "items": {"type": "integer"}},
            "stores": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "patterns": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "open": {"type": "object", "properties": {}},
            "either": {"type": ["string", "integer"]},
            "memories": {"type": "array", "items": {"type": "object", "properties": {
                "content": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "deep": {"type": "object", "properties": {"n": {"type": "integer"}}}
            }}}
        }})
    }

    #[test]
    fn forms_with_one_meaning_are_read_as_meant() {
        let table = [
            (json!({"tags": r#"["x"]"#}), json!({"tags": ["x"]})),
            (json!({"tags": " [\"x\"]\n"}), json!({"tags": ["x"]})),
            (json!({"tags": "x"}), json!({"tags": ["x"]})),
            (json!({"ids": "[1]"}), json!({"ids": [1]})),
            (json!({"ids": 1}), json!({"ids": [1]})),
            (json!({"ids": "1"}), json!({"ids": [1]})),
            (json!({"ids": ["1", 2]}), json!({"ids": [1, 2]})),
            (json!({"ids": "1, 2"}), json!({"ids": [1, 2]})),
            (json!({"stores": "a,b"}), json!({"stores": ["a", "b"]})),
            (json!({"stores": "A"}), json!({"stores": ["a"]})),
            (json!({"limit": "5"}), json!({"limit": 5})),
            (json!({"limit": " 5 "}), json!({"limit": 5})),
            (json!({"share": "0.5"}), json!({"share": 0.5})),
            (json!({"accept": "true"}), json!({"accept": true})),
            (json!({"accept": "False"}), json!({"accept": false})),
            (json!({"mode": "Hybrid "}), json!({"mode": "hybrid"})),
            (
                json!({"patterns": ["?p", "is", "?x"]}),
                json!({"patterns": [["?p", "is", "?x"]]}),
            ),
            (
                json!({"patterns": r#"[["?p","is","five"],"[\"a\",\"b\",\"c\"]"]"#}),
                json!({"patterns": [["?p", "is", "five"], ["a", "b", "c"]]}),
            ),
            (json!({"open": r#"{"a":"1"}"#}), json!({"open": {"a": "1"}})),
            (
                json!({"memories": {"content": "x"}}),
                json!({"memories": [{"content": "x"}]}),
            ),
            (
                json!({"memories": r#"[{"content":"x","tags":"[\"y\"]","deep":"{\"n\":\"3\"}"}]"#}),
                json!({"memories": [{"content": "x", "tags": ["y"], "deep": {"n": 3}}]}),
            ),
            (
                json!({"memories": ["{\"content\":\"x\",\"tags\":null}"]}),
                json!({"memories": [{"content": "x"}]}),
            ),
        ];
        for (sent, meant) in table {
            let shown = sent.to_string();
            assert_eq!(coerce(sent, &schema()), meant, "{shown}");
            assert_eq!(coerce(meant.clone(), &schema()), meant, "again: {shown}");
        }
    }

    #[test]
    fn texts_for_an_absent_argument_leave_it_out() {
        for absent in [
            json!(null),
            json!(""),
            json!(" "),
            json!("null"),
            json!("undefined"),
            json!("None"),
        ] {
            for name in [
                "query", "mode", "limit", "accept", "tags", "open", "memories",
            ] {
                assert_eq!(
                    coerce(json!({name: absent}), &schema()),
                    json!({}),
                    "{name} {absent}"
                );
            }
        }
        // A required text is taken at its word, and an unknown argument is reported.
        let kept = json!({"kind": "null", "other": null});
        assert_eq!(coerce(kept.clone(), &schema()), kept);
        assert_eq!(coerce(json!({"kind": null}), &schema()), json!({}));
    }

    #[test]
    fn what_is_valid_or_has_two_meanings_stays() {
        for value in [
            json!({"query": "[1]"}),
            json!({"query": "{}"}),
            json!({"query": "true"}),
            json!({"query": true}),
            json!({"query": 12}),
            json!({"tags": 2026}),
            json!({"tags": "a, b"}),
            json!({"tags": "[x"}),
            json!({"tags": {"a": 1}}),
            json!({"ids": "1, b"}),
            json!({"limit": "five"}),
            json!({"limit": true}),
            json!({"accept": "yes"}),
            json!({"accept": 1}),
            json!({"open": {"a": "1", "b": null, "c": ""}}),
            json!({"open": "text"}),
            json!({"either": "5"}),
            json!({"mode": "fast"}),
            json!({"tags": ["[1]", "null"]}),
            json!([1]),
            json!("text"),
        ] {
            let read = coerce(value.clone(), &schema());
            let unchanged = read == value || read == json!({"tags": ["[x"]});
            assert!(unchanged, "{value} became {read}");
        }
    }
}
