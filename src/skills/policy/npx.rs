//! npx's arguments: which package may be run, and how. What the package does
//! with its own arguments is the sandbox's business.

use super::{Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::Refusal;

/// Switches that change neither what is run nor how. Each stands alone: npm
/// also takes abbreviations, `=` and joined letters, and several of those have
/// run code, so nothing else is understood.
const SWITCHES: &[&str] = &[
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "--offline",
    "--prefer-offline",
];

/// npm may run a package's install scripts before the package itself, print
/// notices to stdout's readers, and take settings from files it finds.
const FORCED: &[(&str, &str)] = &[
    ("npm_config_ignore_scripts", "true"),
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
    ("npm_config_yes", "true"),
    ("npm_config_userconfig", "/dev/null"),
    // Another name of nothing: npm refuses to read one file as both.
    ("npm_config_globalconfig", "/dev/null/none"),
    ("npm_config_cache", "\0/npm"),
    // Else npm retries for longer than a start may take, and never says why.
    ("npm_config_fetch_retries", "1"),
    ("npm_config_fetch_retry_mintimeout", "1000"),
];

/// The argv that runs the package `arguments` name.
pub(super) fn plan(arguments: &[String]) -> Result<Plan, Refusal> {
    let mut argv = vec!["--yes".to_owned()];
    let mut rest = arguments.iter().enumerate();
    let mut ended = false;
    while let Some((at, argument)) = rest.next() {
        if argument == "--" && !ended {
            ended = true;
        } else if !ended && SWITCHES.contains(&argument.as_str()) {
            if !matches!(argument.as_str(), "-y" | "--yes") {
                argv.push(argument.clone());
            }
        } else if argument.starts_with('-') {
            return Err(refused_argument(at, argument, steers(argument)));
        } else {
            let spec = package::npm(argument).map_err(|refusal| refusal.under(at))?;
            argv.push("--".to_owned());
            argv.push(spec);
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                environment: forced(FORCED),
                ..Plan::default()
            });
        }
    }
    Err(package::missing("npx"))
}

/// Why this one is refused, for a person who copied it from somewhere.
fn steers(argument: &str) -> &'static str {
    let name = argument.trim_start_matches('-');
    let name = name.split('=').next().unwrap_or(name);
    match name {
        "c" | "call" | "shell" | "script-shell" => {
            "it hands text to a shell, and no skill gets one"
        }
        "p" | "package" => {
            "with it the next word may be any program of this machine; name the package itself"
        }
        "node-options" | "n" | "node-arg" => "it loads code into Node before the package",
        _ => "only -y, --quiet, --offline and --prefer-offline are understood before the package",
    }
}
