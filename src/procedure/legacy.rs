//! Converts the prototype's two formats: a list of steps, and states whose
//! actions name a module and a function.

use serde_json::{Map, Value, json};

use crate::diagnostics::{Diagnostic, pointer_token, suggest};

/// Converts a definition to today's format, which is returned unchanged.
pub(super) fn from_legacy(given: &Value) -> Result<Value, Vec<Diagnostic>> {
    let Some(object) = given.as_object() else {
        return Ok(given.clone());
    };
    // The prototype registered definitions one level deeper.
    let inner = object.get("definition").and_then(Value::as_object);
    let mut whole = object.clone();
    if let Some(inner) = inner.filter(|_| !object.contains_key("states")) {
        whole.remove("definition");
        for (key, value) in inner {
            whole.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if let Some(steps) = whole.get("steps").and_then(Value::as_array).cloned()
        && !whole.contains_key("states")
    {
        return from_steps(whole, &steps);
    }
    let states = whole.get("states").and_then(Value::as_object);
    let legacy = inner.is_some()
        || states.is_some_and(|states| {
            let mut actions = states.values().filter_map(|state| state.get("action"));
            actions.any(|action| action.get("module").is_some() || action.get("function").is_some())
        });
    match legacy {
        true => from_module_actions(whole),
        false => Ok(given.clone()),
    }
}

fn named(whole: &mut Map<String, Value>) {
    whole.entry("version").or_insert_with(|| json!("1.0"));
}

/// Converts `{steps: [..]}`: one state after the other.
fn from_steps(mut whole: Map<String, Value>, steps: &[Value]) -> Result<Value, Vec<Diagnostic>> {
    let given = Value::Object(whole.clone());
    whole.remove("steps");
    named(&mut whole);
    let (mut states, mut mistakes) = (Map::new(), Vec::new());
    for (nth, step) in steps.iter().enumerate() {
        match convert_step(&given, step, &format!("/steps/{nth}")) {
            Ok(mut state) => {
                state.insert("next".to_owned(), json!(state_name(steps, nth + 1)));
                states.insert(state_name(steps, nth), Value::Object(state));
            }
            Err(of_step) => mistakes.extend(of_step),
        }
    }
    if steps.is_empty() {
        mistakes.push(Diagnostic::in_document(
            &given,
            "/steps",
            "there are no steps",
            "give at least one",
        ));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    states.insert(state_name(steps, steps.len()), json!({"end": true}));
    whole.insert("initial_state".to_owned(), json!(state_name(steps, 0)));
    whole.insert("states".to_owned(), Value::Object(states));
    Ok(Value::Object(whole))
}

/// The name of the state that a step becomes: unique, and with the step's own name where
/// a state can have it.
fn state_name(steps: &[Value], nth: usize) -> String {
    let own = steps.get(nth).and_then(|step| step.get("name")?.as_str());
    let is_usable = |name: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        !name.is_empty() && name.len() <= 48 && name.chars().all(is_plain)
    };
    match own.filter(is_usable) {
        Some(own) => format!("{}_{own}", nth + 1),
        None => format!("step_{}", nth + 1),
    }
}

/// The state that the step at `path` becomes, without its transition.
fn convert_step(
    given: &Value,
    step: &Value,
    path: &str,
) -> Result<Map<String, Value>, Vec<Diagnostic>> {
    let Some(step) = step.as_object() else {
        return Err(vec![Diagnostic::in_document(
            given,
            path,
            "a step is an object that names a tool",
            r#"write {"tool": "memory_search", "arguments": {"query": ".."}}"#,
        )]);
    };
    let (mut state, mut action, mut mistakes) = (Map::new(), Map::new(), Vec::new());
    for (key, value) in step {
        let at = format!("{path}/{}", pointer_token(key));
        match key.as_str() {
            "name" => {}
            "tool" | "arguments" | "idempotent" | "set" | "validate" | "delay_ms" | "choice"
            | "map" | "wait_for_approval" | "call_procedure" => {
                action.insert(key.clone(), value.clone());
            }
            "args" | "params" => {
                action.insert("arguments".to_owned(), value.clone());
            }
            "action" if value.is_object() => match convert_action(given, value, &at) {
                Ok(Value::Object(own)) => action.extend(own),
                Ok(_) => {}
                Err(mistake) => mistakes.push(*mistake),
            },
            "description" | "assign" | "timeout_ms" | "retry" | "compensate" => {
                state.insert(key.clone(), value.clone());
            }
            "action" => mistakes.push(Diagnostic::in_document(
                given,
                at,
                "a step's action is an object",
                "name a tool: {\"tool\": \"..\", \"arguments\": {..}}",
            )),
            other => mistakes.push(Diagnostic::in_document(
                given,
                at,
                format!("unknown key {other:?} in a step"),
                suggest(
                    other,
                    [
                        "name",
                        "tool",
                        "arguments",
                        "action",
                        "assign",
                        "timeout_ms",
                        "retry",
                        "compensate",
                    ],
                ),
            )),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    state.insert("action".to_owned(), Value::Object(action));
    Ok(state)
}

/// Converts states with `{module, function}` actions. A state without a
/// transition is an end.
fn from_module_actions(mut whole: Map<String, Value>) -> Result<Value, Vec<Diagnostic>> {
    let given = Value::Object(whole.clone());
    named(&mut whole);
    for key in ["active", "metadata", "author", "tags"] {
        whole.remove(key);
    }
    let mut mistakes = Vec::new();
    let states = whole.get_mut("states").and_then(Value::as_object_mut);
    for (name, state) in states.into_iter().flatten() {
        let Some(state) = state.as_object_mut() else {
            continue;
        };
        let path = format!("/states/{}", pointer_token(name));
        for key in ["action", "rollback", "compensate"] {
            let Some(action) = state.get(key) else {
                continue;
            };
            match convert_action(&given, action, &format!("{path}/{key}")) {
                Ok(action) => {
                    let key = if key == "rollback" { "compensate" } else { key };
                    state.insert(key.to_owned(), action);
                }
                Err(mistake) => mistakes.push(*mistake),
            }
        }
        state.remove("rollback");
        if let Some(timeout) = state.remove("timeout") {
            state.insert("timeout_ms".to_owned(), timeout);
        }
        let leads = ["transitions", "next", "fail"]
            .iter()
            .any(|key| state.contains_key(*key));
        let waits = leads && !state.contains_key("action") && !state.contains_key("fail");
        let outside = state.get("transitions").and_then(Value::as_array);
        if waits && outside.is_some_and(|all| all.iter().all(|each| each["event"] != "success")) {
            mistakes.push(Diagnostic::in_document(
                &given,
                path,
                "this state waits for an event from outside, which nothing sends",
                "use wait_for_approval (success or rejected), or give it an action",
            ));
        } else if !leads {
            state.insert("end".to_owned(), json!(true));
        }
    }
    match mistakes.is_empty() {
        true => Ok(Value::Object(whole)),
        false => Err(mistakes),
    }
}

/// Converts an action. An action that names code is mapped to an equivalent, or
/// refused.
fn convert_action(given: &Value, action: &Value, path: &str) -> Result<Value, Box<Diagnostic>> {
    let Some(module) = action.get("module") else {
        return Ok(action.clone());
    };
    let name = module.as_str().unwrap_or_default();
    let step = name
        .trim_start_matches("Elixir.")
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let args = match &action["args"] {
        Value::Array(list) => list.first().cloned().unwrap_or_default(),
        other => other.clone(),
    };
    let ours = name.contains("ProceduralStore.Steps.");
    let mapped = match step {
        "SetContext" if ours => {
            Some(json!({"set": args["values"].as_object().cloned().unwrap_or_default()}))
        }
        "Validate" if ours => rules(&args["rules"]),
        "Conditional" if ours => conditional(&args),
        "Delay" if ours => Some(json!({"delay_ms": args["ms"].as_u64().unwrap_or(1000)})),
        _ => None,
    };
    mapped.ok_or_else(|| {
        let function = action["function"].as_str().unwrap_or("?");
        let fix = match step {
            "Log" if ours => "leave it out: every state and action is in the history",
            "HttpRequest" if ours => "call a tool that fetches, of a skill such as fetch__fetch",
            _ => "name a tool instead: {\"tool\": \"..\", \"arguments\": {..}}; mimo tools and skill_find list them",
        };
        let message = format!("{name}.{function} is code, and procedures name tools");
        Box::new(Diagnostic::in_document(given, path, message, fix))
    })
}

fn field(name: &Value) -> Option<String> {
    let name = name.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

fn rules(rules: &Value) -> Option<Value> {
    let rule = |rule: &Value| {
        let field = field(&rule["field"])?;
        (rule["type"] == "required").then(|| {
            json!({
                "that": format!("{{{{ context.{field} is defined and context.{field} is not none }}}}"),
                "message": format!("{field} is required"),
            })
        })
    };
    let all: Option<Vec<Value>> = rules.as_array()?.iter().map(rule).collect();
    all.filter(|all| !all.is_empty())
        .map(|all| json!({"validate": all}))
}

fn conditional(args: &Value) -> Option<Value> {
    let field = field(&args["field"])?;
    let operator = match args["operator"].as_str().unwrap_or("eq") {
        "eq" => "==",
        "ne" => "!=",
        "gt" => ">",
        "gte" => ">=",
        "lt" => "<",
        "lte" => "<=",
        "in" => "in",
        _ => return None,
    };
    let value = &args["value"];
    // JSON and expressions differ in null only.
    let value = if value.is_null() {
        "none".to_owned()
    } else {
        value.to_string()
    };
    let event = |key: &str, usual: &str| args[key].as_str().unwrap_or(usual).to_owned();
    Some(json!({"choice": [
        {"when": format!("{{{{ context.{field} {operator} {value} }}}}"), "event": event("true_event", "true")},
        {"event": event("false_event", "false")},
    ]}))
}
