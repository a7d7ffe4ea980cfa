//! `mimo skill VERB`: the verbs, and the file that handles each. `skills` decides what
//! a manifest may contain.

mod approve;
mod check;
mod edit;
mod enable;
pub(super) mod import;
mod install;
mod logs;
mod refusals;
mod reload;
pub(super) mod start_once;
mod test;
mod tool_changes;

use std::sync::Arc;

use anyhow::Result;

use super::doctor;
use super::output::Output;
use super::programs;
use crate::clock::Clock;
use crate::config::{Config, Environment};

/// What to do with the skills.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill add memory --network none -- npx -y @modelcontextprotocol/server-memory
  mimo skill list                      what each skill may do
  mimo skill check ~/mcp.json          would these servers be taken? every mistake, with its fix
  mimo skill remove memory
  mimo skill import claude-desktop     take the servers of a client
  mimo skill test memory               does it start, and which tools has it?
  mimo skill disable memory            keep it, but do not run it
  mimo skill update                    install newer versions, where there are any
  mimo skill approve memory            what has changed in its tools? approve it
  mimo skill logs memory --follow      what does it say?
  mimo skill reload                    have running Mimos load the file now")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the skills and what each may do
    List(check::ListArguments),
    /// Check a manifest as a whole, without running anything
    Check(check::CheckArguments),
    /// Add a skill to skills.json
    Add(edit::AddArguments),
    /// Remove a skill from skills.json
    Remove(edit::RemoveArguments),
    /// Copy the servers of another client into skills.json
    Import(import::Arguments),
    /// Run a disabled skill again
    Enable(enable::Arguments),
    /// Keep a skill in skills.json without running it
    Disable(enable::Arguments),
    /// Start a skill once and show what it answers
    Test(test::Arguments),
    /// Install the newest versions of what npx and uvx skills run
    Update(install::UpdateArguments),
    /// Show new and changed tools, and approve them
    Approve(approve::Arguments),
    /// Show what skills wrote to stderr, and when they ran
    Logs(logs::Arguments),
    /// Have every running Mimo load skills.json again
    Reload(reload::Arguments),
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    // The sandbox's layers, determined only if they are shown.
    let layers = || doctor::layers(environment);
    match arguments.verb {
        Verb::List(_) => check::list(config, &layers(), output),
        Verb::Check(arguments) => check::run(&arguments, config, layers, output),
        Verb::Add(arguments) => {
            let config = programs::record(config.clone(), environment);
            edit::add(&arguments, &config, output)
        }
        Verb::Remove(arguments) => edit::remove(&arguments, config, output),
        Verb::Update(arguments) => install::update(&arguments, config, clock, output),
        Verb::Import(arguments) => {
            let config = programs::record(config.clone(), environment);
            import::run(&arguments, &config, environment, output)
        }
        Verb::Enable(arguments) => enable::run(&arguments, false, config, output),
        Verb::Disable(arguments) => enable::run(&arguments, true, config, output),
        Verb::Test(arguments) => test::run(&arguments, config, clock, output),
        Verb::Approve(arguments) => approve::run(&arguments, config, &*clock, output),
        Verb::Logs(arguments) => logs::run(&arguments, config, output),
        Verb::Reload(_) => reload::run(config, &clock, output),
    }
}
