//! What clients and people see of an execution. Secrets are left out: what the
//! context's schema marks `writeOnly`, and what has the name of one.

use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::journal::{Entry, Event};
use super::machine::{ActionRecord, Ending, Machine, Next};
use crate::limits;
use crate::store::procedure::Execution;

/// What stands for a secret.
const REDACTED: &str = "[redacted]";
/// A shorter secret would be found in every other text.
const SECRET_BYTES: usize = 4;

/// UndoMethod an execution is, as `procedure_run` answers.
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
    if let Some(waits) = waits(machine) {
        document["waits_for"] = waits;
    }
    Secrets::of(machine).leave_out(&mut document);
    document
}

/// The store knows that a part of it waits; the machine, how it ended.
pub fn status<'a>(execution: &'a Execution, machine: &Machine) -> &'a str {
    match machine.next() {
        Next::Ended(ending) => ending.status(),
        _ => &execution.status,
    }
}

/// What a person has to decide.
fn waits(machine: &Machine) -> Option<Value> {
    let (task, started) = machine.waits_for()?;
    Some(match started.interrupted {
        true => json!({
            "kind": "unknown_outcome",
            "message": format!(
                "Mimo ended while {} was being called; whether it took effect is not known",
                task.work.label()
            ),
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

fn message(task: &super::machine::Task) -> &str {
    match &task.work {
        super::machine::Work::Approval { message } => message,
        _ => "",
    }
}

/// What an execution performed, in order.
pub fn performed(machine: &Machine) -> Value {
    let secrets = Secrets::of(machine);
    let one = |each: &ActionRecord| {
        let mut arguments = each.arguments.clone();
        redact_names(&mut arguments);
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
        if each.undoes {
            add("undoes", json!(true));
        }
        if let Some(ms) = each.ms {
            add("ms", json!(ms));
        }
        if let Some(bytes) = each.result_bytes {
            add("result_bytes", json!(bytes));
        }
        if let Some(error) = &each.error {
            add("error", json!(error));
        }
        secrets.leave_out(&mut shown);
        shown
    };
    machine.performed().iter().map(one).collect()
}

/// Who decided what, in order.
pub fn decisions(journal: &[Entry]) -> Value {
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
            "at": crate::clock::Timestamp(entry.at).to_iso(),
        })),
        _ => None,
    });
    decided.collect()
}

/// The secrets of an execution.
struct Secrets(Vec<String>);

impl Secrets {
    fn of(machine: &Machine) -> Secrets {
        let marked = |name: &str| is_marked(machine.definition(), name) || is_secret_name(name);
        let found = machine.context().iter().filter(|(name, _)| marked(name));
        let mut values = Vec::new();
        for (_, value) in found {
            texts(value, &mut values);
        }
        // A longer one may hold a shorter one.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets(values)
    }

    fn leave_out(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for secret in &self.0 {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), REDACTED);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.leave_out(item)),
            Value::Object(members) => members.values_mut().for_each(|each| self.leave_out(each)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SECRET_BYTES => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|each| texts(each, found)),
        _ => {}
    }
}

fn is_marked(definition: &Definition, name: &str) -> bool {
    let schema = definition.context_schema.as_ref();
    schema.is_some_and(|schema| {
        let part = &schema["properties"][name];
        part["writeOnly"] == true || part["format"] == "password"
    })
}

/// Whether what stands at `path` (`/context/NAME..`) is a secret.
pub fn is_secret_path(definition: &Definition, path: &str) -> bool {
    let name = path.split('/').nth(2).unwrap_or_default();
    is_marked(definition, name) || is_secret_name(name)
}

/// Whether something of this name is a secret, as far as its name tells.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let parts = [
        "password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "authorization",
        "credential",
        "private_key",
        "cookie",
    ];
    name.ends_with("token") || parts.iter().any(|part| name.contains(part))
}

/// Leaves out what has the name of a secret.
pub fn redact_names(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match is_secret_name(name) {
                    true => *member = json!(REDACTED),
                    false => redact_names(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_names),
        _ => {}
    }
}

/// Whether a recorded value was a secret.
pub fn is_redacted(value: &Value) -> bool {
    value == REDACTED
}

/// A definition in a list.
pub fn listed(kept: &crate::store::procedure::StoredDefinition) -> Value {
    json!({
        "name": kept.name,
        "version": kept.version,
        "hash": kept.hash,
        "description": kept.description,
    })
}

/// An execution in a list.
pub fn brief(execution: &Execution) -> Value {
    json!({
        "execution_id": execution.id,
        "procedure": execution.name,
        "version": execution.version,
        "status": execution.status,
        "state": execution.state,
        "at": execution.created_at.to_iso(),
    })
}

/// The arguments that a procedure's prompt asks for: its context's properties,
/// as (name, description, whether it must be given).
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

/// What an argument of a procedure's prompt may be, where its context's schema
/// lists that.
pub fn choices(definition: &Definition, argument: &str) -> Vec<String> {
    let schema = definition.context_schema.as_ref();
    let listed = schema.and_then(|schema| schema["properties"][argument]["enum"].as_array());
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    listed.into_iter().flatten().map(text).collect()
}

/// The text of a procedure's prompt, for these arguments.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in [
            "password",
            "db_password",
            "GITHUB_TOKEN",
            "accessToken",
            "api-key",
            "Authorization",
            "client_secret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "tokens", "name", "path", "key", "author"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
