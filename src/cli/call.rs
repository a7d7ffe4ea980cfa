//! `mimo call TOOL [JSON|-]`: one tool call from a shell, through the same
//! dispatch as a client's.

use std::io::Read;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

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
  mimo call memory_search '{\"query\":\"when do we launch\",\"limit\":3}'
  mimo call memory_search            (no arguments: the newest memories)
  jq '{memories: .}' notes.json | mimo call memory_store -

The exit code is 0 for a result, 1 where the tool failed, 2 for a wrong use.")]
pub(super) struct Arguments {
    /// The tool's name; `mimo tools` lists them
    tool: String,
    /// Its arguments as a JSON object, or - to read them from stdin
    #[arg(value_name = "JSON|-")]
    arguments: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let given = match arguments.arguments.as_deref() {
        None => json!({}),
        Some("-") => parse(&from_stdin()?)?,
        Some(text) => parse(text)?,
    };
    let reply = app::run(async {
        let app = App::build(config, clock)?;
        check_tool_exists(&app, &arguments.tool)?;
        let answer = app.call(&arguments.tool, given).await;
        app.close().await;
        answer
    })?;
    match reply {
        // Parsed again only to be shown indented; a script gets the tool's own text.
        Reply::Document(document) if output.terminal && !output.json => {
            output.document(&serde_json::from_str(&document.0).map_err(Failure::internal)?)
        }
        Reply::Document(document) => output.json_text(&document.0),
        reply => print_upstream_result(&reply.into_object()?, output),
    }
}

/// Another server's result, whole; that it is an error is for the exit code.
fn print_upstream_result(result: &Value, output: &Output) -> Result<()> {
    output.document(result)?;
    match result["isError"].as_bool() {
        Some(true) => Err(
            Failure::new(Kind::Unavailable, "the tool answered with an error")
                .hint("its answer is on stdout")
                .into(),
        ),
        _ => Ok(()),
    }
}

fn from_stdin() -> Result<String, Failure> {
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
