//! Which commands may run, and with which arguments: each command has its own
//! positive grammar in a file of its own. Arguments are judged as an argv,
//! since no shell exists here. Nothing is started.

mod docker;
mod node;
mod npx;
mod package;
mod python;
mod resolve;
mod uvx;
pub mod version;

pub(super) use resolve::without_dots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::spec::Sandbox;

/// What a command's grammar makes of its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The argv without the program. `\0` in it and in the environment stands
    /// for the skill's private folder; no manifest can hold that character.
    pub arguments: Vec<String>,
    /// What the command's own variables are forced to.
    pub environment: BTreeMap<String, String>,
    /// Files it cannot work without.
    pub read: Vec<PathBuf>,
    /// It is the docker client.
    pub docker: bool,
}

/// Whether the trusted PATH has a program of that name.
type Found<'a> = dyn Fn(&str) -> bool + 'a;
/// A script's path, checked.
type Script<'a> = dyn Fn(&Path) -> Result<PathBuf, Refusal> + 'a;

/// A command as it will be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Absolute; it and everything above it was checked.
    pub path: PathBuf,
    /// What it needs to read beside the default profile.
    pub read: Vec<PathBuf>,
    grammar: Grammar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    Npx,
    Docker,
    Uvx,
    Node,
    Python,
    /// The operator named the program itself and answers for its arguments.
    Free,
}

/// The grammar of what is called `name`, wherever it lies.
fn grammar(name: &str) -> Option<Grammar> {
    let version = |rest: &str| rest.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    Some(match name {
        "npx" | "npx-cli.js" => Grammar::Npx,
        "docker" => Grammar::Docker,
        "uvx" => Grammar::Uvx,
        "node" | "nodejs" => Grammar::Node,
        name if name.strip_prefix("python").is_some_and(version) => Grammar::Python,
        _ => return None,
    })
}

/// Programs that run whatever their arguments say: naming their path in the
/// settings would undo every grammar.
const RUNNERS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "busybox",
    "bun",
    "bunx",
    "csh",
    "dash",
    "deno",
    "doas",
    "env",
    "eval",
    "expect",
    "find",
    "fish",
    "gawk",
    "ksh",
    "lua",
    "make",
    "mawk",
    "mksh",
    "npm",
    "npm-cli.js",
    "nsenter",
    "perl",
    "php",
    "pipx",
    "pnpm",
    "powershell",
    "pwsh",
    "rbash",
    "ruby",
    "script",
    "setsid",
    "sh",
    "ssh",
    "su",
    "sudo",
    "tclsh",
    "tcsh",
    "timeout",
    "toybox",
    "uv",
    "xargs",
    "yarn",
    "zsh",
];

/// Finds `command` where the rules allow it.
pub fn program(command: &str, rules: &Rules) -> Result<Program, Refusal> {
    let refused = |why: String, fix: &str| Err(Refusal::new(Class::Command, why, fix));
    let named = Path::new(command);
    if !named.is_absolute() && command.contains(['/', '\\']) {
        let why = format!("{} is found only from one folder", shown(command));
        return refused(why, "write npx, docker, or the whole path of a program");
    }
    let listed = rules.commands.iter().any(|each| each == command);
    let name = named
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let by_name = named.is_absolute() && rules.commands.iter().any(|each| each == name);
    if !listed && !by_name {
        let fix = format!(
            "the operator may add it to [skills] commands in config.toml; allowed now: {}",
            rules.commands.join(", ")
        );
        return refused(
            format!("the command {} is not allowed", shown(command)),
            &fix,
        );
    }
    let found = match named.is_absolute() {
        true => resolve::file(named, rules, true)?,
        false => resolve::command(command, rules)?,
    };
    // An allowed name stands for the program of the trusted PATH only.
    if named.is_absolute() && !listed && resolve::command(name, rules)?.target != found.target {
        let why = format!(
            "{} is another program than {name} in the trusted PATH",
            shown(command)
        );
        return refused(
            why,
            "write the name alone, or have the operator allow the whole path",
        );
    }
    let target = found
        .target
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if let Some(runner) = [name, target].iter().find(|name| RUNNERS.contains(name)) {
        let why = format!(
            "{} is {runner}, which runs whatever its arguments say",
            shown(command)
        );
        return refused(why, "name the server's own program");
    }
    Ok(Program {
        grammar: grammar(name)
            .or_else(|| grammar(target))
            .unwrap_or(Grammar::Free),
        read: resolve::needs(&found, rules),
        path: found.path,
    })
}

/// Judges `arguments` by the program's grammar. A refusal's path begins at
/// the arguments.
pub fn plan(
    skill: &str,
    program: &Program,
    arguments: &[String],
    (sandbox, declared): (&Sandbox, &[&str]),
    rules: &Rules,
) -> Result<Plan, Refusal> {
    let on_path = |name: &str| resolve::exists(name, rules);
    let script = |path: &Path| {
        resolve::file(path, rules, false)
            .map(|found| found.target)
            .map_err(|mut refusal| {
                refusal.class = Class::Argument;
                refusal
            })
    };
    match program.grammar {
        Grammar::Npx => npx::plan(arguments),
        Grammar::Docker => docker::plan(skill, arguments, sandbox, declared),
        Grammar::Uvx => uvx::plan(arguments, &on_path),
        Grammar::Node => node::plan(arguments, &script),
        Grammar::Python => python::plan(arguments, &script),
        Grammar::Free => Ok(Plan {
            arguments: arguments.to_vec(),
            ..Plan::default()
        }),
    }
}

/// The folders that `program` looks in, as the skill's PATH: its own first.
pub fn search_path(program: &Program, rules: &Rules) -> String {
    let mut seen = BTreeSet::new();
    let own = program.path.parent().map(Path::to_owned);
    let folders = own.into_iter().chain(rules.path.iter().cloned());
    let texts = folders.filter_map(|folder| folder.to_str().map(str::to_owned));
    texts
        .filter(|folder| seen.insert(folder.clone()))
        .collect::<Vec<_>>()
        .join(":")
}

fn forced(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn refused_argument(at: usize, argument: &str, why: &str) -> Refusal {
    // A value joined to a flag may be a secret.
    let name = argument.split('=').next().unwrap_or(argument);
    Refusal::new(
        Class::Argument,
        format!("{} is refused: {why}", shown(name)),
        "leave it out",
    )
    .under(at)
}
