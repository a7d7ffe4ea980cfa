//! How the verbs print a manifest that cannot be read.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::skills::refusal::Refusal;

/// Prints everything that is wrong with the manifest `file`.
pub(super) fn report_refusals(file: &Path, refusals: &[Refusal], output: &Output) -> anyhow::Error {
    output.report_diagnostics(file, refusals, error_document)
}

pub(super) fn error_document(refusal: &Refusal) -> Value {
    json!({
        "path": refusal.path,
        "class": refusal.class.name(),
        "message": refusal.reason,
        "hint": refusal.fix,
    })
}
