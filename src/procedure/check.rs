//! Whether a definition can be run: its shape by the schema, then what a schema
//! cannot tell. AnyName wrong is told at once, each with place, value and
//! fix; what is mis-shaped is passed over where its meaning is judged.

mod graph;
mod meaning;
mod shape;

use serde_json::Value;

use super::definition::{self, Definition};
use super::legacy;
use crate::diagnostics::Diagnostic;
use crate::limits;

/// What is known of the tools and procedures that a definition names.
pub trait KnownNames: Send + Sync {
    /// Why a definition may not name this tool, with the fix; nothing where it
    /// may, or where that cannot be told now.
    fn tool(&self, name: &str) -> Result<(), (String, String)>;
    /// Whether there is a procedure of this name.
    fn procedure(&self, name: &str) -> bool;
}

/// Every tool and procedure is known: for checks without a server.
pub struct AnyName;

impl KnownNames for AnyName {
    fn tool(&self, _name: &str) -> Result<(), (String, String)> {
        Ok(())
    }

    fn procedure(&self, _name: &str) -> bool {
        true
    }
}

/// A definition that can be run.
#[derive(Clone, Debug)]
pub struct CheckedDefinition {
    /// Its typed form.
    pub definition: Definition,
    /// Its JSON, in Mimo's own form.
    pub value: Value,
    /// SHA-256 of that, in hex.
    pub hash: String,
}

/// Checks a definition in any of the forms that are read.
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
    // An legacy form is judged as what it means; mistakes then name its places
    // in our form.
    let value = legacy::from_legacy(given)?;
    let mut mistakes = shape::check(&value);
    mistakes.extend(meaning::check(&value, known));
    mistakes.extend(graph::check(&value));
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
