//! The initial context of an execution.

use serde_json::{Map, Value};

use super::definition::Definition;
use super::secrets;
use crate::diagnostics::clip;
use crate::failure::{Failure, Kind};
use crate::limits;

/// The given context with the defaults of the schema. Fails with
/// InvalidArguments where it does not match the schema.
pub(super) fn initial(
    definition: &Definition,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let mut context = given;
    let bytes = serde_json::to_string(&context).map_or(usize::MAX, |text| text.len());
    if bytes > limits::PROCEDURE_CONTEXT_BYTES_MAX {
        let most = limits::PROCEDURE_CONTEXT_BYTES_MAX;
        let message = format!("the context has {bytes} bytes; at most {most} fit");
        return Err(Failure::new(Kind::LimitExceeded, message).at("/context"));
    }
    let Some(schema) = &definition.context_schema else {
        return Ok(context);
    };
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = part.get("default") {
            context.entry(name).or_insert_with(|| value.clone());
        }
    }
    let validator =
        jsonschema::validator_for(schema).map_err(|error| Failure::internal(error.to_string()))?;
    let value = Value::Object(context);
    if let Some(error) = validator.iter_errors(&value).next() {
        let path = format!("/context{}", error.instance_path());
        let message = match secrets::is_secret_path(definition, &path) {
            true => "this secret does not match the context_schema".to_owned(),
            false => clip(&error.to_string(), limits::DIAGNOSTIC_VALUE_CHARS_MAX),
        };
        return Err(Failure::invalid(path, message).hint(format!(
            "procedure_find with name {:?} shows the context_schema",
            definition.name
        )));
    }
    match value {
        Value::Object(context) => Ok(context),
        _ => Ok(Map::new()),
    }
}
