//! Checks the parts of a definition: templates are valid, variables are set,
//! tools and procedures exist, keys are compatible. Accepts JSON of any shape.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{KnownNames, arguments};
use crate::diagnostics::{Diagnostic, pointer_token, suggest};
use crate::procedure::template::{self, RESERVED_NAMES, TemplateError};

/// The actions that a map or a compensation may use.
const CALLS: [&str; 2] = ["tool", "call_procedure"];

struct Checker<'a> {
    document: &'a Value,
    names: &'a dyn KnownNames,
    /// The variables that may be set; `None` where the context is open.
    variables: Option<BTreeSet<String>>,
    found: Vec<Diagnostic>,
}

pub(super) fn check(whole: &Value, known: &dyn KnownNames) -> Vec<Diagnostic> {
    let mut checker = Checker {
        document: whole,
        names: known,
        variables: None,
        found: Vec::new(),
    };
    checker.context_schema();
    checker.variables = variables(whole);
    if let Some(output) = whole.get("output") {
        checker.templates(output, "/output", &[]);
    }
    if let Some(name) = whole["rollback_procedure"].as_str()
        && !known.procedure(name)
    {
        checker.unknown_procedure("/rollback_procedure", name);
    }
    for (name, state) in whole["states"].as_object().into_iter().flatten() {
        checker.check_state(state, &format!("/states/{}", pointer_token(name)));
    }
    checker.found
}

/// The variables of the context_schema and those that states set.
fn variables(whole: &Value) -> Option<BTreeSet<String>> {
    let named = whole["context_schema"]["properties"].as_object()?;
    let mut all: BTreeSet<String> = named.keys().cloned().collect();
    for state in whole["states"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
    {
        for set in [&state["assign"], &state["action"]["set"]] {
            all.extend(set.as_object().into_iter().flat_map(Map::keys).cloned());
        }
    }
    all.extend(RESERVED_NAMES.map(str::to_owned));
    Some(all)
}

impl Checker<'_> {
    fn report(&mut self, path: &str, message: impl Into<String>, fix: impl Into<String>) {
        let mistake = Diagnostic::in_document(self.document, path, message, fix);
        self.found.push(mistake);
    }

    fn context_schema(&mut self) {
        let Some(schema) = self
            .document
            .get("context_schema")
            .filter(|s| s.is_object())
        else {
            return;
        };
        // References are never fetched.
        if let Err(error) = jsonschema::validator_for(schema) {
            let fix = format!("correct it ({error}); $ref can only point into itself");
            self.report("/context_schema", "this is not a valid JSON Schema", fix);
        }
        for name in schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
        {
            self.reserved_name(
                name,
                &format!("/context_schema/properties/{}", pointer_token(name)),
            );
        }
    }

    fn reserved_name(&mut self, name: &str, path: &str) {
        if RESERVED_NAMES.contains(&name) {
            let message = format!("{name} has a meaning of its own in templates");
            self.report(
                path,
                message,
                format!("call it something else, such as my_{name}"),
            );
        }
    }

    fn check_state(&mut self, state: &Value, path: &str) {
        for (key, others) in [
            ("end", ["next", "transitions", "fail"].as_slice()),
            (
                "fail",
                &[
                    "action",
                    "next",
                    "transitions",
                    "catch",
                    "retry",
                    "compensate",
                    "assign",
                ],
            ),
        ] {
            for other in others {
                if state.get(key).is_some() && state.get(other).is_some() {
                    let fix = format!("leave one of them out: a state with {key} leads nowhere");
                    let message = format!("{key} and {other} contradict each other");
                    self.report(&format!("{path}/{other}"), message, fix);
                }
            }
        }
        let action = state.get("action");
        if action.is_none() {
            for key in ["retry", "catch", "timeout_ms", "compensate"] {
                if state.get(key).is_some() && state.get("fail").is_none() {
                    let message = format!("{key} has nothing to work on: the state has no action");
                    self.report(
                        &format!("{path}/{key}"),
                        message,
                        format!("add an action, or remove {key}"),
                    );
                }
            }
        }
        if let Some(action) = action {
            self.check_action(action, &format!("{path}/action"), &[]);
        }
        let map_name = action.and_then(|action| {
            let each = action.get("map")?;
            Some(each["as"].as_str().unwrap_or("item"))
        });
        let more: Vec<&str> = map_name.into_iter().collect();
        if let Some(undo) = state.get("compensate") {
            let at = format!("{path}/compensate");
            self.refuse_other_actions(undo, &at, "a compensation");
            self.check_action(undo, &at, &more);
        }
        if let Some(assign) = state.get("assign") {
            self.check_assignments(assign, &format!("{path}/assign"));
        }
        if let Some(message) = state["fail"].get("message") {
            self.templates(message, &format!("{path}/fail/message"), &[]);
        }
        let transitions = state["transitions"].as_array();
        for (nth, transition) in transitions.into_iter().flatten().enumerate() {
            let at = format!("{path}/transitions/{nth}/guard");
            self.condition(transition.get("guard"), &at);
        }
    }

    fn check_action(&mut self, action: &Value, path: &str, more: &[&str]) {
        if let Some(name) = action["tool"].as_str() {
            self.tool(name, action, path);
        }
        let called = &action["call_procedure"];
        if let Some(name) = called["name"].as_str() {
            let calls_itself = self.document["name"].as_str() == Some(name);
            if !calls_itself && !self.names.procedure(name) {
                self.unknown_procedure(&format!("{path}/call_procedure/name"), name);
            }
        }
        if let Some(set) = action.get("set") {
            self.check_assignments(set, &format!("{path}/set"));
        }
        for (list, part) in [("validate", "that"), ("choice", "when")] {
            for (nth, each) in action[list].as_array().into_iter().flatten().enumerate() {
                self.condition(each.get(part), &format!("{path}/{list}/{nth}/{part}"));
                if let Some(message) = each.get("message") {
                    self.templates(message, &format!("{path}/{list}/{nth}/message"), more);
                }
            }
        }
        let cases = action["choice"].as_array();
        for (nth, case) in cases.into_iter().flatten().enumerate() {
            let last = cases.is_some_and(|cases| nth + 1 == cases.len());
            if case.is_object() && case.get("when").is_none() && !last {
                let message = "this case always holds, so those after it are never looked at";
                self.report(
                    &format!("{path}/choice/{nth}"),
                    message,
                    "put it last, or give it a when",
                );
            }
        }
        for key in ["arguments", "delay_ms", "wait_for_approval"] {
            if let Some(part) = action.get(key) {
                self.templates(part, &format!("{path}/{key}"), more);
            }
        }
        if let Some(context) = called.get("context") {
            self.templates(context, &format!("{path}/call_procedure/context"), more);
        }
        if let Some(each) = action.get("map").filter(|each| each.is_object()) {
            self.map(each, &format!("{path}/map"));
        }
    }

    fn tool(&mut self, name: &str, action: &Value, path: &str) {
        if let Err((message, fix)) = self.names.tool(name) {
            return self.report(&format!("{path}/tool"), message, fix);
        }
        let none = Map::new();
        let (given, arguments) = match &action["arguments"] {
            Value::Null => ("", &none),
            Value::Object(arguments) => ("/arguments", arguments),
            // The schema of definitions refuses it.
            _ => return,
        };
        let Some(schema) = self.names.arguments(name) else {
            return;
        };
        for mistake in arguments::mistakes(name, arguments, &schema) {
            let at = format!("{path}{given}{}", mistake.path);
            self.report(&at, mistake.reason, mistake.fix);
        }
    }

    fn map(&mut self, each: &Value, path: &str) {
        let name = each["as"].as_str().unwrap_or("item");
        if name != "item" {
            self.reserved_name(name, &format!("{path}/as"));
        }
        if let Some(items) = each.get("items") {
            self.templates(items, &format!("{path}/items"), &[]);
        }
        if let Some(collect) = each.get("collect") {
            self.templates(collect, &format!("{path}/collect"), &[name]);
        }
        if let Some(action) = each.get("action") {
            let at = format!("{path}/action");
            self.refuse_other_actions(action, &at, "a map");
            self.check_action(action, &at, &[name]);
        }
    }

    fn refuse_other_actions(&mut self, action: &Value, path: &str, what: &str) {
        let Some(members) = action.as_object() else {
            return;
        };
        let other = [
            "set",
            "validate",
            "delay_ms",
            "choice",
            "map",
            "wait_for_approval",
        ];
        if let Some(key) = other.iter().find(|key| members.contains_key(**key)) {
            let message = format!("{what} cannot {}", key.replace('_', " "));
            let fix = format!("use {}, or a procedure that does it", CALLS.join(" or "));
            self.report(&format!("{path}/{key}"), message, fix);
        }
    }

    fn unknown_procedure(&mut self, path: &str, name: &str) {
        let message = format!("there is no procedure {name:?}");
        self.report(
            path,
            message,
            "define it first; procedure_find lists those there are",
        );
    }

    fn check_assignments(&mut self, set: &Value, path: &str) {
        for (name, value) in set.as_object().into_iter().flatten() {
            let at = format!("{path}/{}", pointer_token(name));
            self.reserved_name(name, &at);
            self.templates(value, &at, &[]);
        }
    }

    /// A condition must be a template: a plain text would always be true.
    fn condition(&mut self, condition: Option<&Value>, path: &str) {
        let Some(Value::String(text)) = condition else {
            return;
        };
        if !template::is_template(text) {
            let fix = format!("write it as an expression: {{{{ {text} }}}}");
            self.report(
                path,
                "this condition is a plain text, so it would always hold",
                fix,
            );
            return;
        }
        self.template(text, path, &[]);
    }

    /// Checks every text within `value`.
    fn templates(&mut self, value: &Value, path: &str, more: &[&str]) {
        match value {
            Value::String(text) if template::is_template(text) => self.template(text, path, more),
            Value::Array(items) => {
                for (nth, item) in items.iter().enumerate() {
                    self.templates(item, &format!("{path}/{nth}"), more);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.templates(member, &format!("{path}/{}", pointer_token(key)), more);
                }
            }
            _ => {}
        }
    }

    fn template(&mut self, text: &str, path: &str, more: &[&str]) {
        if let Err(TemplateError(why)) = template::check(text) {
            let fix =
                "write an expression over the context between {{ and }}, such as {{ result.id }}";
            self.report(
                path,
                format!("this template cannot be evaluated: {why}"),
                fix,
            );
            return;
        }
        let Some(variables) = &self.variables else {
            return;
        };
        let paths = template::paths(text);
        let read: BTreeSet<&str> = paths.iter().map(|path| own_name(path)).collect();
        let unset = |name: &&&str| !variables.contains(**name) && !more.contains(*name);
        let mistakes: Vec<(String, String)> = read
            .iter()
            .filter(unset)
            .map(|name| {
                let known = variables.iter().map(String::as_str);
                let fix = format!(
                    "{} Else add it to context_schema, or set it",
                    suggest(name, known)
                );
                (format!("nothing sets the variable {name}"), fix)
            })
            .collect();
        for (message, fix) in mistakes {
            self.report(path, message, fix);
        }
    }
}

/// The variable that `path` reads: `n` and `context.n` are the same.
fn own_name(path: &str) -> &str {
    let path = path.strip_prefix("context.").unwrap_or(path);
    path.split('.').next().unwrap_or(path)
}
