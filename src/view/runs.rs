//! Procedures for the page: their runs, drawings, and decisions.

use serde_json::{Value, json};

use super::{Arguments, only_local};
use crate::caller::Grants;
use crate::failure::Failure;
use crate::limits::VIEW_RUNS_MAX;
use crate::procedure::definition::LATEST;
use crate::procedure::draw::{self, ExecutionPath};
use crate::procedure::journal::Decision;
use crate::procedure::{Procedures, view};

/// Who decided, for the history.
const BY: &str = "a person in mimo view";

/// The newest runs, of one procedure if it is named.
pub(super) async fn list(
    procedures: &Procedures,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    let status = match arguments.text("status") {
        Some(status) => Some(
            status
                .parse()
                .map_err(|why: String| Failure::invalid("/status", why))?,
        ),
        None => None,
    };
    let name = arguments.text("name");
    let found = procedures.executions(grants, name, status, VIEW_RUNS_MAX);
    let runs: Vec<Value> = found.await?.iter().map(view::brief).collect();
    Ok(json!({ "runs": runs }))
}

/// One run with its actions, its decisions and its drawing.
pub(super) async fn show(
    procedures: &Procedures,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    let id = arguments.required("execution_id")?;
    let (execution, machine) = procedures.snapshot(grants, id).await?;
    let definition = procedures.definition_by_hash(&execution.hash).await?;
    let mut document = view::execution(&execution, &machine);
    document["actions"] = view::performed(&machine);
    document["decisions"] = view::decisions(&procedures.journal(grants, id).await?);
    document["drawing"] = json!(draw::svg(&definition, &ExecutionPath::of(&machine)));
    document["can_decide"] = json!(grants.is_local);
    Ok(document)
}

/// A definition and its drawing.
pub(super) async fn definition(
    procedures: &Procedures,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    let name = arguments.required("name")?;
    let version = arguments.text("version").unwrap_or(LATEST);
    let stored = procedures.definition(grants, name, version).await?;
    let definition = procedures.definition_by_hash(&stored.hash).await?;
    let given: Value = serde_json::from_str(&stored.definition).map_err(Failure::internal)?;
    let mut document = view::listed(&stored);
    document["definition"] = given;
    document["drawing"] = json!(draw::svg(&definition, &ExecutionPath::default()));
    Ok(document)
}

/// Decides what a run waits for, and lets it go on.
pub(super) async fn decide(
    procedures: &Procedures,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    only_local(grants, "mimo procedure approve")?;
    let id = arguments.required("execution_id")?;
    let word = arguments.required("decision")?;
    let mut all = Decision::ALL.into_iter();
    let decision = all
        .find(|each| each.name() == word)
        .ok_or_else(|| Failure::invalid("/decision", format!("there is no decision {word:?}")))?;
    let note = arguments.text("note").unwrap_or_default();
    procedures.decide(grants, id, decision, BY, note).await?;
    let root = procedures.root_of(grants, id).await?;
    procedures.resume(grants, &root).await?;
    Ok(json!({"execution_id": id, "decision": word}))
}
