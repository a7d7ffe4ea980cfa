//! The grammar of uvx: one package of PyPI. Each skill gets a uv cache of its own.

use super::{Plan, forced, refused_argument};
use crate::skills::policy::package;
use crate::skills::refusal::Refusal;
use crate::skills::spec::{Package, Registry};

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

/// The package, and the argv of its program.
pub(super) fn plan(arguments: &[String]) -> Result<Plan, Refusal> {
    let mut from = None;
    let mut rest = arguments.iter().enumerate();
    while let Some((at, argument)) = rest.next() {
        if SWITCHES.contains(&argument.as_str()) {
            // They say how uv fetches, and uvx does not run.
        } else if from.is_none() && (argument == "--from" || argument.starts_with("--from=")) {
            let (place, spec) = match argument.strip_prefix("--from=") {
                Some(spec) => (at, spec),
                None => match rest.next() {
                    Some((next, spec)) => (next, spec.as_str()),
                    None => return Err(package::missing("uvx")),
                },
            };
            let spec = package::python(spec).map_err(|refusal| refusal.under(place))?;
            from = Some(spec);
        } else if argument.starts_with('-') {
            let why = "only --quiet, --offline, --isolated, --no-progress and --from PACKAGE are \
                       allowed before the package";
            return Err(refused_argument(at, argument, why));
        } else {
            let tool = package::python(argument).map_err(|refusal| refusal.under(at))?;
            let (spec, bin) = match from {
                Some(spec) => (spec, Some(package::python_name(&tool).to_owned())),
                None => (tool, None),
            };
            let package = Package {
                registry: Registry::Python,
                name: package::python_name(&spec).to_owned(),
                specs: vec![package::python_requirement(&spec)],
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
    Err(package::missing("uvx"))
}
