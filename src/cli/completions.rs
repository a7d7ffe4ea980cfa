//! Completion in shells: `mimo completions SHELL` prints the script, which asks this
//! program for each word, so that names and ids come from what is stored.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use serde_json::{Value, json};

use super::call::own_tool;
use super::output::Output;
use super::tools::definitions;
use crate::app::{self, InstalledModel};
use crate::caller::PROJECT_SHARED;
use crate::clock::UserClock;
use crate::config::{COMPLETING, Config, Environment, Flags};
use crate::failure::{Failure, Kind};
use crate::limits::COMPLETIONS_MAX;
use crate::printable;
use crate::skills::manifest;
use crate::skills::spec::SkillName;
use crate::store::names::{NameKind, NamesQuery};
use crate::store::procedure::{Execution, StoredDefinition};

/// Which shell to write for.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo completions bash > ~/.local/share/bash-completion/completions/mimo
  mimo completions zsh > \"${fpath[1]}/_mimo\"
  mimo completions fish > ~/.config/fish/completions/mimo.fish

Beside commands and options, the script completes the names of projects, skills,
procedures, tools and models, and the ids of memories and executions.")]
pub(super) struct Arguments {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_parser = known)]
    shell: String,
}

/// A shell by its name. Suggesting the nearest name is no help to someone who uses
/// another shell.
fn known(name: &str) -> Result<String, String> {
    let all = "choose one of bash, elvish, fish, powershell and zsh";
    let known = Shells::builtins().names().any(|each| each == name);
    known
        .then(|| name.to_owned())
        .ok_or(format!("there is none for it; {all}"))
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<()> {
    let shells = Shells::builtins();
    let shell = shells.completer(&arguments.shell).ok_or_else(|| {
        Failure::new(Kind::NotFound, "there is no script for that shell")
            .hint("name one of bash, elvish, fish, powershell and zsh")
    })?;
    let mut script = Vec::new();
    shell.write_registration(COMPLETING, "mimo", "mimo", "mimo", &mut script)?;
    output.print(&*String::from_utf8_lossy(&script))
}

/// Answers the completion script of a shell, if that has started this process.
pub(super) fn answer(
    arguments: &[OsString],
    command: fn() -> Command,
    environment: &Environment,
) -> Option<ExitCode> {
    environment.variables.get(COMPLETING)?;
    let context = CompletionContext {
        flags: flags(arguments),
        environment: environment.clone(),
    };
    let context = Arc::new(context);
    let folder = environment.current_folder.as_deref();
    let answered = CompleteEnv::with_factory(|| with_values(command(), &context))
        .var(COMPLETING)
        .try_complete(arguments.to_vec(), folder);
    Some(match answered {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// Whose data completes the words.
struct CompletionContext {
    flags: Flags,
    environment: Environment,
}

/// The folders among the words typed so far.
fn flags(arguments: &[OsString]) -> Flags {
    let value = |flag: &str| {
        let words = arguments.iter().filter_map(|word| word.to_str());
        let words = words.collect::<Vec<_>>();
        let at = words.iter().position(|word| *word == flag);
        let next = at.and_then(|at| words.get(at + 1));
        let joined = words
            .iter()
            .find_map(|word| word.strip_prefix(flag)?.strip_prefix('='));
        next.copied().or(joined).map(str::to_owned)
    };
    Flags {
        data_folder: value("--data-dir").map(Into::into),
        config_folder: value("--config-dir").map(Into::into),
        ..Flags::default()
    }
}

/// How the value of an argument is completed.
#[derive(Clone, Copy)]
enum Values {
    Projects,
    Memories,
    Skills,
    Procedures,
    Executions,
    Tools,
    Models,
}

/// The arguments with such values: their command, their id.
const VALUES: [(&[&str], &str, Values); 21] = [
    (&[], "project", Values::Projects),
    (&["keys", "generate"], "projects", Values::Projects),
    (&["call"], "tool", Values::Tools),
    (&["memory", "show"], "ids", Values::Memories),
    (&["memory", "edit"], "ids", Values::Memories),
    (&["memory", "erase"], "ids", Values::Memories),
    (&["model", "use"], "name", Values::Models),
    (&["model", "remove"], "name", Values::Models),
    (&["skill", "remove"], "name", Values::Skills),
    (&["skill", "enable"], "name", Values::Skills),
    (&["skill", "disable"], "name", Values::Skills),
    (&["skill", "test"], "name", Values::Skills),
    (&["skill", "update"], "name", Values::Skills),
    (&["skill", "approve"], "skill", Values::Skills),
    (&["skill", "logs"], "skill", Values::Skills),
    (&["procedure", "run"], "name", Values::Procedures),
    (&["procedure", "show"], "name", Values::Procedures),
    (&["procedure", "show"], "execution", Values::Executions),
    (&["procedure", "history"], "name", Values::Procedures),
    (&["procedure", "history"], "execution", Values::Executions),
    (&["procedure", "approve"], "execution", Values::Executions),
];

fn with_values(mut command: Command, context: &Arc<CompletionContext>) -> Command {
    for (path, argument, values) in VALUES {
        let context = context.clone();
        let complete = move |current: &OsStr| candidates(values, current, &context);
        command = with_value(command, path, argument, ArgValueCompleter::new(complete));
    }
    command
}

fn with_value(
    command: Command,
    path: &[&str],
    argument: &str,
    completer: ArgValueCompleter,
) -> Command {
    match path {
        // Not mut_arg, which would move it behind the other positional arguments.
        [] => command.mut_args(|each| match each.get_id() == argument {
            true => each.add(completer.clone()),
            false => each,
        }),
        [first, rest @ ..] => command.mut_subcommand(first, |command| {
            with_value(command, rest, argument, completer)
        }),
    }
}

/// The candidates that begin with `current`; none if Mimo cannot be asked.
fn candidates(
    values: Values,
    current: &OsStr,
    context: &CompletionContext,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = all(values, &current, context)
        .unwrap_or_default()
        .into_iter();
    let fitting = all.filter(|(name, _)| name.starts_with(&*current));
    let candidate = |(name, about): (String, String)| {
        let about = printable::line(&about).chars().take(60).collect::<String>();
        let help = (!about.is_empty()).then(|| about.into());
        CompletionCandidate::new(name).help(help)
    };
    fitting.take(COMPLETIONS_MAX).map(candidate).collect()
}

/// Names or ids, each with its description; for projects, those that may match
/// `current`.
fn all(
    values: Values,
    current: &str,
    context: &CompletionContext,
) -> Result<Vec<(String, String)>> {
    let config = Config::load(&context.flags, &context.environment)?;
    let clock = Arc::new(UserClock::default());
    if let Values::Skills = values {
        let names = manifest::names(&config.skills.manifest).unwrap_or_default();
        let named = |name: SkillName| (name.to_string(), String::new());
        return Ok(names.into_iter().map(named).collect());
    }
    if let Values::Models = values {
        let (models, _) = app::models(&config).list()?;
        let named = |model: InstalledModel| (model.header.name, model.header.about);
        return Ok(models.into_iter().map(named).collect());
    }
    if let Values::Tools = values {
        let tools = definitions(&config, clock)?;
        let text = |tool: &Value, key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        let tool = |tool: &Value| (text(tool, "name"), text(tool, "description"));
        return Ok(tools.iter().map(tool).collect());
    }
    // Completing a word must not create a database.
    let store = app::store_as_it_is(&config)?;
    if !store.exists() {
        return Ok(Vec::new());
    }
    match values {
        Values::Memories => {
            let newest = json!({"project": "*", "limit": COMPLETIONS_MAX});
            let found = own_tool("memory_search", newest, &config, clock)?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            let content = |item: &Value| item["content"].as_str().unwrap_or_default().to_owned();
            let item = |item: &Value| (item["id"].to_string(), content(item));
            Ok(items.iter().map(item).collect())
        }
        Values::Projects => {
            let query = NamesQuery {
                kind: NameKind::Project,
                reach: config.grants().reach,
                projects: Vec::new(),
                prefix: current.to_owned(),
                limit: COMPLETIONS_MAX,
            };
            let found = app::run(async move { Ok(store.names(query).await?) })?;
            let shared = [PROJECT_SHARED.to_owned()];
            let names: BTreeSet<String> = found.names.into_iter().chain(shared).collect();
            Ok(names
                .into_iter()
                .map(|name| (name, String::new()))
                .collect())
        }
        _ => {
            let procedures = app::procedures(&config, clock)?;
            let grants = config.grants();
            Ok(app::run(async move {
                if let Values::Procedures = values {
                    let found = procedures.find(&grants, None, COMPLETIONS_MAX).await?;
                    let about = |each: StoredDefinition| (each.name, each.description);
                    return Ok(found.into_iter().map(about).collect());
                }
                let found = procedures
                    .executions(&grants, None, None, COMPLETIONS_MAX)
                    .await?;
                let about = |each: Execution| (each.id, format!("{} in {}", each.name, each.state));
                Ok(found.into_iter().map(about).collect())
            })?)
        }
    }
}
