//! `mimo memory VERB`: what a person does with memories, one by one and all at once.

mod cleanup;
mod edit;
mod erase;
mod export;
mod import;
mod list;
mod reembed;
mod restore;
mod show;
mod stats;
pub(super) mod view;

use std::sync::Arc;

use anyhow::Result;

use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// What to do with the memories.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory list --tag launch                 the newest with a tag
  mimo memory show 12                           one of them, whole
  mimo memory edit 12 --text 'It moved to May'  say it better
  mimo memory edit 12 --forget                  take it out of searches
  mimo memory export --all -o memories.jsonl    everything, older versions included
  mimo memory import memories.jsonl             may be repeated: adds no duplicates
  mimo memory import ~/memory.jsonl             from the official memory server
  mimo memory cleanup --dry-run                 what would leave search, and be erased
  mimo memory restore --archived-since 7d       undo what cleanups archived
  mimo memory erase --query hunter22            take a secret out of the file for good
  mimo memory reembed                           encode all with another model
  mimo memory stats                             what there is")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List memories, the newest first
    List(list::Arguments),
    /// Show memories whole
    Show(show::Arguments),
    /// Change, forget, restore or protect memories, or undo that
    Edit(edit::Arguments),
    /// Write the memories as JSON lines, without loss
    Export(export::Arguments),
    /// Read memories from an export, or from what another program or a person wrote
    Import(import::Arguments),
    /// Archive what was not used for long, and erase what was archived for long
    Cleanup(cleanup::Arguments),
    /// Bring archived memories back
    Restore(restore::Arguments),
    /// Erase memories for good, from the file's free space and log too; asks first
    Erase(erase::Arguments),
    /// Encode every memory with the model in use
    Reembed(reembed::Arguments),
    /// Count what there is
    Stats(stats::Arguments),
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    match arguments.verb {
        Verb::List(arguments) => list::run(arguments, config, clock, output),
        Verb::Show(arguments) => show::run(&arguments, config, clock, output),
        Verb::Edit(arguments) => edit::run(arguments, config, clock, output),
        Verb::Export(arguments) => export::run(&arguments, config, clock, output),
        Verb::Import(arguments) => import::run(&arguments, config, clock, output),
        Verb::Cleanup(arguments) => cleanup::run(&arguments, config, clock, output),
        Verb::Restore(arguments) => restore::run(arguments, config, clock, output),
        Verb::Erase(arguments) => erase::run(arguments, config, clock, output),
        Verb::Reembed(arguments) => reembed::run(&arguments, config, clock, output),
        Verb::Stats(arguments) => stats::run(&arguments, config, clock, output),
    }
}
