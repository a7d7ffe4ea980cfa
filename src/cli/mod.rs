//! The command line: the commands and options, and the file that handles each. `app`
//! connects the parts that do the work.

mod ask;
mod backup;
mod call;
mod client_files;
mod completions;
mod connect;
mod demo;
mod doctor;
mod export;
mod files;
mod graph;
mod hints;
mod import;
mod interrupt;
mod keys;
mod man;
mod memory;
mod migrate;
mod model;
mod output;
mod procedure;
mod programs;
mod remember;
mod restore;
mod search;
mod serve;
mod setup;
mod skill;
mod status;
mod tools;
mod update;
mod verify;
mod view;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::clock::UserClock;
use crate::config::{Config, Environment, Flags, PROFILES};
use crate::telemetry;
use output::Output;

/// A memory for AI clients, over MCP.
#[derive(Parser)]
#[command(name = "mimo", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// These work with every command, so they have a heading of their own.
const GLOBAL: &str = "Options of every command";

#[derive(Args)]
struct Global {
    /// The current project: new memories belong to it, searches cover it and `global`; auto is the client's folder
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "NAME")]
    project: Option<String>,
    /// Which tools clients see; `core` is the smallest set, `legacy` adds the prototype's names
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "PROFILE", value_parser = PROFILES)]
    profile: Option<String>,
    /// Reach nothing but the current project, and read `global`
    #[arg(long, global = true, help_heading = GLOBAL)]
    fence: bool,
    /// Where the database and the logs are kept
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Where config.toml is looked for
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    /// Print JSON, one document a line, for scripts
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Speak MCP on stdin and stdout; a client starts this by itself
    Serve(serve::Arguments),
    /// Find what is stored, by meaning and by words
    Search(search::Arguments),
    /// Store a memory
    Remember(remember::Arguments),
    /// Ask one question over everything that is stored
    Ask(ask::Arguments),
    /// Show what there is, what runs and what waits
    Status(status::Arguments),
    /// View and change everything in a browser
    View(view::Arguments),
    /// Call one tool and print its result
    Call(call::Arguments),
    /// List the tools that clients see
    Tools(tools::Arguments),
    /// List, show, edit, export and erase memories, and clean up
    Memory(memory::Arguments),
    /// Add, list and choose the models that encode texts
    Model(model::Arguments),
    /// Write the graph to a file or a picture, or read one
    Graph(graph::Arguments),
    /// Write everything that is stored to one file
    Export(export::Arguments),
    /// Read an export, or what another program or a person wrote
    Import(import::Arguments),
    /// Check, run, draw and follow procedures
    Procedure(procedure::Arguments),
    /// Check and edit the MCP servers that Mimo will run
    Skill(skill::Arguments),
    /// Make, list, rotate and revoke the keys of HTTP clients
    Keys(keys::Arguments),
    /// Show what Mimo does, in a temporary folder, and check it
    Demo(demo::Arguments),
    /// Forward MCP to a Mimo over HTTP; a client starts this by itself
    Connect(connect::Arguments),
    /// Add Mimo to a client's settings, or remove it
    Setup(setup::Arguments),
    /// Check this machine and the sandbox of skills
    Doctor(doctor::Arguments),
    /// Show what the newest version brings, and how to get it
    Update(update::Arguments),
    /// Copy the database while it is in use
    Backup(backup::Arguments),
    /// Replace the database with a backup, and keep the old one
    Restore(restore::Arguments),
    /// Check the database or a backup
    Verify(verify::Arguments),
    /// Copy everything from the file to PostgreSQL, or back
    Migrate(migrate::Arguments),
    /// Print the completion script of a shell
    Completions(completions::Arguments),
    /// Write the manual pages
    Man(man::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  mimo demo                                        see it work
  mimo remember Raj deploys on Mondays
  mimo search who deploys
  mimo tools                                       what clients can call
  mimo setup claude-code                           add it to a client

A client starts `mimo` itself and speaks to it over stdin and stdout.";

/// Runs the command in `arguments` and gives the process's exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let environment = &Environment::of_this_process();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(code) = completions::answer(&arguments, Cli::command, environment) {
        return code;
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A reader that left is fine.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.global.json, environment.no_color());
    // A person who types a tool call thinks in tools.
    let calls_tools = matches!(cli.command, Some(Command::Call(_)));
    match run(cli, environment, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut error) => {
            if let Some(failure) = error.downcast_mut().filter(|_| !calls_tools) {
                hints::name_commands(failure);
            }
            output.report(&error)
        }
    }
}

fn run(cli: Cli, environment: &Environment, output: &Output) -> Result<()> {
    let flags = Flags {
        config_folder: cli.global.config_dir,
        data_folder: cli.global.data_dir,
        project: cli.global.project,
        profile: cli.global.profile,
        fence: cli.global.fence,
    };
    let clock = Arc::new(UserClock::default());
    let load = |traces: &mut Option<telemetry::Exporter>, over_http: bool| {
        let config = Config::load(&flags, environment)?;
        clock.set_zone(config.time_zone);
        let collector = config.http.traces.as_deref().filter(|_| over_http);
        let (log, folder) = (config.log.as_deref(), config.log_folder());
        *traces = telemetry::start(log, &folder, collector, clock.clone());
        anyhow::Ok(config)
    };
    let configured = || load(&mut None, false);
    let mut traces = None;
    match cli.command {
        // A client's pipe, or a script's: only a person gets the help.
        None if std::io::stdin().is_terminal() => serve::print_welcome(output),
        None => serve::run(&serve::Arguments::default(), &configured()?, clock.clone()),
        Some(Command::Serve(arguments)) => {
            let config = load(&mut traces, arguments.http.is_some())?;
            if std::io::stdin().is_terminal() && arguments.http.is_none() {
                serve::print_terminal_notice(environment);
            }
            serve::run(&arguments, &config, clock.clone())
        }
        Some(Command::Search(arguments)) => {
            search::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Remember(arguments)) => {
            remember::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Ask(arguments)) => {
            ask::run(&arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::View(arguments)) => view::run(
            &arguments,
            configured()?,
            environment,
            clock.clone(),
            output,
        ),
        Some(Command::Status(_)) => status::run(&configured()?, clock.clone(), output),
        Some(Command::Call(arguments)) => {
            call::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Tools(_)) => tools::run(&configured()?, clock.clone(), output),
        Some(Command::Memory(arguments)) => {
            memory::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Model(arguments)) => {
            model::run(&arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Graph(arguments)) => {
            graph::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Export(arguments)) => {
            export::run(&arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Import(arguments)) => {
            let (config, scope) = (configured()?, import::Scope::Everything);
            import::run(&arguments.source, scope, &config, clock.clone(), output)
        }
        Some(Command::Procedure(arguments)) => {
            procedure::run(arguments, &configured()?, clock.clone(), output)
        }
        Some(Command::Skill(arguments)) => skill::run(
            arguments,
            &configured()?,
            environment,
            clock.clone(),
            output,
        ),
        Some(Command::Keys(arguments)) => {
            let profile = flags.profile.as_deref();
            keys::run(arguments, profile, &configured()?, clock.clone(), output)
        }
        Some(Command::Setup(arguments)) => setup::run(&arguments, &flags, environment, output),
        Some(Command::Connect(arguments)) => connect::run(&arguments, environment),
        Some(Command::Demo(_)) => demo::run(environment, &*clock, output),
        Some(Command::Doctor(arguments)) => doctor::run(
            &arguments,
            &configured()?,
            environment,
            clock.clone(),
            output,
        ),
        Some(Command::Update(_)) => update::run(&configured()?, environment, output),
        Some(Command::Backup(arguments)) => {
            let config = Config::load(&flags, environment)?;
            backup::run(&arguments, &config, &*clock, output)
        }
        Some(Command::Restore(arguments)) => {
            let config = Config::load(&flags, environment)?;
            restore::run(&arguments, &config, &*clock, output)
        }
        Some(Command::Verify(arguments)) => {
            let config = Config::load(&flags, environment)?;
            verify::run(&arguments, &config, output)
        }
        Some(Command::Migrate(arguments)) => {
            let config = Config::load(&flags, environment)?;
            migrate::run(&arguments, &config, environment, output)
        }
        Some(Command::Completions(arguments)) => completions::run(&arguments, output),
        Some(Command::Man(arguments)) => man::run(&arguments, Cli::command(), output),
    }
}

#[cfg(test)]
mod mentions;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent_and_each_teaches_by_example() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let commands = command.get_subcommands();
        for each in commands.filter(|each| each.get_name() != "help") {
            let help = each.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                help.contains("Example"),
                "{} has no example",
                each.get_name()
            );
        }
    }
}
