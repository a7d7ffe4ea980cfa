//! Checks a definition: against the schema first, then for what a schema cannot
//! express. Reports every mistake at once, each with path, value and fix. Parts
//! that do not match the schema are skipped by the later checks.

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
    mistakes.extend(flow::check(&value));
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
