//! Checks an entry against `schemas/skills.schema.json`: its keys, types and bounds.

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use crate::diagnostics::did_you_mean;
use crate::skills::refusal::{Class, Refusal, shown};

const SCHEMA: &str = include_str!("../../../schemas/skills.schema.json");

struct Compiled {
    schema: Value,
    validator: Validator,
}

/// The built-in schema; a test compiles it.
fn compiled() -> Option<&'static Compiled> {
    static COMPILED: OnceLock<Option<Compiled>> = OnceLock::new();
    let compile = || {
        let mut whole: Value = serde_json::from_str(SCHEMA).ok()?;
        let schema = json!({"$ref": "#/$defs/skill", "$defs": whole["$defs"].take()});
        let validator = jsonschema::validator_for(&schema).ok()?;
        Some(Compiled { schema, validator })
    };
    COMPILED.get_or_init(compile).as_ref()
}

/// Every violation of the schema in `entry`.
pub(super) fn check(entry: &Value) -> Vec<Refusal> {
    let Some(compiled) = compiled() else {
        return vec![Refusal::new(
            Class::Value,
            "the schema of skills cannot be compiled",
            "report this as a bug",
        )];
    };
    let errors = compiled.validator.iter_errors(entry);
    errors
        .flat_map(|error| refusals(&compiled.schema, &error))
        .collect()
}

fn refusals(schema: &Value, error: &ValidationError<'_>) -> Vec<Refusal> {
    let path = error.instance_path().to_string();
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let known = known_under(schema, &path);
        let each = unexpected.iter();
        return each
            .map(|key| unknown(key, &known).under(key).below(&path))
            .collect();
    }
    let text = match error.kind() {
        // A remote server has an address instead, which is reported at its key.
        ValidationErrorKind::Required { .. } if remote(error.instance()) => return Vec::new(),
        ValidationErrorKind::Required { property } => format!("{property} is missing"),
        ValidationErrorKind::Type { kind } => {
            // A value may be a secret, so only its type is shown.
            let wanted = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(_) => "another type".to_owned(),
            };
            format!(
                "must be of type {wanted}, but is {}",
                self::kind(error.instance())
            )
        }
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinLength { .. } => "is empty".to_owned(),
        ValidationErrorKind::MaxLength { limit } => format!("is longer than {limit} characters"),
        ValidationErrorKind::MaxItems { limit } => format!("has more than {limit} entries"),
        ValidationErrorKind::MaxProperties { limit } => format!("has more than {limit} entries"),
        ValidationErrorKind::UniqueItems => "contains a value twice".to_owned(),
        ValidationErrorKind::Pattern { .. } => "is not an absolute path".to_owned(),
        _ => "does not match the schema".to_owned(),
    };
    let class = match error.kind() {
        ValidationErrorKind::Pattern { .. } => Class::Path,
        _ => Class::Value,
    };
    let fix = match (error.kind(), path.as_str()) {
        (ValidationErrorKind::Pattern { .. }, _) => "begin it with / or ~/",
        (_, "/type") => "leave it out: Mimo runs servers over stdio itself",
        (_, "") => "write {\"command\": \"npx\", \"args\": [\"-y\", \"@scope/package\"]}",
        _ => "see schemas/skills.schema.json and skills.example.json",
    };
    vec![Refusal::new(class, text, fix).below(&path)]
}

/// Keys of other clients: why they are refused, and the fix.
fn foreign_key(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "url" | "serverUrl" | "httpUrl" | "headers" | "transport" => (
            "is for a remote server; Mimo runs servers itself, over stdio, in a sandbox",
            "run it through a bridge: \"command\": \"npx\", \"args\": [\"-y\", \"mcp-remote\", \"URL\"]",
        ),
        _ => return None,
    })
}

fn unknown(key: &str, known: &[String]) -> Refusal {
    if let Some((why, fix)) = foreign_key(key) {
        return Refusal::new(Class::Key, format!("{key} {why}"), fix);
    }
    let fix = did_you_mean(key, known.iter().map(String::as_str))
        .unwrap_or_else(|| format!("the keys here are {}", known.join(", ")));
    Refusal::new(Class::Key, format!("unknown key {}", shown(key)), fix)
}

fn remote(entry: &Value) -> bool {
    ["url", "serverUrl", "httpUrl"]
        .iter()
        .any(|key| entry.get(key).is_some())
}

/// The keys of the schema for the object at `path`.
fn known_under(schema: &Value, path: &str) -> Vec<String> {
    let follow = |value: &Value| {
        let mut value = value.clone();
        while let Some(target) = value["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
            value = schema.pointer(target).cloned().unwrap_or_default();
        }
        value
    };
    let mut here = follow(schema);
    for key in path.split('/').skip(1) {
        here = follow(&here["properties"][key]);
    }
    let properties = here["properties"].as_object();
    properties
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect()
}

/// The type of a value with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    crate::failure::json_kind(value)
}
