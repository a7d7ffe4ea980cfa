//! `mimo memory import`.

use std::sync::Arc;

use anyhow::Result;

use crate::cli::import::{self, Scope, Source};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// From where.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory import memories.jsonl
  mimo memory import ~/memory.jsonl         the official memory server's file, its graph too
  mimo memory import service-export.json    mcp-memory-service's JSON export
  zcat memories.jsonl.gz | mimo memory import -

Existing memories stay as they are, so an interrupted import can be repeated. Equal
texts of a project become one memory. Memories without a project go to the current
one; those that cannot be read are skipped and shown.")]
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
    import::run(&arguments.source, Scope::Everything, config, clock, output)
}
