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

What is there already is not entered again, so an import that was cut off can
simply be repeated. Lines that name no project go to the current one; those that
cannot be read are skipped and shown.")]
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
