//! The grammar of uvx: one package of PyPI. Each skill gets a uv cache of its own.

use super::{OnPath, Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::Refusal;

const SWITCHES: &[&str] = &["-q", "--quiet", "--offline", "--isolated", "--no-progress"];

/// Keeps uv from reading settings files and from downloading interpreters. The
/// cache holds code that later starts run, so no two skills share one.
const FORCED: &[(&str, &str)] = &[
    ("UV_NO_CONFIG", "1"),
    ("UV_NO_PROGRESS", "1"),
    ("UV_PYTHON_DOWNLOADS", "never"),
    ("UV_CACHE_DIR", "\0/uv"),
    ("UV_TOOL_DIR", "\0/uv-tools"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
];

/// The argv that runs a tool. uvx would run a program of the PATH where the package
/// has none of that name, which `on_path` detects.
pub(super) fn plan(arguments: &[String], on_path: &OnPath<'_>) -> Result<Plan, Refusal> {
    let (mut argv, mut from) = (Vec::new(), None);
    let mut rest = arguments.iter().enumerate();
    while let Some((at, argument)) = rest.next() {
        if SWITCHES.contains(&argument.as_str()) {
            argv.push(argument.clone());
        } else if from.is_none() && (argument == "--from" || argument.starts_with("--from=")) {
            let (place, spec) = match argument.strip_prefix("--from=") {
                Some(spec) => (at, spec),
                None => match rest.next() {
                    Some((next, spec)) => (next, spec.as_str()),
                    None => return Err(package::missing("uvx")),
                },
            };
            let spec = package::python(spec).map_err(|refusal| refusal.under(place))?;
            argv.extend(["--from".to_owned(), spec.clone()]);
            from = Some(spec);
        } else if argument.starts_with('-') {
            let why = "only --quiet, --offline, --isolated, --no-progress and --from PACKAGE are \
                       allowed before the package";
            return Err(refused_argument(at, argument, why));
        } else {
            let tool = package::python(argument)
                .and_then(|tool| not_a_local_program(tool, on_path))
                .map_err(|refusal| refusal.under(at))?;
            let name = |spec: &String| package::python_name(spec).to_owned();
            let package = match &from {
                Some(from) => format!("{} {}", name(from), name(&tool)),
                None => name(&tool),
            };
            argv.push(tool);
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                package,
                environment: forced(FORCED),
                ..Plan::default()
            });
        }
    }
    Err(package::missing("uvx"))
}

/// Refuses a tool in whose place uvx could run a program of this machine.
fn not_a_local_program(tool: String, on_path: &OnPath<'_>) -> Result<String, Refusal> {
    let name = package::python_name(&tool);
    // uvx treats names of interpreters specially.
    match name.to_ascii_lowercase().starts_with("python") || on_path(name) {
        true => Err(package::local_program("uvx", name)),
        false => Ok(tool),
    }
}
