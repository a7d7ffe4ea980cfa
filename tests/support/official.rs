//! The official JSON schemas of the protocol, as far as they are about lists and
//! results. The lists of the revisions before 2025-11-25 are parts of its own.

use jsonschema::Validator;
use serde_json::{Value, json};

/// The revisions whose schemas are here: the newest with a handshake, and the
/// newest of all.
pub const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Accepts the values of a type of a revision, such as `ListToolsResult`.
pub fn official(revision: &str, name: &str) -> Validator {
    let text = match revision {
        "2025-11-25" => include_str!("mcp/2025-11-25.json"),
        "2026-07-28" => include_str!("mcp/2026-07-28.json"),
        _ => panic!("there is no schema of {revision}"),
    };
    let mut schema: Value = serde_json::from_str(text).expect("JSON");
    assert!(schema["$defs"].get(name).is_some(), "no type {name}");
    schema["$ref"] = json!(format!("#/$defs/{name}"));
    jsonschema::validator_for(&schema).expect("a schema")
}

/// Fails with the place and the reason unless `value` is valid.
pub fn check(validator: &Validator, value: &Value) {
    if let Err(error) = validator.validate(value) {
        let place = error.instance_path().clone();
        panic!("{value}\nis not valid at {place}: {error}");
    }
}
