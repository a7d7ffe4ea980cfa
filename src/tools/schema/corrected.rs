//! The corrected call that answers a refused one: the caller's own values under the
//! names and in the forms of the schema. What the caller omitted, or said ambiguously,
//! is a placeholder in angle brackets, never a made-up value.

use serde_json::{Map, Value, json};

use super::properties;
use super::words::{matching_names, matching_option};
use crate::limits;
use crate::tools::coercion::coerce;
use crate::tools::{Arguments, forms};

/// The treatment of a number that is out of its range.
#[derive(Clone, Copy)]
pub(super) enum OutOfRange {
    /// It becomes the nearest bound, which only a tool that reads may assume.
    Clamp,
    /// It becomes a placeholder.
    Reject,
}

/// The names that the fields of a list's item may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldNames {
    /// Those of the schema.
    Exact,
    /// Also those that are read as one of the schema's.
    Renamed,
}

#[derive(Default)]
pub(super) struct Corrected {
    pub(super) call: Value,
    /// Whether `call` has placeholders, and is refused as it stands.
    pub(super) is_shape: bool,
    /// The unknown names, each with what it was read as.
    pub(super) renamed: Vec<(String, String)>,
    /// The list argument that the caller's fields belong to.
    pub(super) wrapped: Option<String>,
    pub(super) dropped: Vec<String>,
}

impl Corrected {
    /// `given` as `schema` takes it.
    pub(super) fn of(
        given: &Value,
        schema: &Value,
        forms: &[Arguments],
        out_of_range: OutOfRange,
    ) -> Corrected {
        let mut corrected = Corrected::default();
        let is_object = given.is_object();
        let given = given.as_object().cloned().unwrap_or_default();
        let mut call = match as_list_item(&given, schema, out_of_range, FieldNames::Exact)
            .or_else(|| with_matching_names(&given, schema, out_of_range))
            .or_else(|| as_list_item(&given, schema, out_of_range, FieldNames::Renamed))
        {
            Some(read) => corrected.take(read),
            None => corrected.members(given, schema, out_of_range),
        };
        let form = forms::nearest_unless_whole(&call, forms);
        let form = form.or_else(|| forms.first().filter(|_| !is_object));
        for (name, shape) in form.into_iter().flatten() {
            if !call.contains_key(name) {
                corrected.is_shape = true;
                let part = match shape {
                    Value::Null | Value::String(_) => {
                        placeholder(name, &schema["properties"][name])
                    }
                    shape => shape.clone(),
                };
                call.insert(name.clone(), part);
            }
        }
        corrected.call = Value::Object(corrected.shortened(call));
        corrected
    }

    fn take(&mut self, read: Corrected) -> Arguments {
        *self = read;
        match self.call.take() {
            Value::Object(call) => call,
            _ => Map::new(),
        }
    }

    fn shortened(&mut self, mut call: Arguments) -> Arguments {
        while json!(call).to_string().len() > limits::CORRECTED_CALL_BYTES_MAX {
            let length = |value: &Value| value.to_string().len();
            let longest = call.iter_mut().max_by_key(|(_, value)| length(value));
            match longest {
                Some((name, value))
                    if length(value) > limits::CORRECTED_VALUE_BYTES_MAX.max(name.len() + 4) =>
                {
                    *value = json!(format!("<{name}>"));
                    self.is_shape = true;
                }
                _ => break,
            }
        }
        call
    }

    /// The members of an object under the names of its schema, with those that miss.
    fn members(&mut self, given: Arguments, schema: &Value, out_of_range: OutOfRange) -> Arguments {
        let none = Map::new();
        let known = properties(schema).unwrap_or(&none);
        let is_open = schema["additionalProperties"] != false && !known.is_empty();
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let mut read = Map::new();
        let (known_names, unknown): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|(name, _)| known.contains_key(name));
        for (name, value) in known_names {
            let value = self.value(&name, value, &known[&name], out_of_range);
            read.insert(name, value);
        }
        for (name, value) in unknown {
            let meant = matching_names(&name, &names).into_iter().find_map(|meant| {
                let mut inner = Corrected::default();
                let value = inner.value(meant, value.clone(), &known[meant], out_of_range);
                let is_free = !read.contains_key(meant) && !inner.is_shape;
                (is_free && inner.dropped.is_empty()).then_some((meant, value))
            });
            match meant {
                Some((meant, value)) => {
                    self.renamed.push((name, meant.to_owned()));
                    read.insert(meant.to_owned(), value);
                }
                None if is_open => drop(read.insert(name, value)),
                None => self.dropped.push(name),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !read.contains_key(name) {
                self.is_shape = true;
                read.insert(name.to_owned(), placeholder(name, &known[name]));
            }
        }
        read
    }

    fn value(
        &mut self,
        name: &str,
        value: Value,
        schema: &Value,
        out_of_range: OutOfRange,
    ) -> Value {
        let value = coerce(value, schema);
        let read = match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(members))
                if properties(schema).is_none_or(Map::is_empty) =>
            {
                Some(Value::Object(members))
            }
            (Some("object"), Value::Object(members)) => {
                Some(Value::Object(self.members(members, schema, out_of_range)))
            }
            (Some("array"), Value::Array(items)) => self.list(name, items, schema, out_of_range),
            (Some("array"), Value::String(text)) if text.contains(',') => None,
            (Some("array"), item) => Some(json!([self.value(
                name,
                item,
                &schema["items"],
                out_of_range
            )])),
            (Some("integer" | "number"), Value::Number(number)) => {
                in_range(&number, schema, out_of_range)
            }
            (Some("boolean"), Value::Bool(value)) => Some(json!(value)),
            (Some("string"), value) => text(value, schema),
            (None, value) => Some(value),
            _ => None,
        };
        read.unwrap_or_else(|| {
            self.is_shape = true;
            placeholder(name, schema)
        })
    }

    fn list(
        &mut self,
        name: &str,
        items: Vec<Value>,
        schema: &Value,
        out_of_range: OutOfRange,
    ) -> Option<Value> {
        let count = items.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        if !(least..=most).contains(&count) {
            return None;
        }
        let inner = &schema["items"];
        let read = items
            .into_iter()
            .map(|item| self.value(name, item, inner, out_of_range));
        Some(Value::Array(read.collect()))
    }
}

/// The call with every unknown name read as one of the schema's.
fn with_matching_names(
    given: &Arguments,
    schema: &Value,
    out_of_range: OutOfRange,
) -> Option<Corrected> {
    let mut corrected = Corrected::default();
    let call = corrected.members(given.clone(), schema, out_of_range);
    corrected.call = Value::Object(call);
    corrected.dropped.is_empty().then_some(corrected)
}

/// The call with its unknown fields as the one item of a list that has them all.
fn as_list_item(
    given: &Arguments,
    schema: &Value,
    out_of_range: OutOfRange,
    names: FieldNames,
) -> Option<Corrected> {
    let known = properties(schema)?;
    let (outer, fields): (Arguments, Arguments) = given
        .clone()
        .into_iter()
        .partition(|(name, _)| known.contains_key(name));
    let lists = known.iter().filter(|(name, list)| {
        let has_fields = properties(&list["items"]).is_some();
        has_fields && !fields.is_empty() && !outer.contains_key(*name)
    });
    let mut read = lists.filter_map(|(name, list)| {
        let mut item = Corrected::default();
        let fields = item.members(fields.clone(), &list["items"], out_of_range);
        let inner = properties(&list["items"])?;
        let is_known = fields.keys().all(|name| inner.contains_key(name));
        let is_item = is_known && item.dropped.is_empty() && !item.is_shape;
        if !is_item || (names == FieldNames::Exact && !item.renamed.is_empty()) {
            return None;
        }
        let mut call = item.members(outer.clone(), schema, out_of_range);
        call.insert(name.clone(), json!([fields]));
        item.call = Value::Object(call);
        item.wrapped = Some(name.clone());
        Some(item)
    });
    let only = read.next()?;
    read.next().is_none().then_some(only)
}

fn in_range(
    number: &serde_json::Number,
    schema: &Value,
    out_of_range: OutOfRange,
) -> Option<Value> {
    let value = number.as_f64()?;
    if schema["type"] == "integer" && value.fract() != 0.0 {
        return None;
    }
    let bound = |name: &str| schema[name].as_f64();
    if bound("exclusiveMinimum").is_some_and(|least| value <= least)
        || bound("exclusiveMaximum").is_some_and(|most| value >= most)
    {
        return None;
    }
    let nearest = if bound("minimum").is_some_and(|least| value < least) {
        "minimum"
    } else if bound("maximum").is_some_and(|most| value > most) {
        "maximum"
    } else {
        return Some(Value::Number(number.clone()));
    };
    match out_of_range {
        OutOfRange::Clamp => Some(schema[nearest].clone()),
        OutOfRange::Reject => None,
    }
}

fn text(value: Value, schema: &Value) -> Option<Value> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    if let Some(options) = schema["enum"].as_array() {
        let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        let option = options.iter().find(|option| **option == text).copied();
        return option
            .or_else(|| matching_option(&text, &options))
            .map(|option| json!(option));
    }
    let text = json!(text);
    jsonschema::is_valid(schema, &text).then_some(text)
}

/// The placeholder for a value of `schema` that only the caller knows.
pub(super) fn placeholder(name: &str, schema: &Value) -> Value {
    if let Some(options) = schema["enum"].as_array() {
        let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        return json!(format!("<{}>", options.join("|")));
    }
    match schema["type"].as_str() {
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
            let items = (0..least).map(|_| placeholder(name, &schema["items"]));
            Value::Array(items.collect())
        }
        Some("object") => match properties(schema).filter(|known| !known.is_empty()) {
            Some(known) => {
                let required = schema["required"].as_array();
                let first = known.keys().next().map(String::as_str);
                let names: Vec<&str> = match required {
                    Some(names) => names.iter().filter_map(Value::as_str).collect(),
                    None => first.into_iter().collect(),
                };
                let members = names
                    .into_iter()
                    .map(|name| (name.to_owned(), placeholder(name, &known[name])));
                Value::Object(members.collect())
            }
            None => json!("<object>"),
        },
        Some(kind @ ("integer" | "number")) => {
            match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
                (Some(least), Some(most)) => json!(format!("<{kind} from {least} to {most}>")),
                _ => json!(format!("<{kind}>")),
            }
        }
        Some("boolean") => json!("<true or false>"),
        _ => json!(format!("<{name}>")),
    }
}

/// The path of a placeholder that the caller has not filled in.
pub(super) fn find_placeholder(value: &Value, schema: &Value) -> Option<String> {
    placeholder_below("", value, schema).map(|steps| format!("/{steps}"))
}

fn placeholder_below(name: &str, value: &Value, schema: &Value) -> Option<String> {
    let joined = |step: String, inner: String| match inner.is_empty() {
        true => step,
        false => format!("{step}/{inner}"),
    };
    match value {
        Value::Object(members) => {
            let known = properties(schema)?;
            members.iter().find_map(|(name, value)| {
                let inner = placeholder_below(name, value, known.get(name)?)?;
                Some(joined(name.clone(), inner))
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(nth, item)| {
            let inner = placeholder_below(name, item, &schema["items"])?;
            Some(joined(nth.to_string(), inner))
        }),
        Value::String(text) => {
            let inner = text.strip_prefix('<')?.strip_suffix('>')?;
            (inner == name).then(String::new)
        }
        _ => None,
    }
}
