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

const DEFINE: &str = include_str!("../../../schemas/tools/procedure_define.json");
const RUN: &str = include_str!("../../../schemas/tools/procedure_run.json");

pub(crate) fn tools(procedures: &Procedures) -> Vec<Tool> {
    vec![
        Tool::of(
            "procedure_find",
            include_str!("../../../schemas/tools/procedure_find.json"),
            procedures,
            find::call,
        ),
        Tool::of("procedure_define", DEFINE, procedures, define::call),
        Tool::of("procedure_run", RUN, procedures, run::call),
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
        let mut shown = Vec::with_capacity(waiting.len());
        for execution in &waiting {
            let mut one = view::brief(execution);
            // What it waits for; a caller of a waiting procedure has no message.
            let (execution, machine) = procedures.snapshot(grants, &execution.id).await?;
            let waits = view::execution(&execution, &machine);
            if let Some(waits) = waits.get("waits_for") {
                one["waits_for"] = waits.clone();
                one["next_step"] = json!(procedures.decision_commands(&execution.id, waits));
            }
            shown.push(one);
        }
        Ok::<_, Failure>((census, shown))
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
                "waiting": waiting,
            })
        }
        Err(failure) => json!({
            "state": failure.kind.name(),
            "problem": failure.message,
            "next_step": failure.next_step(),
        }),
    }
}
