//! `procedure_define`: checks and stores a definition, or makes one of recorded
//! calls.

use serde_json::{Value, json};

use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::Procedures;
use crate::tools::arguments::ArgumentReader;
use crate::tools::schema::shape;
use crate::tools::{Arguments, Context, Document};

pub(super) async fn call(
    procedures: Procedures,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let (reader, grants) = (ArgumentReader::new(&arguments), &*context.caller.grants);
    let dry_run = reader.boolean("dry_run")?.unwrap_or(false);
    let ids = reader.names("from_execution_ids", limits::RECORDED_CALLS_USED_MAX)?;
    let mut given = reader.value("definition").cloned();
    let of_recorded = ids.is_some();
    if let Some(ids) = ids.filter(|ids| !ids.is_empty() || given.is_none()) {
        let made = procedures.definition_from_calls(grants, ids).await?;
        given = Some(named(made, given)?);
    }
    let given = given.ok_or_else(|| {
        Failure::invalid("/definition", "there is no definition")
            .example(shape(super::DEFINE, &arguments))
    })?;
    let defined = procedures
        .define(grants, &given, dry_run)
        .await?
        .map_err(|mistakes| refused(&mistakes))?;
    let definition = &defined.checked.definition;
    let mut document = json!({
        "name": definition.name,
        "version": definition.version,
        "hash": defined.checked.hash,
        "outcome": defined.outcome.map_or("valid", |outcome| outcome.name()),
    });
    if of_recorded {
        document["definition"] = defined.checked.value.clone();
    }
    Document::of(&document)
}

/// Gives a definition the requested name, version and description.
fn named(mut made: Value, given: Option<Value>) -> Result<Value, Failure> {
    for (key, value) in given.iter().filter_map(Value::as_object).flatten() {
        if !matches!(key.as_str(), "name" | "version" | "description") {
            return Err(Failure::invalid(
                format!("/definition/{key}"),
                "with from_execution_ids, a definition may only contain name, version and description",
            )
            .hint("make it first, then define what it returned with your changes"));
        }
        made[key] = value.clone();
    }
    Ok(made)
}

fn refused(mistakes: &[Diagnostic]) -> Failure {
    let message = match mistakes {
        [one] => format!("the definition has a mistake: {one}"),
        [first, ..] => format!(
            "the definition has {} mistakes, the first: {first}",
            mistakes.len()
        ),
        [] => "the definition is not valid".to_owned(),
    };
    let failure = Failure::new(Kind::InvalidArguments, message)
        .errors(mistakes.iter().map(Diagnostic::document).collect());
    match mistakes.first() {
        Some(first) => failure
            .at(format!("/definition{}", first.path))
            .hint(first.fix.clone()),
        None => failure,
    }
}
