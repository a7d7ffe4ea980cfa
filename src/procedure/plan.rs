//! The dry run of an execution: its states in the order of reachability, with
//! the templates evaluated that depend on the context alone.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::definition::{Action, Definition, State};
use super::{secrets, template};

pub(super) fn plan(definition: &Definition, hash: &str, context: Map<String, Value>) -> Value {
    let mut scope = context.clone();
    scope.insert("context".to_owned(), Value::Object(context));
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([definition.initial_state.as_str()]);
    let mut states = Vec::new();
    while let Some(name) = open.pop_front() {
        let Some(state) = definition.states.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        open.extend(outgoing(state).into_iter().map(|(_, target)| target));
        states.push(planned_state(name, state, &scope));
    }
    let mut document = json!({
        "dry_run": true,
        "procedure": definition.name,
        "version": definition.version,
        "hash": hash,
        "plan": states,
    });
    secrets::redact_names(&mut document);
    document
}

/// The outgoing transitions of a state: event and target.
pub(super) fn outgoing(state: &State) -> Vec<(String, &str)> {
    let transitions = state.transitions.iter();
    let mut all: Vec<(String, &str)> = transitions
        .map(|each| (each.event.clone(), each.target.as_str()))
        .collect();
    all.extend(state.next.as_deref().map(|next| ("next".to_owned(), next)));
    for catch in &state.catch {
        all.push((format!("error: {}", catch.errors.join(", ")), &catch.target));
    }
    all
}

fn planned_state(name: &str, state: &State, scope: &Map<String, Value>) -> Value {
    let mut shown = json!({"state": name});
    if !state.description.is_empty() {
        shown["description"] = json!(state.description);
    }
    if let Some(action) = &state.action {
        shown["action"] = json!(action.label());
        let arguments = match action {
            Action::Tool { arguments, .. } => Some(Value::Object(arguments.clone())),
            Action::Procedure { context, .. } => Some(Value::Object(context.clone())),
            _ => None,
        };
        if let Some(arguments) = arguments {
            shown["arguments"] = evaluate_known(&arguments, scope);
        }
    }
    if let Some(undo) = &state.compensate {
        shown["compensate"] = json!(undo.label());
    }
    if state.end {
        shown["end"] = json!(true);
    }
    if let Some(fail) = &state.fail {
        shown["fail"] = json!(fail.error);
    }
    let leads: Map<String, Value> = outgoing(state)
        .into_iter()
        .map(|(event, target)| (event, json!(target)))
        .collect();
    if !leads.is_empty() {
        shown["leads_to"] = Value::Object(leads);
    }
    // One event may lead to several states, as guards decide.
    if state.transitions.iter().any(|each| each.guard.is_some()) {
        let branches = state.transitions.iter().map(|each| {
            let mut branch = json!({"event": each.event, "target": each.target});
            if let Some(guard) = &each.guard {
                branch["guard"] = json!(guard);
            }
            branch
        });
        shown["branches"] = branches.collect();
    }
    shown
}

/// Evaluates the templates that need only the context.
fn evaluate_known(value: &Value, scope: &Map<String, Value>) -> Value {
    match value {
        Value::String(_) => template::evaluate(value, scope).unwrap_or_else(|_| value.clone()),
        Value::Array(items) => items
            .iter()
            .map(|item| evaluate_known(item, scope))
            .collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| (key.clone(), evaluate_known(member, scope)))
                .collect(),
        ),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_and_description_is_shown() {
        let definition = json!({"name": "n", "version": "1", "initial_state": "a", "states": {
            "a": {"description": "looks", "action": {"tool": "memory_search"}, "transitions": [
                {"event": "success", "target": "b", "guard": "{{ result.items }}"},
                {"event": "success", "target": "c"},
            ]},
            "b": {"end": true},
            "c": {"end": true},
        }});
        let definition: Definition = serde_json::from_value(definition).expect("a definition");
        let planned = plan(&definition, "hash", Map::new());
        let first = &planned["plan"][0];
        assert_eq!(first["description"], "looks");
        assert_eq!(
            first["branches"],
            json!([
                {"event": "success", "target": "b", "guard": "{{ result.items }}"},
                {"event": "success", "target": "c"},
            ])
        );
    }
}
