//! The procedure tools, and the way in which procedures call tools themselves.

mod approval;
mod define;
mod find;
pub(crate) mod offers;
mod run;
mod tool_caller;

use serde_json::{Value, json};

pub(crate) use tool_caller::ProcedureTools;

use super::Tool;
use crate::caller::Grants;
use crate::failure::Failure;
use crate::procedure::{ExecutionStatus, Procedures, view};

pub(crate) fn tools(procedures: &Procedures) -> Vec<Tool> {
    vec![
        Tool::of(
            "procedure_find",
            include_str!("../../../schemas/tools/procedure_find.json"),
            procedures,
            find::call,
        ),
        Tool::of(
            "procedure_define",
            include_str!("../../../schemas/tools/procedure_define.json"),
            procedures,
            define::call,
        ),
        Tool::of(
            "procedure_run",
            include_str!("../../../schemas/tools/procedure_run.json"),
            procedures,
            run::call,
        ),
    ]
}

/// The section of `mimo_status`. A failure of the store is a status, not a
/// failure of the tool.
pub(crate) async fn status(procedures: &Procedures, grants: &Grants) -> Value {
    let counted = async {
        let census = procedures.census(grants).await?;
        let waiting = procedures
            .executions(
                grants,
                None,
                Some(ExecutionStatus::WaitingApproval),
                crate::limits::PROCEDURE_LISTED_MAX,
            )
            .await?;
        Ok::<_, Failure>((census, waiting))
    };
    match counted.await {
        Ok((census, waiting)) => {
            let executions: serde_json::Map<String, Value> = census
                .executions
                .into_iter()
                .map(|(status, count)| (status.to_string(), json!(count)))
                .collect();
            json!({
                "definitions": census.definitions,
                "executions": executions,
                "waiting": waiting.iter().map(view::brief).collect::<Vec<_>>(),
            })
        }
        Err(failure) => json!({
            "state": failure.kind.name(),
            "problem": failure.message,
            "next_step": failure.hint,
        }),
    }
}
