//! The grammar of npx: one package of the npm registry. The sandbox contains what
//! the package does with its own arguments.

use super::{OnPath, Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::Refusal;

/// Switches that change neither what runs nor how. npm also accepts abbreviations,
/// `=` and joined letters, and several of those have run code, so no other form is
/// allowed.
const SWITCHES: &[&str] = &[
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "--offline",
    "--prefer-offline",
];

/// Keeps npm from running install scripts, printing notices to stdout, and reading
/// settings files.
const FORCED: &[(&str, &str)] = &[
    ("npm_config_ignore_scripts", "true"),
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
    ("npm_config_yes", "true"),
    ("npm_config_userconfig", "/dev/null"),
    // Also missing, but another path: npm refuses one file for both.
    ("npm_config_globalconfig", "/dev/null/none"),
    ("npm_config_cache", "\0/npm"),
    // By default npm retries for longer than a start may take.
    ("npm_config_fetch_retries", "1"),
    ("npm_config_fetch_retry_mintimeout", "1000"),
];

/// The argv that runs a package, or with `-p` one of the programs of packages. npx
/// would run a program of the PATH where they have none of that name, which
/// `on_path` detects.
pub(super) fn plan(arguments: &[String], on_path: &OnPath<'_>) -> Result<Plan, Refusal> {
    let mut argv = vec!["--yes".to_owned()];
    let mut packages: Vec<String> = Vec::new();
    let mut rest = arguments.iter().enumerate();
    let mut ended = false;
    while let Some((at, argument)) = rest.next() {
        if argument == "--" && !ended {
            ended = true;
        } else if !ended && SWITCHES.contains(&argument.as_str()) {
            if !matches!(argument.as_str(), "-y" | "--yes") {
                argv.push(argument.clone());
            }
        } else if !ended && is_package_flag(argument) {
            let (place, spec) = match argument.split_once('=') {
                Some((_, spec)) => (at, spec),
                None => match rest.next() {
                    Some((next, spec)) => (next, spec.as_str()),
                    None => break,
                },
            };
            let spec = package::npm(spec).map_err(|refusal| refusal.under(place))?;
            packages.push(package::npm_name(&spec).to_owned());
            argv.push(format!("--package={spec}"));
        } else if argument.starts_with('-') {
            return Err(refused_argument(at, argument, why_refused(argument)));
        } else {
            let run = match packages.is_empty() {
                true => package::npm(argument),
                false => package::program(argument, on_path),
            };
            let run = run.map_err(|refusal| refusal.under(at))?;
            argv.push("--".to_owned());
            packages.push(package::npm_name(&run).to_owned());
            argv.push(run);
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                package: packages.join(" "),
                environment: forced(FORCED),
                ..Plan::default()
            });
        }
    }
    Err(package::missing("npx"))
}

fn is_package_flag(argument: &str) -> bool {
    matches!(argument, "-p" | "--package") || argument.starts_with("--package=")
}

/// Why a flag is refused, for a person who copied it from somewhere.
fn why_refused(argument: &str) -> &'static str {
    let name = argument.trim_start_matches('-');
    let name = name.split('=').next().unwrap_or(name);
    match name {
        "c" | "call" | "shell" | "script-shell" => {
            "it passes text to a shell, and skills get no shell"
        }
        "node-options" | "n" | "node-arg" => "it loads code into Node before the package",
        _ => {
            "only -y, --quiet, --offline, --prefer-offline and -p PACKAGE are allowed before the \
             package"
        }
    }
}
