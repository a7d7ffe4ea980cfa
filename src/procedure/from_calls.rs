//! Makes a definition of recorded calls: a sequence of them, with a context
//! variable for each argument that differs between repetitions. In a single run
//! every plain argument is a variable whose default is the recorded value.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::secrets::is_redacted;
use super::template::{RESERVED_NAMES, is_template};
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::procedure::RecordedCall;

/// Fails with NotFound if a call is missing.
pub(super) fn definition(ids: &[String], calls: &[RecordedCall]) -> Result<Value, Failure> {
    if ids.is_empty() || ids.len() > limits::RECORDED_CALLS_USED_MAX {
        let most = limits::RECORDED_CALLS_USED_MAX;
        let message = format!(
            "{} calls were named; from 1 to {most} make a procedure",
            ids.len()
        );
        return Err(Failure::invalid("/from_execution_ids", message));
    }
    if let Some((nth, id)) = ids
        .iter()
        .enumerate()
        .find(|(_, id)| !calls.iter().any(|call| call.id == **id))
    {
        let path = format!("/from_execution_ids/{nth}");
        return Err(Failure::new(
            Kind::NotFound,
            format!("no recorded call has the id {id:?}"),
        )
        .at(path)
        .hint("procedure_find without arguments lists the newest under recorded"));
    }
    let arguments: Vec<Value> = calls
        .iter()
        .map(|call| serde_json::from_str(&call.arguments).map_err(Failure::internal))
        .collect::<Result<_, _>>()?;
    let tools: Vec<&str> = calls.iter().map(|call| call.tool.as_str()).collect();
    let period = period(&tools);
    let mut variables = Variables::default();
    let mut states = Map::new();
    for nth in 0..period {
        let runs: Vec<&Value> = arguments.iter().skip(nth).step_by(period).collect();
        let own = variables.take("", &runs);
        let own = if own.is_object() { own } else { json!({}) };
        states.insert(
            state_name(nth, tools[nth]),
            json!({
                "action": {"tool": tools[nth], "arguments": own},
                "next": tools[..period].get(nth + 1).map_or_else(|| "done".to_owned(), |tool| state_name(nth + 1, tool)),
            }),
        );
    }
    states.insert("done".to_owned(), json!({"end": true}));
    let short = tools[0]
        .rsplit("__")
        .next()
        .unwrap_or("calls")
        .to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let short: String = short.chars().filter(|c| plain(*c)).take(40).collect();
    Ok(json!({
        "name": format!("recorded-{}", if short.is_empty() { "calls" } else { &short }),
        "version": "1.0.0",
        "description": format!("Recorded from {} of {}", counted(calls.len(), "call", "calls"), tools[..period].join(", ")),
        "initial_state": state_name(0, tools[0]),
        "context_schema": variables.schema(),
        "states": states,
    }))
}

fn state_name(nth: usize, tool: &str) -> String {
    let short = tool.rsplit("__").next().unwrap_or(tool);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let short: String = short.chars().map(plain).take(40).collect();
    format!("{}_{short}", nth + 1)
}

/// Length of the shortest sequence that the tools repeat.
fn period(tools: &[&str]) -> usize {
    let repeats = |length: &usize| {
        tools.len().is_multiple_of(*length)
            && tools
                .iter()
                .enumerate()
                .all(|(at, tool)| *tool == tools[at % length])
    };
    (1..=tools.len()).find(repeats).unwrap_or(tools.len())
}

/// The context variables found so far.
#[derive(Default)]
struct Variables {
    by_values: BTreeMap<String, String>,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Variables {
    /// The argument at one place of several runs: a template where it differs.
    fn take(&mut self, name: &str, runs: &[&Value]) -> Value {
        let Some(first) = runs.first() else {
            return Value::Null;
        };
        if let Some(keys) = same_keys(runs) {
            let members = keys.map(|key| {
                let inner: Vec<&Value> = runs.iter().map(|run| &run[key]).collect();
                (key.clone(), self.take(key, &inner))
            });
            return Value::Object(members.collect());
        }
        let alike = runs.iter().all(|run| run == first);
        let plain = matches!(first, Value::String(_) | Value::Number(_) | Value::Bool(_));
        let single = runs.len() == 1;
        let constant = alike && !is_redacted(first) && (!single || !plain);
        if constant && !holds_template(first) {
            return (*first).clone();
        }
        json!(format!("{{{{ {} }}}}", self.variable(name, runs, alike)))
    }

    /// The variable for these values. Equal sets of values share one.
    fn variable(&mut self, name: &str, runs: &[&Value], alike: bool) -> String {
        let values = json!(runs).to_string();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut base: String = name.chars().map(plain).take(48).collect();
        if !base.starts_with(|c: char| c.is_ascii_alphabetic())
            || RESERVED_NAMES.contains(&base.as_str())
        {
            base.insert_str(0, "value_");
        }
        let secret = runs.iter().any(|run| is_redacted(run));
        // Two redacted secrets look alike but may differ.
        let key = if secret {
            format!("{base} {values}")
        } else {
            values
        };
        if let Some(known) = self.by_values.get(&key) {
            return known.clone();
        }
        let mut free = base.clone();
        let mut count = 2;
        while self.properties.contains_key(&free) {
            free = format!("{base}_{count}");
            count += 1;
        }
        let mut property = json!({});
        let kinds: Vec<&str> = runs.iter().map(|run| kind(run)).collect();
        if kinds.iter().all(|kind| *kind == kinds[0]) {
            property["type"] = json!(kinds[0]);
        }
        if secret {
            property = json!({"type": "string", "writeOnly": true});
        }
        match alike && !secret {
            true => property["default"] = runs[0].clone(),
            false => self.required.push(free.clone()),
        }
        self.properties.insert(free.clone(), property);
        self.by_values.insert(key, free.clone());
        free
    }

    fn schema(self) -> Value {
        json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

fn same_keys<'a>(runs: &[&'a Value]) -> Option<impl Iterator<Item = &'a String> + use<'a>> {
    let first = runs.first()?.as_object()?;
    let same = |run: &&Value| {
        run.as_object()
            .is_some_and(|run| run.len() == first.len() && run.keys().eq(first.keys()))
    };
    runs.iter().all(same).then(|| first.keys())
}

/// A recorded text that looks like a template must not be evaluated.
fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(members) => members.values().any(holds_template),
        _ => false,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::procedure::check::{AnyName, check};

    fn calls(made: &[(&str, Value)]) -> (Vec<String>, Vec<RecordedCall>) {
        let call = |(nth, (tool, arguments)): (usize, &(&str, Value))| RecordedCall {
            id: format!("c{nth}"),
            project: "global".to_owned(),
            tool: (*tool).to_owned(),
            arguments: arguments.to_string(),
            at: Timestamp(0),
        };
        let calls: Vec<RecordedCall> = made.iter().enumerate().map(call).collect();
        (calls.iter().map(|call| call.id.clone()).collect(), calls)
    }

    #[test]
    fn arguments_that_vary_become_context_variables() {
        let (ids, calls) = calls(&[
            ("files__read_file", json!({"path": "/a", "lines": 5})),
            (
                "web__post",
                json!({"url": "http://x", "body": {"of": "/a"}}),
            ),
            ("files__read_file", json!({"path": "/b", "lines": 5})),
            (
                "web__post",
                json!({"url": "http://x", "body": {"of": "/b"}}),
            ),
        ]);
        let made = definition(&ids, &calls).expect("a definition");
        let checked = check(&made, &AnyName).expect("it passes the check");
        let read = &made["states"]["1_read_file"]["action"]["arguments"];
        assert_eq!(*read, json!({"path": "{{ path }}", "lines": 5}));
        let post = &made["states"]["2_post"]["action"]["arguments"];
        assert_eq!(
            *post,
            json!({"url": "http://x", "body": {"of": "{{ path }}"}})
        );
        assert_eq!(made["context_schema"]["required"], json!(["path"]));
        assert_eq!(checked.definition.states.len(), 3);
    }

    #[test]
    fn single_run_keeps_values_as_defaults_and_omits_secrets() {
        let (ids, calls) = calls(&[
            (
                "a__one",
                json!({"name": "x {{ y }}", "list": [1], "token": "[redacted]", "result": 3}),
            ),
            ("a__two", json!({})),
        ]);
        let made = definition(&ids, &calls).expect("a definition");
        check(&made, &AnyName).expect("it passes the check");
        let schema = &made["context_schema"]["properties"];
        assert_eq!(schema["name"]["default"], "x {{ y }}");
        assert_eq!(
            schema["token"],
            json!({"type": "string", "writeOnly": true})
        );
        assert_eq!(schema["value_result"]["default"], 3);
        assert_eq!(made["context_schema"]["required"], json!(["token"]));
        let one = &made["states"]["1_one"]["action"]["arguments"];
        assert_eq!(one["list"], json!([1]));
        assert_eq!(one["name"], "{{ name }}");
        let failed = definition(&["gone".to_owned()], &[]).expect_err("there is none");
        assert_eq!(failed.path.as_deref(), Some("/from_execution_ids/0"));
    }
}
