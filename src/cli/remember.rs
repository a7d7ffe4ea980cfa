//! `mimo remember TEXT`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::call;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// What to store.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo remember The launch moved to March
  mimo remember --tag launch --category plan 'Ship on Monday?'
  mimo remember - < notes.txt                     one memory of the whole text")]
pub(super) struct Arguments {
    /// The text, or - to read it from stdin
    #[arg(required = true)]
    words: Vec<String>,
    /// A word to find it by; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// fact (the default), action, observation or plan
    #[arg(long)]
    category: Option<String>,
    /// From 0 to 1; 0.5 unless given
    #[arg(long, value_name = "NUMBER")]
    importance: Option<f64>,
    /// A stable key: a later text of the same key takes its place
    #[arg(long, value_name = "KEY")]
    topic: Option<String>,
    /// When it was said or happened: 2026-11-20, yesterday, "3 days ago"
    #[arg(long, value_name = "DATE")]
    said_at: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let content = match arguments.words.as_slice() {
        [only] if only == "-" => call::from_stdin()?,
        words => words.join(" "),
    };
    let given = json!({
        "content": content,
        "category": arguments.category,
        "importance": arguments.importance,
        "tags": arguments.tag,
        "topic_key": arguments.topic,
        "said_at": arguments.said_at,
    });
    let answer = call::own_tool("memory_store", given, config, clock)?;
    if output.json {
        return output.document(&answer);
    }
    let stored = &answer["results"][0];
    let outcome = stored["outcome"].as_str().unwrap_or("stored");
    output.print(format!("{outcome}: memory {}\n", stored["id"]))?;
    if let Some(warning) = stored["warning"].as_str() {
        output.print_error(format!("note: {warning}\n"));
    }
    Ok(())
}
