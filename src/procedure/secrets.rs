//! Secrets of an execution: context variables that the schema marks `writeOnly`
//! or `password`, and values with the name of a secret. Nothing shows them.

use serde_json::{Value, json};

use super::definition::Definition;
use super::machine::Machine;

const REDACTED: &str = "[redacted]";
/// Shorter secrets would match in most texts.
const SECRET_BYTES_MIN: usize = 4;

pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(machine: &Machine) -> Secrets {
        let mut values = Vec::new();
        for (name, value) in machine.context() {
            if is_marked(machine.definition(), name) || is_secret_name(name) {
                collect_texts(value, &mut values);
            }
        }
        // A longer secret may contain a shorter one.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets(values)
    }

    pub(super) fn redact(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for secret in &self.0 {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), REDACTED);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact(item)),
            Value::Object(members) => members.values_mut().for_each(|each| self.redact(each)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn collect_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SECRET_BYTES_MIN => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        Value::Object(members) => members.values().for_each(|each| collect_texts(each, found)),
        _ => {}
    }
}

fn is_marked(definition: &Definition, name: &str) -> bool {
    let schema = definition.context_schema.as_ref();
    schema.is_some_and(|schema| {
        let part = &schema["properties"][name];
        part["writeOnly"] == true || part["format"] == "password"
    })
}

/// Whether the value at `path` (`/context/NAME..`) is a secret.
pub(super) fn is_secret_path(definition: &Definition, path: &str) -> bool {
    let name = path.split('/').nth(2).unwrap_or_default();
    is_marked(definition, name) || is_secret_name(name)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let parts = [
        "password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "authorization",
        "credential",
        "private_key",
        "cookie",
    ];
    name.ends_with("token") || parts.iter().any(|part| name.contains(part))
}

/// Redacts the members of objects that have the name of a secret.
pub(super) fn redact_names(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match is_secret_name(name) {
                    true => *member = json!(REDACTED),
                    false => redact_names(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_names),
        _ => {}
    }
}

pub(super) fn is_redacted(value: &Value) -> bool {
    value == REDACTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognized_by_name() {
        for name in [
            "password",
            "db_password",
            "GITHUB_TOKEN",
            "accessToken",
            "api-key",
            "Authorization",
            "client_secret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "tokens", "name", "path", "key", "author"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
