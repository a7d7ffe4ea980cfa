//! Checks a tool's arguments against its schema: repairs the mistakes in form that
//! clients are known to make, and reports every other one with its place, the
//! reason and the call as it was meant.

mod corrected;
pub(super) mod words;

use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use self::corrected::{Corrected, OutOfRange};
use super::Arguments;
use super::coercion::coerce;
use super::forms;
use crate::diagnostics::{clip, counted, did_you_mean};
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
    /// Whether the tool only reads.
    reads: bool,
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
        let arguments = coerce(given.clone(), &compiled.input);
        if let Some(error) = compiled.worst(&arguments) {
            let mut failure = self.failure(compiled, &arguments, &error);
            failure.path = failure.path.map(|path| innermost(&given, path));
            return Err(failure);
        }
        if let Some(path) = corrected::find_placeholder(&arguments, &compiled.input) {
            let placeholder = arguments.pointer(&path).unwrap_or(&Value::Null);
            let why = format!("{placeholder} is a placeholder of the shape, not a value");
            return Err(Failure::invalid(path, why).hint("write your own value in its place"));
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

    fn compiled(&self) -> Result<&Compiled, Failure> {
        let compiled = self.compiled.get_or_init(|| {
            let mut definition: Value =
                serde_json::from_str(self.definition).map_err(|error| error.to_string())?;
            let reads = definition["annotations"]["readOnlyHint"] == true;
            let input = definition["inputSchema"].take();
            let validator = jsonschema::validator_for(&input).map_err(|error| error.to_string())?;
            Ok(Compiled {
                input,
                validator,
                reads,
            })
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
        let corrected = compiled.corrected(arguments, self.name);
        let mut failure = Failure::new(Kind::InvalidArguments, reason(error));
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = properties(at(&compiled.input, &path)).map(Map::keys);
            let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
            failure = failure.hint(meant(self.name, unexpected, &known, &corrected));
        }
        failure.at(path).example(shown(self.name, &corrected))
    }
}

/// What a tool whose schema allows calls that say too little answers one of them with:
/// its shape, by the tool's `definition`.
pub(super) fn shape(definition: &str, arguments: &Arguments) -> String {
    let definition: Value = serde_json::from_str(definition).unwrap_or_default();
    let name = definition["name"].as_str().unwrap_or_default();
    let (given, schema) = (json!(arguments), &definition["inputSchema"]);
    shown(
        name,
        &Corrected::of(&given, schema, forms::of(name), OutOfRange::Reject),
    )
}

/// The corrected call as a hint shows it.
fn shown(name: &str, corrected: &Corrected) -> String {
    let what = match (corrected.is_shape, corrected.dropped.as_slice()) {
        (true, _) => "put your values in place of the <..>:".to_owned(),
        (false, []) => "a correct call:".to_owned(),
        (false, dropped) => format!("a correct call without {}:", listed(dropped)),
    };
    let call = &corrected.call;
    format!(r#"{what} {{"name":"{name}","arguments":{call}}}"#)
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .take(3)
        .map(|name| crate::diagnostics::shown(name))
        .collect();
    names.join(", ")
}

/// What the unknown names of one object are taken for.
fn meant(tool: &str, unexpected: &[String], known: &[&str], corrected: &Corrected) -> String {
    if let Some(advice) = unexpected
        .iter()
        .find_map(|name| words::command(tool, name))
    {
        return advice.to_owned();
    }
    if let Some(list) = &corrected.wrapped {
        return format!("they belong in an item of \"{list}\"");
    }
    let renamed: Vec<&(String, String)> = corrected
        .renamed
        .iter()
        .filter(|(name, _)| unexpected.contains(name))
        .collect();
    match renamed.as_slice() {
        [] => {}
        [(_, meant)] if unexpected.len() == 1 => return format!("did you mean \"{meant}\"?"),
        pairs => {
            let pairs = pairs
                .iter()
                .map(|(name, meant)| format!("\"{meant}\" for \"{name}\""));
            let pairs: Vec<String> = pairs.collect();
            return format!("did you mean {}?", pairs.join(", "));
        }
    }
    let word = unexpected.first().map_or("", String::as_str);
    match did_you_mean(word, known.iter().copied()) {
        Some(question) => question,
        None if known.is_empty() => "it takes no arguments".to_owned(),
        None => format!("it takes {}", known.join(", ")),
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

    fn corrected(&self, arguments: &Value, tool: &str) -> Corrected {
        let forms = forms::of(tool);
        let out_of_range = match self.reads {
            true => OutOfRange::Clamp,
            false => OutOfRange::Reject,
        };
        let corrected = Corrected::of(arguments, &self.input, forms, out_of_range);
        match corrected.is_shape || self.validator.is_valid(&corrected.call) {
            true => corrected,
            // Its mistake is of a kind that only the caller can mend.
            false => Corrected::of(&Value::Null, &self.input, forms, out_of_range),
        }
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

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
