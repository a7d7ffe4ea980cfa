//! `mimo graph import`.

use std::sync::Arc;

use anyhow::Result;

use crate::cli::import::{self, Scope, Source};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo graph import graph.jsonl
  mimo graph import ~/memory.jsonl          the official memory server's file
  zcat graph.jsonl.gz | mimo graph import -

Existing triples are not added again, so an interrupted import can be repeated.
Lines without a project go to the current one; lines that cannot be read are
skipped and shown.")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    import::run(&arguments.source, Scope::Graph, config, clock, output)
}
