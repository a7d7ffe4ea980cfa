//! The procedure tools: finding, defining and running, and the door through
//! which procedures call tools themselves.

mod define;
mod door;
mod find;
mod run;

use serde_json::{Value, json};

pub use door::{Door, Through};

use super::arguments::Reader;
use super::{Arguments, Context, Document, Reply, Tool};
use crate::failure::Failure;
use crate::procedure::{Procedures, view};

/// `procedure_find`, `procedure_define` and `procedure_run`.
pub fn tools(procedures: &Procedures) -> Vec<Tool> {
    vec![
        tool(
            "procedure_find",
            include_str!("../../../schemas/tools/procedure_find.json"),
            procedures,
            find::call,
        ),
        tool(
            "procedure_define",
            include_str!("../../../schemas/tools/procedure_define.json"),
            procedures,
            define::call,
        ),
        tool(
            "procedure_run",
            include_str!("../../../schemas/tools/procedure_run.json"),
            procedures,
            run::call,
        ),
    ]
}

fn tool<F>(
    name: &'static str,
    definition: &'static str,
    procedures: &Procedures,
    call: impl Fn(Procedures, Arguments, Context) -> F + Send + Sync + 'static,
) -> Tool
where
    F: Future<Output = Result<Document, Failure>> + Send + 'static,
{
    let procedures = procedures.clone();
    Tool {
        name,
        definition,
        handler: std::sync::Arc::new(move |arguments, context| {
            let answer = call(procedures.clone(), arguments, context);
            Box::pin(async move { Ok(answer.await?.into()) })
        }),
    }
}

/// `tool` with its successful calls recorded, so that procedures can be made of
/// them. What a procedure calls is recorded by its journal already.
pub fn recorded(tool: Tool, procedures: &Procedures) -> Tool {
    if tool.name == "skill_find" {
        return tool;
    }
    let (inner, procedures) = (tool.handler.clone(), procedures.clone());
    Tool {
        handler: std::sync::Arc::new(move |arguments, context| {
            let own =
                context.session.starts_with(door::SESSION) || arguments.contains_key("cursor");
            let called = (!own).then(|| {
                let name = arguments.get("tool").and_then(Value::as_str);
                let given = arguments.get("arguments").cloned();
                (
                    name.unwrap_or_default().to_owned(),
                    given.unwrap_or_else(|| json!({})),
                )
            });
            let answer = inner(arguments, context);
            let procedures = procedures.clone();
            Box::pin(async move {
                let reply = answer.await?;
                let failed = matches!(&reply, Reply::Passed(result) if result["isError"] == true);
                if let Some((name, given)) = called.filter(|_| !failed) {
                    procedures.record_behind(name, given);
                }
                Ok(reply)
            })
        }),
        ..tool
    }
}

/// How the procedures are, for `mimo_status`. A store that cannot be used is a
/// status, not a failure of the status.
pub async fn status(procedures: &Procedures) -> Value {
    let counted = async {
        let census = procedures.census().await?;
        let waiting = procedures
            .executions(
                None,
                Some("waiting_approval"),
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
                .map(|(status, count)| (status, json!(count)))
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
