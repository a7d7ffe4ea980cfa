//! Checks a definition: against the schema first, then for what a schema cannot
//! express. Reports every mistake at once, each with path, value and fix. Parts
//! that do not match the schema are skipped by the later checks.

mod arguments;
mod flow;
mod schema;
mod semantics;

use serde_json::Value;

use super::definition::{self, Definition};
use super::legacy;
use crate::diagnostics::Diagnostic;
use crate::limits;

pub trait KnownNames: Send + Sync {
    /// Fails with the reason and the fix where a definition may not name this
    /// tool.
    fn tool(&self, name: &str) -> Result<(), (String, String)>;
    fn procedure(&self, name: &str) -> bool;
    /// The JSON Schema of a tool's arguments, where it is known.
    fn arguments(&self, _tool: &str) -> Option<Value> {
        None
    }
}

/// Accepts every name, for checks without a server.
pub struct AnyName;

impl KnownNames for AnyName {
    fn tool(&self, _name: &str) -> Result<(), (String, String)> {
        Ok(())
    }

    fn procedure(&self, _name: &str) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub struct CheckedDefinition {
    pub definition: Definition,
    /// The JSON in today's format.
    pub value: Value,
    /// SHA-256 of `value` in hex.
    pub hash: String,
}

/// Checks a definition in any known format.
pub fn check(given: &Value, known: &dyn KnownNames) -> Result<CheckedDefinition, Vec<Diagnostic>> {
    let bytes = given.to_string().len();
    if bytes > limits::PROCEDURE_BYTES_MAX {
        let most = limits::PROCEDURE_BYTES_MAX;
        return Err(vec![Diagnostic::in_document(
            given,
            "",
            format!("the definition has {bytes} bytes; at most {most} fit"),
            "split it into procedures that call each other with call_procedure",
        )]);
    }
    // A legacy definition is converted first, so its mistakes name places in
    // today's format.
    let value = legacy::from_legacy(given)?;
    let mut mistakes = schema::check(&value);
    mistakes.extend(semantics::check(&value, known));
    mistakes.extend(flow::check_initial(&value));
    // If a transition cannot be read, errors that follow from it add nothing.
    if !mistakes.iter().any(|mistake| is_about_ways(&mistake.path)) {
        mistakes.extend(flow::check(&value));
    }
    let mut seen = std::collections::HashSet::new();
    mistakes.retain(|each| seen.insert((each.path.clone(), each.reason.clone())));
    mistakes.sort_by(|a, b| a.path.cmp(&b.path));
    mistakes.truncate(limits::PROCEDURE_MISTAKES_MAX);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let typed = serde_json::from_value(value.clone());
    let definition: Definition = typed.map_err(|error| {
        vec![Diagnostic::in_document(
            &value,
            "",
            format!("the definition cannot be read: {error}"),
            "compare it with schemas/procedure.schema.json",
        )]
    })?;
    let hash = definition::hash(&value);
    Ok(CheckedDefinition {
        definition,
        value,
        hash,
    })
}

/// Whether a mistake is in the transitions: in a state as a whole or in its
/// `transitions`, `next` or `catch`, but not in an expression there.
fn is_about_ways(path: &str) -> bool {
    let mut parts = path
        .strip_prefix("/states")
        .unwrap_or_default()
        .split('/')
        .skip(2);
    match parts.next() {
        None => path.starts_with("/states"),
        Some(key) => matches!(key, "transitions" | "next" | "catch") && !path.ends_with("/guard"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_bad_list_of_transitions_is_one_mistake() {
        let definition = |transitions: Value| {
            json!({"name": "n", "version": "1", "initial_state": "a", "states": {
                "a": {"action": {"tool": "memory_search"}, "transitions": transitions},
                "b": {"action": {"tool": "memory_search"}, "next": "c"},
                "c": {"end": true},
            }})
        };
        let paths = |transitions: Value| -> Vec<String> {
            let mistakes = check(&definition(transitions), &AnyName).expect_err("a mistake");
            mistakes.into_iter().map(|mistake| mistake.path).collect()
        };
        assert_eq!(paths(json!({"success": "b"})), ["/states/a/transitions"]);
        let misspelled = json!([{"event": "success", "to": "b"}]);
        for path in paths(misspelled) {
            assert!(path.starts_with("/states/a/transitions/0"), "{path}");
        }
        // Transitions that can be read are followed.
        assert_eq!(
            paths(json!([{"event": "success", "target": "c"}])),
            ["/states/b"]
        );
    }
}
