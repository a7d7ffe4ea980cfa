//! The grammar of npx: one package of the npm registry. The sandbox contains what
//! the package does with its own arguments.

use super::{Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::Refusal;
use crate::skills::spec::{Package, Registry};

/// How a command names a package of the npm registry and a program of it.
pub(super) struct Form {
    pub(super) command: &'static str,
    /// Options that change neither what runs nor how.
    pub(super) switches: &'static [&'static str],
    /// Why an option is refused, by its name without dashes and value.
    pub(super) why_refused: fn(&str) -> &'static str,
}

/// npm also accepts abbreviations, `=` and joined letters, and several of those have run
/// code, so no other form is allowed.
const NPX: Form = Form {
    command: "npx",
    switches: &[
        "-y",
        "--yes",
        "-q",
        "--quiet",
        "--offline",
        "--prefer-offline",
    ],
    why_refused,
};

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

/// The package, and the argv of its program; with `-p` one of the programs of
/// several packages.
pub(super) fn plan(arguments: &[String]) -> Result<Plan, Refusal> {
    parse(arguments, 0, &NPX)
}

/// The same for `form`, from the argument at `from` on.
pub(super) fn parse(arguments: &[String], from: usize, form: &Form) -> Result<Plan, Refusal> {
    let mut specs: Vec<String> = Vec::new();
    let mut rest = arguments.iter().enumerate().skip(from);
    let mut ended = false;
    while let Some((at, argument)) = rest.next() {
        if argument == "--" && !ended {
            ended = true;
        } else if !ended && form.switches.contains(&argument.as_str()) {
            // They say how packages are fetched, and the command does not run.
        } else if !ended && is_package_flag(argument) {
            let (place, spec) = match argument.split_once('=') {
                Some((_, spec)) => (at, spec),
                None => match rest.next() {
                    Some((next, spec)) => (next, spec.as_str()),
                    None => break,
                },
            };
            specs.push(package::npm(spec).map_err(|refusal| refusal.under(place))?);
        } else if argument.starts_with('-') {
            let name = argument.trim_start_matches('-');
            let name = name.split('=').next().unwrap_or(name);
            return Err(refused_argument(at, argument, (form.why_refused)(name)));
        } else {
            let bin = match specs.is_empty() {
                true => {
                    specs.push(package::npm(argument).map_err(|refusal| refusal.under(at))?);
                    None
                }
                false => Some(package::program(argument).map_err(|refusal| refusal.under(at))?),
            };
            let package = Package {
                registry: Registry::Npm,
                name: package::npm_name(&specs[0]).to_owned(),
                specs,
                bin,
                ..Package::default()
            };
            return Ok(Plan {
                arguments: rest.map(|(_, argument)| argument.clone()).collect(),
                environment: forced(FORCED),
                package: Some(package),
                ..Plan::default()
            });
        }
    }
    Err(package::missing(form.command))
}

fn is_package_flag(argument: &str) -> bool {
    matches!(argument, "-p" | "--package") || argument.starts_with("--package=")
}

/// Why a flag is refused, for a person who copied it from elsewhere.
fn why_refused(name: &str) -> &'static str {
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
