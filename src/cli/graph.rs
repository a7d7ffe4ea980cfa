//! `mimo graph VERB`: the graph out to a file or a picture, and in from one.

mod export;
mod import;

use std::sync::Arc;

pub(super) use export::for_each_line;

use anyhow::Result;

use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// What to do with the graph.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo graph export --all > graph.jsonl             everything, history included
  mimo graph export --format html -o graph.html     a page to look at and click through
  mimo graph export --format mermaid                what holds now, as a flowchart
  mimo graph import graph.jsonl                     may be repeated: adds no duplicates
  mimo graph import ~/memory.jsonl                  from the official memory server")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Write the graph as JSON lines, GraphML, Mermaid, or one HTML page
    Export(export::Arguments),
    /// Read JSON lines of an export, or the official memory server's file
    Import(import::Arguments),
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    match arguments.verb {
        Verb::Export(arguments) => export::run(&arguments, config, clock, output),
        Verb::Import(arguments) => import::run(&arguments, config, clock, output),
    }
}
