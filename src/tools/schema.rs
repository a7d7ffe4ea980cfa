//! Checks a tool's arguments against its schema: repairs the mistakes in form that
//! clients are known to make, and reports every other one with its place, the
//! reason and a correct call.

use std::fmt::Write as _;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::Arguments;
use super::examples;
use super::lenient::as_meant;
use crate::diagnostics::{clip, counted, did_you_mean, nearest};
use crate::failure::{Failure, Kind, json_kind};
use crate::limits::SCHEMA_ERRORS_MAX;

/// A tool's argument schema. Compiled at the first call: starting Mimo must
/// not wait for it.
pub struct Schema {
    name: &'static str,
    definition: &'static str,
    compiled: OnceLock<Result<Compiled, String>>,
}

struct Compiled {
    input: Value,
    validator: Validator,
}

impl Schema {
    pub fn new(name: &'static str, definition: &'static str) -> Schema {
        Schema {
            name,
            definition,
            compiled: OnceLock::new(),
        }
    }

    /// The arguments, if they match. Missing arguments are an empty object; an
    /// object that arrives as a string, or nested under `arguments`, is unwrapped,
    /// and other known mistakes in form are read as meant.
    pub fn check(&self, arguments: Value) -> Result<Arguments, Failure> {
        let compiled = self.compiled()?;
        let given = unwrap(arguments, compiled);
        let arguments = as_meant(given.clone(), &compiled.input);
        if let Some(error) = compiled.worst(&arguments) {
            let mut failure = self.failure(compiled, &arguments, &error);
            failure.path = failure.path.map(|path| innermost(&given, path));
            return Err(failure);
        }
        match arguments {
            Value::Object(arguments) => Ok(arguments),
            // Only a schema that allows more than objects gets here.
            other => Err(Failure::invalid(
                "",
                format!("the arguments must be an object, not {}", json_kind(&other)),
            )),
        }
    }

    /// The smallest useful call: the required properties, or else one property,
    /// with the values that the schema names.
    pub fn example(&self) -> Result<Value, Failure> {
        Ok(example(&self.compiled()?.input, None))
    }

    fn compiled(&self) -> Result<&Compiled, Failure> {
        let compiled = self.compiled.get_or_init(|| {
            let mut definition: Value =
                serde_json::from_str(self.definition).map_err(|error| error.to_string())?;
            let input = definition["inputSchema"].take();
            let validator = jsonschema::validator_for(&input).map_err(|error| error.to_string())?;
            Ok(Compiled { input, validator })
        });
        compiled.as_ref().map_err(|error| {
            Failure::internal(format!("the schema of {} is broken: {error}", self.name))
        })
    }

    fn failure(
        &self,
        compiled: &Compiled,
        arguments: &Value,
        error: &ValidationError<'_>,
    ) -> Failure {
        let path = error.instance_path().to_string();
        let mut hint = String::new();
        let mut wanted = path.split('/').nth(1);
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = properties(at(&compiled.input, &path)).map(Map::keys);
            let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
            let word = unexpected.first().map_or("", String::as_str);
            hint = match did_you_mean(word, known.iter().copied()) {
                Some(question) => format!("{question} "),
                None if known.is_empty() => "it takes no arguments; ".to_owned(),
                None => format!("it takes {}; ", known.join(", ")),
            };
            wanted = wanted.or(nearest(word, known).first().copied());
        }
        let call = compiled.corrected(arguments, examples::of(self.name), wanted);
        let name = self.name;
        let _ = write!(
            hint,
            r#"a correct call: {{"name":"{name}","arguments":{call}}}"#
        );
        Failure::new(Kind::InvalidArguments, reason(error))
            .at(path)
            .hint(hint)
    }
}

impl Compiled {
    /// The error worth reporting: an unknown property, which explains a missing
    /// one, or else the deepest error.
    fn worst<'a>(&'a self, arguments: &'a Value) -> Option<ValidationError<'a>> {
        self.validator
            .iter_errors(arguments)
            .take(SCHEMA_ERRORS_MAX)
            .max_by_key(|error| {
                let unknown = matches!(
                    error.kind(),
                    ValidationErrorKind::AdditionalProperties { .. }
                );
                (
                    unknown,
                    error.instance_path().to_string().matches('/').count(),
                )
            })
    }

    /// The caller's own arguments, with the `wanted` and the missing ones taken from
    /// an example, where that makes a short and valid call; else the example.
    fn corrected(&self, arguments: &Value, given: &[Arguments], wanted: Option<&str>) -> Value {
        const SHOWN_BYTES: usize = 300;
        let plain = |call: &Value| call.to_string().len() <= SHOWN_BYTES;
        let made = example(&self.input, wanted);
        let example = examples::with(given, wanted).map_or_else(
            || made.clone(),
            |example| self.extended(example.clone(), &made, wanted),
        );
        let (Some(own), Some(parts)) = (arguments.as_object(), example.as_object()) else {
            return example;
        };
        let known = properties(&self.input);
        let known = |key: &String| known.is_some_and(|known| known.contains_key(key));
        let mut call = own.clone();
        call.retain(|key, _| known(key) && Some(key.as_str()) != wanted);
        let is_needed = |key: &String| {
            given.is_empty() || Some(key.as_str()) == wanted || made.get(key).is_some()
        };
        for (key, part) in parts.iter().filter(|(key, _)| is_needed(key)) {
            call.entry(key.clone()).or_insert_with(|| part.clone());
        }
        let is_whole = examples::is_whole(&call, given);
        let call = Value::Object(call);
        match is_whole && self.validator.is_valid(&call) && plain(&call) {
            true => call,
            false => example,
        }
    }

    /// An example call with the argument `wanted` too, where its schema names a value.
    fn extended(&self, mut call: Arguments, made: &Value, wanted: Option<&str>) -> Value {
        let wanted = wanted.filter(|wanted| !call.contains_key(*wanted));
        if let Some((wanted, part)) = wanted.and_then(|name| Some((name, made.get(name)?))) {
            let schema = properties(&self.input).map_or(&Value::Null, |known| &known[wanted]);
            if !part.is_string() || schema["default"].is_string() || schema["enum"].is_array() {
                call.insert(wanted.to_owned(), part.clone());
            }
        }
        Value::Object(call)
    }
}

/// Longer values are cut short in a message.
const SHOWN_CHARS: usize = 80;

/// Unwraps the two forms that clients are known to send by mistake.
fn unwrap(mut arguments: Value, compiled: &Compiled) -> Value {
    for _ in 0..2 {
        arguments = match arguments {
            Value::Null => Value::Object(Map::new()),
            Value::String(text) => match serde_json::from_str::<Value>(&text) {
                Ok(value @ (Value::Object(_) | Value::String(_))) => value,
                _ if text.trim().is_empty() => Value::Object(Map::new()),
                _ => return Value::String(text),
            },
            Value::Object(mut outer) if nested(&outer, &compiled.input) => {
                outer.remove("arguments").unwrap_or_default()
            }
            other => return other,
        };
    }
    arguments
}

/// The innermost part of `path` that is in `given`: a list that came as a text, or as
/// one value, has no places of its own.
fn innermost(given: &Value, mut path: String) -> String {
    while given.pointer(&path).is_none() {
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    path
}

fn nested(outer: &Arguments, input: &Value) -> bool {
    outer.len() == 1
        && matches!(
            outer.get("arguments"),
            Some(Value::Object(_) | Value::String(_))
        )
        && properties(input).is_none_or(|known| !known.contains_key("arguments"))
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

/// The part of a schema that describes the value at `path`.
fn at<'a>(schema: &'a Value, path: &str) -> &'a Value {
    let mut part = schema;
    for step in path.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let inner = properties(part).and_then(|known| known.get(&step));
        match inner
            .or_else(|| part.get("items"))
            .or_else(|| part.get("additionalProperties"))
        {
            Some(inner) => part = inner,
            None => return &Value::Null,
        }
    }
    part
}

fn reason(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let what = match path.rsplit('/').next().filter(|_| !path.is_empty()) {
        Some(last) => format!("\"{last}\""),
        None => "the arguments".to_owned(),
    };
    let got = error.instance();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{what} must have {property}, which is missing")
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected
                .iter()
                .map(|name| format!("\"{name}\""))
                .collect();
            let noun = match (path.is_empty(), names.len()) {
                (true, 1) => "argument",
                (true, _) => "arguments",
                (false, 1) => "property",
                (false, _) => "properties",
            };
            format!("unknown {noun} {}", names.join(", "))
        }
        ValidationErrorKind::Type { .. } => {
            // The library's sentence repeats the value, which may be long.
            let wanted = error.to_string();
            let wanted = wanted.rsplit(" is not of ").next().unwrap_or_default();
            let wanted = wanted
                .trim_start_matches("types ")
                .trim_start_matches("type ");
            format!("{what} must be of type {wanted}, not {}", json_kind(got))
        }
        ValidationErrorKind::Enum { options } => {
            format!("{what} must be one of {options}, not {}", short(got))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("{what} must be {expected_value}, not {}", short(got))
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("{what} must be at least {limit}, not {}", short(got))
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("{what} must be at most {limit}, not {}", short(got))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("{what} must be more than {limit}, not {}", short(got))
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("{what} must be less than {limit}, not {}", short(got))
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("{what} needs at least {}", counted(*limit, "item", "items"))
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("{what} takes at most {}", counted(*limit, "item", "items"))
        }
        ValidationErrorKind::MinLength { limit } => {
            format!(
                "{what} needs at least {}",
                counted(*limit, "character", "characters")
            )
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!(
                "{what} takes at most {}",
                counted(*limit, "character", "characters")
            )
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!(
                "{what} needs at least {}",
                counted(*limit, "property", "properties")
            )
        }
        ValidationErrorKind::MaxProperties { limit } => {
            format!(
                "{what} takes at most {}",
                counted(*limit, "property", "properties")
            )
        }
        ValidationErrorKind::UniqueItems => format!("the items of {what} must all differ"),
        ValidationErrorKind::Pattern { pattern } => {
            format!("{what} must match {pattern}, which {} does not", short(got))
        }
        _ => format!(
            "{what} is not valid: {}",
            clip(&error.to_string(), SHOWN_CHARS)
        ),
    }
}

/// A value shortened for a message.
fn short(value: &Value) -> String {
    clip(&value.to_string(), SHOWN_CHARS)
}

/// An object that matches `schema`: its required properties, the `wanted` one,
/// and where that leaves it empty, the first.
fn example(schema: &Value, wanted: Option<&str>) -> Value {
    let Some(known) = properties(schema) else {
        return json!({});
    };
    let mut names: Vec<&str> = schema["required"]
        .as_array()
        .map(|required| required.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    names.extend(wanted.filter(|wanted| known.contains_key(*wanted)));
    if names.is_empty() {
        let plain = |(_, part): &(&String, &Value)| part["type"] == "string";
        let first = known.iter().find(plain).or_else(|| known.iter().next());
        names.extend(first.map(|(name, _)| name.as_str()));
    }
    let values = names
        .iter()
        .filter_map(|name| Some((*name, known.get(*name)?)));
    Value::Object(
        values
            .map(|(name, part)| (name.to_owned(), sample(part)))
            .collect(),
    )
}

/// A value that matches `schema`, for an example.
fn sample(schema: &Value) -> Value {
    let named = schema
        .get("const")
        .or_else(|| schema["examples"].get(0))
        .or_else(|| schema.get("default"))
        .or_else(|| schema["enum"].get(0));
    if let Some(value) = named {
        return value.clone();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = schema[choice].get(0) {
            return sample(first);
        }
    }
    let word = match &schema["type"] {
        Value::Array(words) => words.first().and_then(Value::as_str),
        word => word.as_str(),
    };
    match word {
        Some("string") => json!(text(schema)),
        Some("integer") => json!(number(schema, 1.0) as i64),
        Some("number") => json!(number(schema, 0.5)),
        Some("boolean") => json!(true),
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
            let most = schema["maxItems"].as_u64().unwrap_or(least);
            let items = (0..least.min(most)).map(|_| sample(&schema["items"]));
            Value::Array(items.collect())
        }
        Some("null") => Value::Null,
        _ if properties(schema).is_some() || word == Some("object") => example(schema, None),
        _ => json!("text"),
    }
}

fn text(schema: &Value) -> String {
    let least = schema["minLength"].as_u64().unwrap_or(0).min(64) as usize;
    let most = schema["maxLength"].as_u64().unwrap_or(64).min(64) as usize;
    let mut text = "text".repeat(least / 4 + 1);
    text.truncate(most.max(least).min(4.max(least)));
    text
}

fn number(schema: &Value, usual: f64) -> f64 {
    let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
    let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
    usual.max(least).min(most)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
