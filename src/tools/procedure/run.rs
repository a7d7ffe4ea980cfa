//! `procedure_run`: starts, resumes or cancels an execution, and waits for it as
//! long as a call may take.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::approval;
use crate::caller::Grants;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::definition::LATEST;
use crate::procedure::{ExecutionStatus, Procedures, Start, view};
use crate::tools::arguments::ArgumentReader;
use crate::tools::schema::shape;
use crate::tools::{Arguments, Context, Document};

pub(super) async fn call(
    procedures: Procedures,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let (reader, grants) = (ArgumentReader::new(&arguments), &*context.caller.grants);
    let name = reader.name("name")?;
    let id = reader.name("execution_id")?;
    let cancel = reader.boolean("cancel")?.unwrap_or(false);
    let id = match (name, id) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "/execution_id",
                "name and execution_id exclude each other",
            )
            .hint("give name to start, or execution_id to resume or cancel"));
        }
        (None, None) => {
            return Err(Failure::invalid("/name", "name or execution_id is missing")
                .example(shape(super::RUN, &arguments)));
        }
        (None, Some(id)) if cancel => {
            procedures.cancel(grants, &id).await?;
            id
        }
        (None, Some(id)) => {
            let execution = procedures.execution(grants, &id).await?;
            if execution.status.is_active() {
                procedures.resume(grants, &id).await?;
            }
            id
        }
        (Some(_), None) if cancel => {
            return Err(Failure::invalid("/cancel", "cancel needs the execution_id")
                .hint("procedure_run returned it; mimo_status lists those that wait"));
        }
        (Some(name), None) => {
            let start = start(&reader, name)?;
            if reader.boolean("dry_run")?.unwrap_or(false) {
                return Document::of(&procedures.plan(grants, &start).await?);
            }
            procedures.start(grants, start).await?.0
        }
    };
    if !reader.boolean("async")?.unwrap_or(false) {
        wait(&procedures, &id, &context).await?;
        while approval::ask(&procedures, &id, &context).await? {
            wait(&procedures, &id, &context).await?;
        }
    }
    document(&procedures, grants, &id).await
}

fn start(reader: &ArgumentReader<'_>, name: String) -> Result<Start, Failure> {
    let most = limits::PROCEDURE_MILLIS_MAX;
    let timeout_ms = match reader.integer("timeout_ms")? {
        None => None,
        Some(ms) => match u64::try_from(ms).ok().filter(|ms| (1..=most).contains(ms)) {
            Some(ms) => Some(ms),
            None => {
                let message = format!("{ms} is not between 1 and {most}");
                return Err(Failure::invalid("/timeout_ms", message));
            }
        },
    };
    let key = reader.text("idempotency_key")?.map(str::to_owned);
    if key
        .as_ref()
        .is_some_and(|key| key.is_empty() || key.len() > limits::PROCEDURE_KEY_BYTES_MAX)
    {
        let most = limits::PROCEDURE_KEY_BYTES_MAX;
        let message = format!("a key has from 1 to {most} bytes");
        return Err(Failure::invalid("/idempotency_key", message));
    }
    let context = match reader.value("context") {
        Some(Value::Object(context)) => context.clone(),
        _ => Map::new(),
    };
    let version = reader.name("version")?;
    Ok(Start {
        name,
        version: version.unwrap_or_else(|| LATEST.to_owned()),
        context,
        timeout_ms,
        is_async: reader.boolean("async")?.unwrap_or(false),
        idempotency_key: key,
    })
}

/// Waits as long as a call may take. A cancelled call cancels its execution.
async fn wait(procedures: &Procedures, id: &str, context: &Context) -> Result<(), Failure> {
    let grants = &*context.caller.grants;
    let end = Instant::now() + Duration::from_secs(limits::PROCEDURE_WAIT_SECONDS_MAX);
    let mut entries = 0;
    let progress = context.progress.clone();
    let waited = procedures.wait(grants, id, end, |execution| {
        if execution.entries > entries {
            entries = execution.entries;
            let message = format!("{}: {}", execution.status, execution.state);
            progress.report(entries as f64, None, Some(message));
        }
    });
    tokio::select! {
        biased;
        waited = waited => waited,
        () = context.cancel.cancelled() => {
            procedures.cancel(grants, id).await?;
            Err(Failure::new(Kind::Cancelled, format!("the execution {id} is being cancelled")))
        }
    }
}

async fn document(procedures: &Procedures, grants: &Grants, id: &str) -> Result<Document, Failure> {
    let (execution, machine) = procedures.snapshot(grants, id).await?;
    let mut document = view::execution(&execution, &machine);
    let next = match view::status(&execution, &machine) {
        ExecutionStatus::WaitingApproval => Some(format!(
            "a person decides with: {}",
            procedures.decision_commands(id, &document["waits_for"])
        )),
        status if status.is_active() => Some(format!(
            "it goes on in the background; call procedure_run with {} to follow it",
            json!({"execution_id": id})
        )),
        _ => None,
    };
    if let Some(next) = next {
        document["next_step"] = json!(next);
    }
    Document::of(&document)
}
