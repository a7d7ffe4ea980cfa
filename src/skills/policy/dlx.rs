//! The grammars of `bunx` and `pnpm dlx`: one package of the npm registry. npm installs
//! it, as it does for npx, so neither of the two runs as a package manager.

use super::npx::{self, Form};
use super::{Plan, refused_argument};
use crate::skills::refusal::{Class, Refusal};
use crate::skills::spec::Host;

const BUNX: Form = Form {
    command: "bunx",
    switches: &["-y", "--yes", "--bun", "--silent", "--no-install"],
    why_refused: |_| "only --bun, --silent, --no-install and -p PACKAGE are allowed before the package",
};
const PNPM: Form = Form {
    command: "pnpm dlx",
    switches: &["-s", "--silent"],
    why_refused: |name| match name {
        "c" | "shell-mode" => "it passes text to a shell, and skills get no shell",
        "allow-build" => "install scripts run in Mimo's own install, without it",
        _ => "only --silent and --package=PACKAGE are allowed before the package",
    },
};
/// Keeps bun from fetching what is not installed, and from settings in the folder that
/// it starts in, which can name code to load first.
const BUN: [&str; 2] = ["--no-install", "--config=/dev/null"];

/// The package, run by node; with `--bun` by bun.
pub(super) fn bunx(arguments: &[String]) -> Result<Plan, Refusal> {
    let mut plan = npx::parse(arguments, 0, &BUNX)?;
    let before = &arguments[..arguments.len() - plan.arguments.len()];
    if let Some(package) = plan
        .package
        .as_mut()
        .filter(|_| before.iter().any(|each| each == "--bun"))
    {
        package.host = Some(Host {
            arguments: BUN.map(str::to_owned).to_vec(),
            ..Host::default()
        });
    }
    Ok(plan)
}

/// `dlx` and the package.
pub(super) fn pnpm(arguments: &[String]) -> Result<Plan, Refusal> {
    match arguments.first() {
        Some(verb) if verb == "dlx" => npx::parse(arguments, 1, &PNPM),
        Some(verb) if verb.starts_with('-') => Err(refused_argument(
            0,
            verb,
            "dlx comes first, and its options behind it",
        )),
        _ => Err(Refusal::new(
            Class::Argument,
            "of pnpm, skills can use `pnpm dlx PACKAGE` only",
            "write [\"dlx\", \"@scope/package\"]",
        )),
    }
}
