//! Checks the graph of states: targets exist, events are emitted and handled,
//! and every state is reachable and reaches an end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::diagnostics::{Diagnostic, pointer_token, suggest};

pub(super) fn check(whole: &Value) -> Vec<Diagnostic> {
    let Some(states) = whole["states"].as_object() else {
        return Vec::new();
    };
    let names: Vec<&str> = states.keys().map(String::as_str).collect();
    let mut found = Vec::new();
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, state) in states {
        let path = format!("/states/{}", pointer_token(name));
        for (at, target) in transition_targets(state) {
            match states.contains_key(target) {
                true => edges.entry(name).or_default().push(target),
                false => found.push(Diagnostic::in_document(
                    whole,
                    format!("{path}/{at}"),
                    format!("there is no state {target:?}"),
                    suggest(target, names.iter().copied()),
                )),
            }
        }
        if state.is_object() {
            found.extend(check_events(whole, state, &path));
        }
    }
    let initial = whole["initial_state"].as_str();
    let Some(initial) = initial.filter(|initial| states.contains_key(*initial)) else {
        return found;
    };
    let reached = reachable([initial], &edges);
    let mut reverse_edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, targets) in &edges {
        for to in targets {
            reverse_edges.entry(to).or_default().push(from);
        }
    }
    let ends = states.iter().filter(|(_, state)| is_end(state));
    let ending = reachable(ends.map(|(name, _)| name.as_str()), &reverse_edges);
    for name in states.keys().map(String::as_str) {
        let path = format!("/states/{}", pointer_token(name));
        if !reached.contains(name) {
            found.push(Diagnostic::in_document(
                whole,
                path,
                format!("nothing leads to the state {name}"),
                "let a transition, next or catch lead to it, or remove it",
            ));
        } else if !ending.contains(name) && edges.contains_key(name) {
            found.push(Diagnostic::in_document(
                whole,
                path,
                format!("from the state {name} no end can be reached"),
                "let a way lead to a state with end or fail",
            ));
        }
    }
    found
}

fn is_end(state: &Value) -> bool {
    state.get("end").is_some() || state.get("fail").is_some()
}

/// The targets of a state, with their paths.
fn transition_targets(state: &Value) -> Vec<(String, &str)> {
    let mut all = Vec::new();
    for list in ["transitions", "catch"] {
        for (nth, each) in state[list].as_array().into_iter().flatten().enumerate() {
            if let Some(target) = each["target"].as_str() {
                all.push((format!("{list}/{nth}/target"), target));
            }
        }
    }
    if let Some(next) = state["next"].as_str() {
        all.push(("next".to_owned(), next));
    }
    all
}

fn reachable<'a>(
    from: impl IntoIterator<Item = &'a str>,
    edges: &BTreeMap<&'a str, Vec<&'a str>>,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(edges.get(name).into_iter().flatten());
        }
    }
    seen
}

/// The events that the action of a state can emit, apart from `error`.
fn emitted_events(state: &Value) -> Vec<&str> {
    let action = &state["action"];
    match action["choice"].as_array() {
        Some(cases) => {
            let mut events: Vec<&str> = cases
                .iter()
                .filter_map(|case| case["event"].as_str())
                .collect();
            let total = cases.last().is_some_and(|last| last.get("when").is_none());
            if !total {
                events.push("default");
            }
            events
        }
        None => vec!["success"],
    }
}

/// The initial state exists. This is checked whatever else is wrong.
pub(super) fn check_initial(whole: &Value) -> Option<Diagnostic> {
    let (states, initial) = (
        whole["states"].as_object()?,
        whole["initial_state"].as_str()?,
    );
    if states.is_empty() || states.contains_key(initial) {
        return None;
    }
    let names = states.keys().map(String::as_str);
    Some(Diagnostic::in_document(
        whole,
        "/initial_state",
        format!("there is no state {initial:?}"),
        suggest(initial, names),
    ))
}

fn check_events(whole: &Value, state: &Value, path: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if is_end(state) {
        return found;
    }
    let transitions = state["transitions"].as_array();
    let handled: Vec<(&str, bool)> = transitions
        .into_iter()
        .flatten()
        .filter_map(|each| Some((each["event"].as_str()?, each.get("guard").is_none())))
        .collect();
    let emitted = emitted_events(state);
    let has_next = state.get("next").is_some();
    if handled.is_empty() && !has_next {
        found.push(Diagnostic::in_document(
            whole,
            path,
            "this state has no way out",
            "give it next or transitions, or say that it is the end with \"end\": true",
        ));
        return found;
    }
    for event in &emitted {
        let fits = |(name, _): &&(&str, bool)| name == event || *name == "default";
        let mut matching = handled.iter().filter(fits).peekable();
        let is_handled = matching.peek().is_some();
        let is_certain = has_next || matching.any(|(_, always)| *always);
        let (message, fix) = match (is_handled, is_certain) {
            (_, true) => continue,
            (false, false) => (
                format!("nothing takes the event {event}"),
                format!("add a transition for {event}, or next"),
            ),
            (true, false) => (
                format!("after {event} every way is guarded, so there may be none"),
                "add next, or a last transition without a guard".to_owned(),
            ),
        };
        found.push(Diagnostic::in_document(
            whole,
            format!("{path}/transitions"),
            message,
            fix,
        ));
    }
    let approval = state["action"].get("wait_for_approval").is_some();
    for (nth, (event, _)) in handled.iter().enumerate() {
        let possible = emitted.contains(event)
            || matches!(*event, "error" | "default")
            || (*event == "rejected" && approval);
        if !possible {
            let mut known = emitted.clone();
            known.extend(["error", "default"]);
            known.extend(approval.then_some("rejected"));
            found.push(Diagnostic::in_document(
                whole,
                format!("{path}/transitions/{nth}/event"),
                format!("the action of this state never gives the event {event}"),
                suggest(event, known),
            ));
        }
    }
    found
}
