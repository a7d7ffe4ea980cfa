//! Checks a definition against `schemas/procedure.schema.json`.

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::diagnostics::{Diagnostic, pointer_token, suggest};
use crate::failure::json_kind;
use crate::limits;

const SCHEMA: &str = include_str!("../../../schemas/procedure.schema.json");
const ACTIONS: &str =
    "tool, set, validate, delay_ms, choice, map, wait_for_approval, call_procedure";

struct Compiled {
    schema: Value,
    validator: Validator,
}

/// `None` never occurs: a test compiles the built-in schema.
fn compiled() -> Option<&'static Compiled> {
    static COMPILED: OnceLock<Option<Compiled>> = OnceLock::new();
    let compile = || {
        let schema: Value = serde_json::from_str(SCHEMA).ok()?;
        let validator = jsonschema::validator_for(&schema).ok()?;
        Some(Compiled { schema, validator })
    };
    COMPILED.get_or_init(compile).as_ref()
}

pub(super) fn check(definition: &Value) -> Vec<Diagnostic> {
    let Some(compiled) = compiled() else {
        let why = "the schema of procedures is broken";
        return vec![Diagnostic::in_document(definition, "", why, "report this")];
    };
    let errors = compiled.validator.iter_errors(definition);
    errors
        .take(limits::PROCEDURE_MISTAKES_MAX)
        .flat_map(|error| diagnose(&compiled.schema, definition, &error))
        .collect()
}

fn diagnose(schema: &Value, whole: &Value, error: &ValidationError<'_>) -> Vec<Diagnostic> {
    let path = error.instance_path().to_string();
    let one =
        |message: String, fix: String| vec![Diagnostic::in_document(whole, &path, message, fix)];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = keys(schema, &error.schema_path().to_string());
            let each = unexpected.iter().map(|key| {
                let at = format!("{path}/{}", pointer_token(key));
                let message = format!("unknown key {key:?}");
                let fix = meant(key, &known)
                    .unwrap_or_else(|| suggest(key, known.iter().copied()));
                Diagnostic::in_document(whole, at, message, fix)
            });
            each.collect()
        }
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default().to_owned();
            one(format!("{property} is missing"), format!("add {property}"))
        }
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(_) => "another type".to_owned(),
            };
            let is = json_kind(error.instance());
            let fix = match shape(&path) {
                Some(shape) => format!("write it as {shape}"),
                None => format!("give a value of type {wanted}"),
            };
            one(format!("this must be of type {wanted}, and is {is}"), fix)
        }
        // The type error is reported already.
        ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. }
            if !error.instance().is_object() =>
        {
            Vec::new()
        }
        ValidationErrorKind::OneOfNotValid { .. } => one(
            "an action does exactly one thing, and this names none".to_owned(),
            format!("give one of {ACTIONS}"),
        ),
        ValidationErrorKind::OneOfMultipleValid { .. } => one(
            "an action does exactly one thing, and this names several".to_owned(),
            "keep one, and give the others states of their own".to_owned(),
        ),
        ValidationErrorKind::AnyOf { .. } => one(
            "this is neither a plain value that fits nor a template".to_owned(),
            "give a value within its bounds, or a text with {{ }}".to_owned(),
        ),
        ValidationErrorKind::PropertyNames { error } => {
            let key = error.instance().as_str().unwrap_or_default();
            let at = format!("{path}/{}", pointer_token(key));
            let fix = "use letters, digits, _ (in names of states also . and -), at most 64";
            vec![Diagnostic::in_document(whole, at, format!("{key:?} is not a valid name"), fix)]
        }
        ValidationErrorKind::Pattern { pattern } => one(
            match path.ends_with("/version") {
                true => "this is not a valid version".to_owned(),
                false => "this is not a valid name".to_owned(),
            },
            format!("it must match {pattern}"),
        ),
        ValidationErrorKind::Minimum { limit } => {
            one(format!("this must be at least {limit}"), format!("use {limit} or more"))
        }
        ValidationErrorKind::Maximum { limit } => {
            one(format!("this must be at most {limit}"), format!("use {limit} or less"))
        }
        ValidationErrorKind::Constant { expected_value } => one(
            format!("this can only be {expected_value}"),
            format!("give {expected_value}, or leave it out"),
        ),
        ValidationErrorKind::MinItems { .. } | ValidationErrorKind::MinProperties { .. } => {
            one("this is empty".to_owned(), "give at least one, or leave it out".to_owned())
        }
        ValidationErrorKind::MaxItems { limit } => {
            one(format!("there are more than {limit}"), format!("at most {limit} fit"))
        }
        ValidationErrorKind::MaxProperties { limit } => {
            one(format!("there are more than {limit}"), format!("at most {limit} fit"))
        }
        ValidationErrorKind::MaxLength { limit } => {
            one(format!("this is longer than {limit} characters"), "shorten it".to_owned())
        }
        ValidationErrorKind::MinLength { .. } => one("this is empty".to_owned(), "fill it".to_owned()),
        _ => one(
            "this does not fit the schema of procedures".to_owned(),
            "compare it with schemas/procedure.schema.json (arguments and idempotent belong to tool)"
                .to_owned(),
        ),
    }
}

/// Keys of other workflow languages that stand for those of a definition.
const SYNONYMS: [(&[&str], &str); 9] = [
    (&["wait", "sleep", "pause", "delay", "wait_ms"], "delay_ms"),
    (
        &["approve", "approval", "ask", "confirm"],
        "wait_for_approval",
    ),
    (&["if", "switch", "branch", "choose"], "choice"),
    (&["foreach", "for_each", "loop", "for", "each"], "map"),
    (
        &["call", "procedure", "run", "subprocedure"],
        "call_procedure",
    ),
    (&["assert", "check", "require"], "validate"),
    (&["goto", "then", "on_success"], "next"),
    (&["on_error", "rescue", "except"], "catch"),
    (&["undo", "rollback", "on_rollback"], "compensate"),
];

/// The key for which another language's key stands.
fn meant(key: &str, known: &[&str]) -> Option<String> {
    let listed = SYNONYMS.iter().find(|(keys, _)| keys.contains(&key));
    let (_, meant) = listed.filter(|(_, meant)| known.contains(meant))?;
    Some(format!("did you mean {meant:?}?"))
}

/// An example of the part of a definition at `path`.
fn shape(path: &str) -> Option<&'static str> {
    let mut parts = path.rsplit('/');
    let (last, before) = (parts.next()?, parts.next().unwrap_or_default());
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let (key, is_item) = match is_number {
        true => (before, true),
        false => (last, false),
    };
    Some(match (key, is_item) {
        ("", false) => {
            r#"{"name": "n", "version": "1.0.0", "initial_state": "a", "states": {"a": {"end": true}}}"#
        }
        ("states", false) => r#"{"first": {"next": "last"}, "last": {"end": true}}"#,
        (_, false) if before == "states" => {
            r#"{"action": {"tool": "memory_search", "arguments": {"query": "x"}}, "next": "last"}"#
        }
        ("action" | "compensate", false) => {
            r#"{"tool": "memory_search", "arguments": {"query": "{{ context.topic }}"}}"#
        }
        ("arguments", false) => r#"{"query": "{{ context.topic }}"}"#,
        ("assign" | "set" | "context", false) => r#"{"variable": "{{ result.id }}"}"#,
        ("transitions", false) => r#"[{"event": "success", "target": "last"}]"#,
        ("transitions", true) => r#"{"event": "success", "target": "last"}"#,
        ("catch", false) => r#"[{"errors": ["timeout"], "target": "last"}]"#,
        ("catch", true) => r#"{"errors": ["timeout"], "target": "last"}"#,
        ("errors", false) => r#"["timeout"]"#,
        ("retry", false) => r#"{"max_attempts": 3, "interval_ms": 1000}"#,
        ("validate", false) => r#"[{"that": "{{ n > 0 }}", "message": "n is too small"}]"#,
        ("validate", true) => r#"{"that": "{{ n > 0 }}", "message": "n is too small"}"#,
        ("choice", false) => r#"[{"when": "{{ n > 0 }}", "event": "some"}, {"event": "none"}]"#,
        ("choice", true) => r#"{"when": "{{ n > 0 }}", "event": "some"}"#,
        ("map", false) => {
            r#"{"items": "{{ list }}", "action": {"tool": "memory_store", "arguments": {"content": "{{ item }}"}}}"#
        }
        ("wait_for_approval", false) => r#"{"message": "Go on?"}"#,
        ("call_procedure", false) => r#"{"name": "other", "context": {"topic": "x"}}"#,
        ("fail", false) => r#"{"message": "nothing was found"}"#,
        ("context_schema", false) => {
            r#"{"type": "object", "properties": {"topic": {"type": "string"}}}"#
        }
        ("next" | "initial_state" | "target" | "event", false) => r#""name_of_it""#,
        _ => return None,
    })
}

/// The known keys of an object with unknown ones.
fn keys<'a>(schema: &'a Value, path: &str) -> Vec<&'a str> {
    let object = path.rsplit_once('/').map_or("", |(object, _)| object);
    // The path names each reference that it passes; the schema of the object is
    // behind the last one.
    let found = match object.rsplit_once("/$ref") {
        None => schema.pointer(object),
        Some((before, after)) => resolve(schema, before).and_then(|part| part.pointer(after)),
    };
    let keys = found.and_then(|part| part["properties"].as_object());
    keys.into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

fn resolve<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let part = match path.rsplit_once("/$ref") {
        None => schema.pointer(path)?,
        Some((before, after)) => resolve(schema, before)?.pointer(after)?,
    };
    schema.pointer(part["$ref"].as_str()?.strip_prefix('#')?)
}
