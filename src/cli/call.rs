//! `mimo call TOOL [JSON|-|NAME=VALUE..]`: one tool call from a shell, through the same
//! dispatch as a client's.

use std::io::Read;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::output::Output;
use crate::app::{self, App};
use crate::caller::ToolGrants;
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::limits::LINE_BYTES_MAX;
use crate::tools::Reply;

/// What to call, and with what.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo call memory_store '{\"content\":\"The launch moved to March\",\"tags\":[\"launch\"]}'
  mimo call memory_search query='when do we launch' limit=3
  mimo call memory_search            (no arguments: the newest memories)
  jq '{memories: .}' notes.json | mimo call memory_store -

The exit code is 0 for a result, 1 if the tool failed, 2 for wrong usage.")]
pub(super) struct Arguments {
    /// The tool's name; `mimo tools` lists them
    tool: String,
    /// Its arguments: one JSON object, - to read it from stdin, or each by its name
    #[arg(value_name = "JSON|-|NAME=VALUE")]
    arguments: Vec<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let given = |app: &App| {
        check_tool_exists(app, &arguments.tool)?;
        given(app, &arguments)
    };
    let reply = reply(&arguments.tool, given, config, clock)?;
    match reply {
        // Parsed again only to be shown indented; a script gets the tool's own text.
        Reply::Document(document) if output.terminal && !output.json => {
            output.document(&serde_json::from_str(&document.0).map_err(Failure::internal)?)
        }
        Reply::Document(document) => output.json_text(&document.0),
        reply => print_upstream_result(&reply.into_object()?, output),
    }
}

/// Calls one of our own tools and returns its document. Null and empty members of
/// `arguments` were not typed, so they are left out.
pub(super) fn own_tool(
    tool: &str,
    mut arguments: Value,
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<Value> {
    if let Some(arguments) = arguments.as_object_mut() {
        arguments.retain(|_, value| !value.is_null() && *value != json!([]));
    }
    let as_command = |mut failure: Failure| {
        failure.example = None;
        failure
    };
    match reply(tool, |_| Ok(arguments), config, clock).map_err(as_command)? {
        Reply::Document(document) => Ok(serde_json::from_str(&document.0)?),
        reply => Ok(reply.into_object()?),
    }
}

fn reply(
    tool: &str,
    arguments: impl FnOnce(&App) -> Result<Value, Failure>,
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<Reply, Failure> {
    app::run(async {
        let app = App::build(config, clock)?;
        app.dispatch().await_tool(tool, &ToolGrants::All).await;
        let answer = match arguments(&app) {
            Ok(arguments) => app.call(tool, arguments).await,
            Err(failure) => Err(failure),
        };
        app.close().await;
        answer
    })
}

fn given(app: &App, arguments: &Arguments) -> Result<Value, Failure> {
    match arguments.arguments.as_slice() {
        [] => Ok(json!({})),
        [only] if only == "-" => parse(&from_stdin()?),
        [only] if only.trim_start().starts_with('{') => parse(only),
        [only] if !only.contains('=') => parse(only),
        pairs => {
            let definition = app.dispatch().definition(&arguments.tool, &ToolGrants::All);
            let properties = definition.map(|it| it["inputSchema"]["properties"].clone());
            named(pairs, &properties.unwrap_or_default())
        }
    }
}

/// Arguments of the form NAME=VALUE. A value is JSON, or text if the tool takes text or
/// it is not JSON.
fn named(pairs: &[String], properties: &Value) -> Result<Value, Failure> {
    let mut given = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Failure::invalid("", format!("{pair:?} is not an argument"))
                .hint("write NAME=VALUE, for example query='when do we launch'"));
        };
        let is_text = properties[name]["type"] == "string";
        let parsed = serde_json::from_str(value).ok().filter(|_| !is_text);
        let value = parsed.unwrap_or_else(|| value.into());
        if given.insert(name.to_owned(), value).is_some() {
            return Err(
                Failure::invalid("", format!("{name} is given twice")).hint(format!(
                    "write several values as a list: {name}='[\"a\",\"b\"]'"
                )),
            );
        }
    }
    Ok(Value::Object(given))
}

/// Another server's whole result; whether it is an error decides the exit code only.
fn print_upstream_result(result: &Value, output: &Output) -> Result<()> {
    output.document(result)?;
    match result["isError"].as_bool() {
        Some(true) => Err(
            Failure::new(Kind::Unavailable, "the tool returned an error")
                .hint("its answer is on stdout")
                .into(),
        ),
        _ => Ok(()),
    }
}

pub(super) fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LINE_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::invalid("", format!("stdin cannot be read: {error}"))
                .hint("give the arguments as UTF-8 text")
        })?;
    match text.len() > LINE_BYTES_MAX {
        false => Ok(text),
        true => Err(Failure::new(
            Kind::LimitExceeded,
            format!("the arguments are longer than {LINE_BYTES_MAX} bytes"),
        )
        .hint("split them into several calls")),
    }
}

fn parse(text: &str) -> Result<Value, Failure> {
    let example = "quote a JSON object for the shell: \
                   mimo call memory_search '{\"query\":\"when do we launch\"}'";
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::invalid("", "the arguments are not a JSON object").hint(example)),
        Err(error) => {
            Err(Failure::invalid("", format!("the arguments are not JSON: {error}")).hint(example))
        }
    }
}

/// An unknown tool is a usage error.
fn check_tool_exists(app: &App, name: &str) -> Result<(), Failure> {
    if app.dispatch().serves(name, &ToolGrants::All) {
        return Ok(());
    }
    let unknown = app.dispatch().unknown_tool(name, &ToolGrants::All);
    let hint = unknown.hint.unwrap_or_default();
    Err(Failure::invalid("", unknown.message).hint(format!("{hint} (`mimo tools` lists them)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_the_tool_takes_no_text() {
        let properties = json!({"query": {"type": "string"}, "limit": {"type": "integer"}});
        let given = |pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            named(&pairs, &properties)
        };
        let taken = given(&["query=12", "limit=3", "tags=[\"a\"]", "note=x=y"]).expect("taken");
        let expected = json!({"query": "12", "limit": 3, "tags": ["a"], "note": "x=y"});
        assert_eq!(taken, expected);
        for refused in [&["query"][..], &["limit=1", "limit=2"]] {
            assert!(given(refused).is_err(), "{refused:?}");
        }
    }
}
