//! `mimo completions SHELL`: the script that makes a shell complete Mimo's
//! commands, written by clap from the same definitions.

use anyhow::Result;
use clap::ValueEnum;
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
    #[arg(value_parser = known)]
    shell: Shell,
}

/// A shell by its name. The nearest name is no help to whoever uses another one.
fn known(name: &str) -> Result<Shell, String> {
    let all = "choose one of bash, elvish, fish, powershell and zsh";
    Shell::from_str(name, true).map_err(|_| format!("there is none for it; {all}"))
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
