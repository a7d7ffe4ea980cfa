//! `mimo ask QUESTION`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::call;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// What to ask.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo ask When does Raj deploy?
  mimo ask --json Who works on the launch?")]
pub(super) struct Arguments {
    /// The question
    #[arg(required = true)]
    words: Vec<String>,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let given = json!({"query": arguments.words.join(" ")});
    let answer = call::own_tool("ask_mimo", given, config, clock)?;
    if output.json {
        return output.document(&answer);
    }
    let text = answer["synthesis"]["text"].as_str().unwrap_or_default();
    output.print(format!("{}\n", text.trim_end()))
}
