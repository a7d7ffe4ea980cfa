//! `mimo memory VERB`: what a person does with all memories at once.

mod cleanup;

use std::sync::Arc;

use super::output::{Ended, Output};
use crate::clock::Clock;
use crate::config::Config;

/// What to do with the memories.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory cleanup --dry-run     what would leave search, and what would be erased")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Archive what was not used for long, and erase what was archived for long
    Cleanup(cleanup::Arguments),
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<(), Ended> {
    match arguments.verb {
        Verb::Cleanup(arguments) => cleanup::run(&arguments, config, clock, output),
    }
}
