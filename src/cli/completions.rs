//! `mimo completions SHELL`: the script that makes a shell complete Mimo's
//! commands, written by clap from the same definitions.

use anyhow::Result;
use clap_complete::Shell;

use super::output::Output;

/// Which shell to write for.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo completions bash > ~/.local/share/bash-completion/completions/mimo
  mimo completions zsh > \"${fpath[1]}/_mimo\"
  mimo completions fish > ~/.config/fish/completions/mimo.fish")]
pub(super) struct Arguments {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

pub(super) fn run(
    arguments: &Arguments,
    mut command: clap::Command,
    output: &Output,
) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "mimo", &mut script);
    output.print(&*String::from_utf8_lossy(&script))
}
