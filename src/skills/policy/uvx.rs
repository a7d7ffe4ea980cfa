//! uvx's arguments: which package of PyPI may be run. Where uv keeps what it
//! fetched is settled here too, apart from every other skill's.

use super::{Found, Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::{Class, Refusal, shown};

const SWITCHES: &[&str] = &["-q", "--quiet", "--offline", "--isolated", "--no-progress"];

/// uv reads settings from files it finds, and fetches interpreters; its cache
/// is code that a later start runs, so each skill has its own.
const FORCED: &[(&str, &str)] = &[
    ("UV_NO_CONFIG", "1"),
    ("UV_NO_PROGRESS", "1"),
    ("UV_PYTHON_DOWNLOADS", "never"),
    ("UV_CACHE_DIR", "\0/uv"),
    ("UV_TOOL_DIR", "\0/uv-tools"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
];

/// The argv that runs the tool `arguments` name. `on_path` says whether the
/// trusted PATH has a program of a name: uvx would run that one where the
/// package brings none of its own.
pub(super) fn plan(arguments: &[String], on_path: &Found<'_>) -> Result<Plan, Refusal> {
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
                       understood before the package";
            return Err(refused_argument(at, argument, why));
        } else {
            let tool = package::python(argument)
                .and_then(|tool| own(tool, on_path))
                .map_err(|refusal| refusal.under(at))?;
            argv.push(tool);
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                environment: forced(FORCED),
                ..Plan::default()
            });
        }
    }
    Err(package::missing("uvx"))
}

/// The tool, if running it cannot run a program of this machine instead.
fn own(tool: String, on_path: &Found<'_>) -> Result<String, Refusal> {
    let name = package::python_name(&tool);
    // uvx has its own meaning for an interpreter's name.
    if !name.to_ascii_lowercase().starts_with("python") && !on_path(name) {
        return Ok(tool);
    }
    Err(Refusal::new(
        Class::Argument,
        format!(
            "{} is a program of this machine, and uvx would run that one",
            shown(name)
        ),
        "name the package's own command",
    ))
}
