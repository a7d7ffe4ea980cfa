//! Which commands may run, and with which arguments. Each command has a positive
//! grammar in a file of its own. Arguments are an argv: no shell is involved.

mod candidates;
mod deno;
mod dlx;
mod docker;
mod node;
mod npx;
mod package;
mod python;
mod resolve;
mod text;
mod uvx;
pub(crate) mod version;

pub(crate) use candidates::{LocatedProgram, of_shell, without_version};
pub(super) use resolve::without_dots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::spec::{Package, Registry, Sandbox};

/// The argv that a grammar allows, and what comes with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Without the program. `\0` here and in the environment stands for the skill's
    /// private folder; no manifest can contain that character.
    pub(crate) arguments: Vec<String>,
    /// The script or image: what tells this run from another one of the same
    /// command, as the package does.
    pub(crate) runs: String,
    /// Variables of the command that the manifest cannot override.
    pub(crate) environment: BTreeMap<String, String>,
    /// Files that it must be able to read.
    pub(crate) read: Vec<PathBuf>,
    /// It is the docker client.
    pub(crate) docker: bool,
    /// The package that npx or uvx would run; without the paths of this machine.
    pub(crate) package: Option<Package>,
}

/// Checks a script's path like a program's.
type CheckScript<'a> = dyn Fn(&Path) -> Result<PathBuf, Refusal> + 'a;

/// A command that may run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Program {
    /// Absolute; the file and all folders above it were checked.
    pub(crate) path: PathBuf,
    /// All links followed.
    target: PathBuf,
    /// Paths to read besides the default profile.
    pub(crate) read: Vec<PathBuf>,
    grammar: Grammar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    Npx,
    Bunx,
    Pnpm,
    Deno,
    Docker,
    Uvx,
    Node,
    Python,
    /// The operator allowed the program itself, with any arguments.
    Free,
}

impl Program {
    /// How it finds what it runs.
    pub(crate) fn form(&self) -> &'static str {
        match self.grammar {
            Grammar::Npx => "npx",
            Grammar::Bunx => "bunx",
            Grammar::Pnpm => "pnpm",
            Grammar::Deno => "deno",
            Grammar::Docker => "docker",
            Grammar::Uvx => "uvx",
            Grammar::Node | Grammar::Python | Grammar::Free => "path",
        }
    }
}

/// The grammar of a program by its file name.
fn grammar(name: &str) -> Option<Grammar> {
    let version = |rest: &str| rest.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    Some(match name {
        "npx" | "npx-cli.js" => Grammar::Npx,
        "bunx" => Grammar::Bunx,
        "pnpm" => Grammar::Pnpm,
        "deno" => Grammar::Deno,
        "docker" => Grammar::Docker,
        "uvx" => Grammar::Uvx,
        "node" | "nodejs" => Grammar::Node,
        name if name.strip_prefix("python").is_some_and(version) => Grammar::Python,
        _ => return None,
    })
}

/// Programs that run what their arguments say. They are refused even where the
/// settings name them, because they would undo every grammar.
const RUNNERS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "busybox",
    "bun",
    "csh",
    "dash",
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

/// Whether `text` is a path of Windows, as files of other machines have them.
pub(super) fn is_of_windows(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    (drive && matches!(bytes.get(2), Some(b'\\' | b'/'))) || text.starts_with(r"\\")
}

/// What to write in place of a program that runs others. No setting allows one.
fn in_place_of_shell(command: &str) -> Option<&'static str> {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    if !RUNNERS.contains(&name) && name != "cmd" {
        return None;
    }
    Some(match name {
        "bun" => {
            "write bunx PACKAGE, which the operator may allow in [skills] commands of \
                  config.toml"
        }
        "npm" | "npm-cli.js" | "yarn" => "write npx -y PACKAGE",
        "uv" | "pipx" => "write uvx PACKAGE",
        _ => {
            "no setting allows it; write the program that it starts as the command: `cmd /c npx -y \
              PACKAGE` becomes npx with the arguments -y PACKAGE"
        }
    })
}

/// Finds `command` where the rules allow it.
pub(crate) fn program(command: &str, rules: &Rules) -> Result<Program, Refusal> {
    let refused = |why: String, fix: &str| Err(Refusal::new(Class::Command, why, fix));
    let named = Path::new(command);
    if let Some(fix) = in_place_of_shell(command) {
        let why = format!(
            "{} runs what its arguments say, which Mimo never does",
            shown(command)
        );
        return refused(why, fix);
    }
    if is_of_windows(command) {
        let why = format!("{} is a path of Windows", shown(command));
        return refused(why, "write npx, uvx or docker alone");
    }
    if !named.is_absolute() && command.contains(['/', '\\']) {
        let why = format!("{} is a relative path", shown(command));
        return refused(
            why,
            "write npx, uvx, docker, or the absolute path of a program",
        );
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
        false => candidates::command(command, rules)?,
    };
    // An allowed name stands for the program in the trusted PATH only.
    let is_same = |path: PathBuf| {
        resolve::file(&path, rules, true).is_ok_and(|other| other.target == found.target)
    };
    if named.is_absolute() && !listed && !candidates::paths(name, rules).into_iter().any(is_same) {
        let why = format!(
            "{} is another program than {name} in the trusted PATH",
            shown(command)
        );
        return refused(
            why,
            "write the name alone, or have the operator allow the absolute path",
        );
    }
    let target = found
        .target
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // bunx is bun under a name of its own, which decides what it does.
    let runs = |each: &&&str| RUNNERS.contains(*each) && !(name == "bunx" && **each == "bun");
    if let Some(runner) = [name, target].iter().find(runs) {
        let why = format!(
            "{} is {runner}, which runs anything that its arguments say",
            shown(command)
        );
        return refused(why, "name the server's own program");
    }
    Ok(Program {
        grammar: grammar(name)
            .or_else(|| grammar(target))
            .unwrap_or(Grammar::Free),
        read: resolve::needs(&found, rules),
        target: found.target,
        path: found.path,
    })
}

/// The program that skills use as `name`; the settings need not allow it.
pub(crate) fn locate(name: &str, rules: &Rules) -> Result<LocatedProgram, Refusal> {
    candidates::command(name, rules).map(|found| LocatedProgram::new(name, &found, rules))
}

/// Checks `arguments` against the program's grammar. The path of a refusal is
/// relative to the arguments.
pub(crate) fn plan(
    skill: &str,
    program: &Program,
    arguments: &[String],
    (sandbox, declared): (&Sandbox, &[&str]),
    rules: &Rules,
) -> Result<Plan, Refusal> {
    match program.grammar {
        Grammar::Npx | Grammar::Bunx | Grammar::Pnpm | Grammar::Deno => text::check(arguments)?,
        Grammar::Uvx | Grammar::Docker => text::check(arguments)?,
        Grammar::Node | Grammar::Python | Grammar::Free => {}
    }
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
        Grammar::Bunx => dlx::bunx(arguments),
        Grammar::Pnpm => dlx::pnpm(arguments),
        Grammar::Deno => deno::plan(arguments, &script),
        Grammar::Docker => docker::plan(skill, arguments, sandbox, declared),
        Grammar::Uvx => uvx::plan(arguments),
        Grammar::Node => node::plan(arguments, &script),
        Grammar::Python => python::plan(arguments, &script),
        Grammar::Free => Ok(Plan {
            arguments: arguments.to_vec(),
            ..Plan::default()
        }),
    }
}

/// `package` with the manager and the runtime that come with `program`, or that the
/// trusted folders have where it brings none.
pub(crate) fn with_tools(mut package: Package, program: &Program, rules: &Rules) -> Package {
    let beside = |name: &str| {
        let own = program.path.with_file_name(name);
        resolve::file(&own, rules, true)
            .or_else(|_| candidates::command(name, rules))
            .ok()
    };
    package.read = program.read.clone();
    if let Some(host) = &mut package.host {
        // Called as bunx, bun would take the script for a package.
        host.program = match program.grammar {
            Grammar::Bunx => beside("bun").map(|bun| bun.path),
            _ => None,
        };
        host.program.get_or_insert_with(|| program.path.clone());
    }
    let (manager, runtime) = match package.registry {
        Registry::Npm if program.grammar != Grammar::Npx => {
            let Ok(npx) = candidates::command("npx", rules) else {
                return with_settings(package, rules);
            };
            package.read.extend(resolve::needs(&npx, rules));
            let npm = npm_of(&npx.path, &npx.target, rules);
            let node = resolve::file(&npx.path.with_file_name("node"), rules, true);
            let node = node.or_else(|_| candidates::command("node", rules));
            (npm, node.ok())
        }
        Registry::Npm => {
            let npm = npm_of(&program.path, &program.target, rules);
            (npm, beside("node"))
        }
        Registry::Python => (
            beside("uv").map(|uv| uv.path),
            candidates::command("python3", rules).ok(),
        ),
    };
    if let Some(runtime) = runtime {
        package.read.extend(resolve::needs(&runtime, rules));
        package.runtime = runtime.path;
    }
    package.manager = manager;
    with_settings(package, rules)
}

/// npm's script, by npx.
fn npm_of(path: &Path, target: &Path, rules: &Rules) -> Option<PathBuf> {
    let own = target.with_file_name("npm-cli.js");
    let linked = path.with_file_name("../lib/node_modules/npm/bin/npm-cli.js");
    let mut found = [own, without_dots(&linked)].into_iter();
    let script = found.find_map(|path| resolve::file(&path, rules, false).ok());
    script.map(|script| script.target)
}

fn with_settings(mut package: Package, rules: &Rules) -> Package {
    package.read.extend(rules.certificates());
    package.environment = rules.inherited.clone();
    package.fetching = rules.fetching.clone();
    package
}

/// The skill's PATH: the program's own folder first, then the trusted ones.
pub(crate) fn search_path(program: &Program, rules: &Rules) -> String {
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
