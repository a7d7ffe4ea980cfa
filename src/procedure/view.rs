//! Definitions and executions as clients and people see them, with secrets
//! redacted.

use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::journal::{Entry, Event};
use super::machine::{ActionRecord, Ending, EvaluatedAction, Machine, Next, Task};
use super::secrets::{self, Secrets};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::procedure::{Execution, ExecutionStatus, StoredDefinition};

/// An execution as `procedure_run` returns it.
pub fn execution(execution: &Execution, machine: &Machine) -> Value {
    let moves = machine.moves();
    let shown = &moves[moves.len().saturating_sub(limits::PROCEDURE_SHOWN_MAX)..];
    let history: Vec<Value> = shown
        .iter()
        .map(|each| {
            json!({
                "from": each.from,
                "to": each.to,
                "event": each.event,
                "at": each.at.to_iso(),
                "ms": each.ms,
            })
        })
        .collect();
    let mut document = json!({
        "execution_id": execution.id,
        "procedure": execution.name,
        "version": execution.version,
        "status": status(execution, machine),
        "state": machine.state(),
        "history": history,
    });
    if shown.len() < moves.len() {
        document["history_from"] = json!(moves.len() - shown.len());
    }
    if let Next::Ended(Ending::Completed(output)) = machine.next() {
        document["output"] = output.clone();
    }
    if let Some(error) = machine.failure() {
        document["error"] = json!(error);
        document["compensated"] = json!(machine.compensated());
        let remains: Vec<Value> = machine
            .uncompensated()
            .iter()
            .map(|each| json!({"state": each.state, "why": each.why}))
            .collect();
        if !remains.is_empty() {
            document["remains"] = json!(remains);
        }
    }
    if let Some(waits) = needed_decision(machine) {
        document["waits_for"] = waits;
    }
    Secrets::of(machine).redact(&mut document);
    document
}

/// The machine's status once it ended, else the store's, which also knows that a
/// called execution waits.
pub(crate) fn status(execution: &Execution, machine: &Machine) -> ExecutionStatus {
    match machine.next() {
        Next::Ended(ending) => ending.status(),
        _ => execution.status,
    }
}

/// The decision that is needed.
fn needed_decision(machine: &Machine) -> Option<Value> {
    let (task, started) = machine.waits_for()?;
    Some(match started.interrupted {
        true => json!({
            "kind": "unknown_outcome",
            "message": interruption(task, started.takeovers),
            "state": task.state,
            "since": started.at.to_iso(),
        }),
        false => json!({
            "kind": "approval",
            "message": message(task),
            "state": task.state,
            "since": started.at.to_iso(),
        }),
    })
}

/// The commands with which a person decides what the execution `id` waits for. `options`
/// lead them to its data.
pub(crate) fn decision_commands(id: &str, waits: &Value, options: &str) -> String {
    let command = |decision: &str| format!("`mimo procedure approve {id}{decision}{options}`");
    match waits["kind"] == "unknown_outcome" {
        true => format!(
            "{} (it took effect), {} (call it once more) or {}",
            command(" --outcome done"),
            command(" --outcome again"),
            command(" --outcome failed")
        ),
        false => format!("{}, or {} to refuse", command(""), command(" --reject")),
    }
}

fn interruption(task: &Task, takeovers: u32) -> String {
    let (ended, label) = (takeovers + 1, task.work.label());
    let times = match ended {
        1 => String::new(),
        ended => format!(" {ended} times"),
    };
    format!("Mimo ended{times} while {label} was being called; whether it took effect is not known")
}

fn message(task: &Task) -> &str {
    match &task.work {
        EvaluatedAction::Approval { message } => message,
        _ => "",
    }
}

/// In the order of the journal.
pub fn performed(machine: &Machine) -> Value {
    let secrets = Secrets::of(machine);
    let one = |each: &ActionRecord| {
        let mut arguments = each.arguments.clone();
        secrets::redact_names(&mut arguments);
        let mut shown = json!({
            "step": each.step,
            "state": each.state,
            "action": each.label,
            "arguments": arguments,
            "at": each.at.to_iso(),
        });
        let mut add = |key: &str, value: Value| shown[key] = value;
        if each.attempt > 1 {
            add("attempt", json!(each.attempt));
        }
        if let Some(item) = each.item {
            add("item", json!(item));
        }
        if each.takeovers > 0 {
            add("takeovers", json!(each.takeovers));
        }
        if each.is_compensation {
            add("undoes", json!(true));
        }
        if let Some(ms) = each.ms {
            add("ms", json!(ms));
        }
        if let Some(bytes) = each.result_bytes {
            add("result_bytes", json!(bytes));
        }
        if let Some(result) = &each.result {
            let mut result = result.clone();
            secrets::redact_names(&mut result);
            add("result", result);
        }
        if let Some(error) = &each.error {
            add("error", json!(error));
        }
        secrets.redact(&mut shown);
        shown
    };
    machine.performed().iter().map(one).collect()
}

/// In the order of the journal.
pub(crate) fn decisions(journal: &[Entry]) -> Value {
    let decided = journal.iter().filter_map(|entry| match &entry.event {
        Event::Decided {
            step,
            decision,
            by,
            note,
        } => Some(json!({
            "step": step,
            "decision": decision.name(),
            "by": by,
            "note": note,
            "at": Timestamp(entry.at).to_iso(),
        })),
        _ => None,
    });
    decided.collect()
}

pub(crate) fn listed(stored: &StoredDefinition) -> Value {
    json!({
        "name": stored.name,
        "version": stored.version,
        "hash": stored.hash,
        "description": stored.description,
    })
}

pub(crate) fn brief(execution: &Execution) -> Value {
    json!({
        "execution_id": execution.id,
        "procedure": execution.name,
        "version": execution.version,
        "status": execution.status,
        "state": execution.state,
        "at": execution.created_at.to_iso(),
    })
}

/// The arguments of a procedure's prompt, from its context_schema: name,
/// description and whether it is required.
pub fn parameters(definition: &Definition) -> Vec<(String, String, bool)> {
    let Some(schema) = &definition.context_schema else {
        return Vec::new();
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::iter);
    properties
        .map(|(name, part)| {
            let description = part["description"].as_str().unwrap_or_default().to_owned();
            let must = required.contains(&name.as_str()) && part.get("default").is_none();
            (name.clone(), description, must)
        })
        .collect()
}

/// The values of a prompt's argument, where the context_schema lists them.
pub(crate) fn choices(definition: &Definition, argument: &str) -> Vec<String> {
    let schema = definition.context_schema.as_ref();
    let listed = schema.and_then(|schema| schema["properties"][argument]["enum"].as_array());
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    listed.into_iter().flatten().map(text).collect()
}

pub fn prompt(definition: &Definition, arguments: &Map<String, Value>) -> String {
    let call = json!({"name": definition.name, "context": arguments});
    let description = match definition.description.as_str() {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    format!(
        "Run the procedure {}{description}: call procedure_run with {call}, and report its \
         status and output. Where it waits for approval, tell me to run `mimo procedure approve` \
         with its execution_id; do not decide it yourself.",
        definition.name
    )
}
