//! `mimo man FOLDER`: the manual pages, written by clap from the same definitions.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::output::Output;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo man ~/.local/share/man/man1       then: man mimo-search
  mimo man ./man1")]
pub(super) struct Arguments {
    /// The folder; created if it is missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments, command: clap::Command, output: &Output) -> Result<()> {
    let folder = &arguments.folder;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), folder));
    written.with_context(|| format!("the pages were not written to {}", folder.display()))?;
    output.print(format!("manual pages are in {}\n", folder.display()))
}
