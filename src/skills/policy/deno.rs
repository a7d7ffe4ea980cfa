//! The grammar of deno: `run` with permissions, and one script or one package of the
//! npm registry. The permissions are deno's own and hold within the sandbox.

use std::path::Path;

use super::{CheckScript, Plan, forced, package, refused_argument};
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::spec::{Host, Package, Registry};

const PERMISSIONS: [&str; 7] = ["read", "write", "net", "env", "sys", "run", "ffi"];
/// The same as single letters; `-A` allows all.
const LETTERS: &str = "ARWNES";
const SWITCHES: [&str; 6] = [
    "-q",
    "--quiet",
    "--no-prompt",
    "--no-check",
    "--no-remote",
    "--no-config",
];

const FORCED: &[(&str, &str)] = &[
    // Deno asks a terminal otherwise, and there is none.
    ("DENO_NO_PROMPT", "1"),
    ("DENO_NO_UPDATE_CHECK", "1"),
    // It holds code that later starts run, so no two skills share one.
    ("DENO_DIR", "\0/deno"),
];
/// For an installed package: modules come from its tree, and no settings of a folder
/// above it count.
const INSTALLED: [&str; 2] = ["--no-config", "--node-modules-dir=manual"];

/// The argv that runs a script, or the package.
pub(super) fn plan(arguments: &[String], script: &CheckScript<'_>) -> Result<Plan, Refusal> {
    let environment = forced(FORCED);
    if arguments.first().is_none_or(|verb| verb != "run") {
        return Err(Refusal::new(
            Class::Argument,
            "of deno, skills can use `deno run` only",
            "write [\"run\", \"--allow-net\", \"npm:@scope/package\"]",
        ));
    }
    for (at, argument) in arguments.iter().enumerate().skip(1) {
        if is_permission(argument) || SWITCHES.contains(&argument.as_str()) {
            continue;
        }
        if argument.starts_with('-') {
            return Err(refused_argument(at, argument, why_refused(argument)));
        }
        let options = &arguments[..at];
        if let Some(spec) = argument.strip_prefix("npm:") {
            let spec = spec.strip_prefix('/').unwrap_or(spec);
            let spec = package::npm(spec).map_err(|refusal| refusal.under(at))?;
            let installed = INSTALLED.iter().map(|each| (*each).to_owned());
            return Ok(Plan {
                arguments: arguments[at + 1..].to_vec(),
                environment,
                package: Some(Package {
                    registry: Registry::Npm,
                    name: package::npm_name(&spec).to_owned(),
                    specs: vec![spec],
                    host: Some(Host {
                        arguments: options.iter().cloned().chain(installed).collect(),
                        always: true,
                        ..Host::default()
                    }),
                    ..Package::default()
                }),
                ..Plan::default()
            });
        }
        if argument.contains(':') {
            let why = format!("{} is code of an address", shown(argument));
            let fix = "name a package of the npm registry (npm:@scope/package), or a script by its \
                       absolute path";
            return Err(Refusal::new(Class::Argument, why, fix).under(at));
        }
        let path = script(Path::new(argument)).map_err(|refusal| refusal.under(at))?;
        return Ok(Plan {
            arguments: arguments.to_vec(),
            runs: argument.clone(),
            environment,
            read: vec![path],
            ..Plan::default()
        });
    }
    Err(Refusal::new(
        Class::Argument,
        "deno run needs a script or a package",
        "name a package (npm:@scope/package), or a script by its absolute path",
    ))
}

fn is_permission(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or(argument);
    if argument == "--allow-all" {
        return true;
    }
    let long = name
        .strip_prefix("--allow-")
        .or_else(|| name.strip_prefix("--deny-"));
    if let Some(permission) = long {
        return PERMISSIONS.contains(&permission);
    }
    let letters = name.strip_prefix('-').unwrap_or_default();
    !letters.is_empty() && letters.chars().all(|letter| LETTERS.contains(letter))
}

/// Why an option is refused, for a person who copied it from elsewhere.
fn why_refused(argument: &str) -> &'static str {
    let name = argument.trim_start_matches('-');
    match name.split('=').next().unwrap_or(name) {
        "allow-import" | "I" => "it loads code from other hosts",
        "allow-scripts" => "install scripts run in Mimo's own install, without it",
        "preload" | "require" | "import" | "r" | "import-map" => {
            "it loads code before the script, or other code than it names"
        }
        _ => {
            "only deno's permissions (--allow-.., --deny-.., -A), --quiet, --no-prompt, --no-check, \
             --no-remote and --no-config are allowed before the script"
        }
    }
}
