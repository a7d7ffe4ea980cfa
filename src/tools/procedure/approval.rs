//! The decision of a waiting execution, asked within the call: a client that offers
//! elicitation shows the question to its user.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use crate::failure::Failure;
use crate::printable;
use crate::procedure::journal::Decision;
use crate::procedure::{Procedures, view};
use crate::tools::Context;

/// Who decided, for the history.
const BY: &str = "the user of the client";

/// Asks whether the execution may go on; whether it does. Anything but an accepted
/// form with the field set leaves it waiting.
pub(super) async fn ask(
    procedures: &Procedures,
    id: &str,
    context: &Context,
) -> Result<bool, Failure> {
    let grants = &*context.caller.grants;
    let Some(ask) = context.caller.ask.as_ref().filter(|_| grants.is_local) else {
        return Ok(false);
    };
    let (execution, machine) = procedures.snapshot(grants, id).await?;
    let document = view::execution(&execution, &machine);
    let waits = &document["waits_for"];
    // How an interrupted action went is more than a yes.
    if waits["kind"] != "approval" {
        return Ok(false);
    }
    let message = format!(
        "Mimo: the procedure {} {} (execution {id}) waits in its state {} for your approval. It says:\n  | {}",
        printable::line(&execution.name),
        printable::line(&execution.version),
        printable::line(waits["state"].as_str().unwrap_or_default()),
        printable::quoted(waits["message"].as_str().unwrap_or_default()),
    );
    let form = json!({
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": {"approve": {
                "type": "boolean",
                "title": "Approve",
                "description": "Let the procedure go on",
                "default": false,
            }},
            "required": ["approve"],
        },
    });
    let form = to_raw_value(&form).map_err(Failure::internal)?;
    let reply = tokio::select! {
        reply = timeout_at(context.deadline, ask("elicitation/create".to_owned(), Some(form))) => reply,
        () = context.cancel.cancelled() => return Ok(false),
    };
    // A client without elicitation refuses, and the terminal remains.
    let Ok(Ok(reply)) = reply else {
        return Ok(false);
    };
    let reply: Value = serde_json::from_str(reply.get()).unwrap_or_default();
    if reply["action"] != "accept" || reply["content"]["approve"] != true {
        return Ok(false);
    }
    procedures
        .decide(grants, id, Decision::Approved, BY, "")
        .await?;
    let top = procedures.root_of(grants, id).await?;
    procedures.resume(grants, &top).await?;
    Ok(true)
}
