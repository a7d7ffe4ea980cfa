//! Resolves a command to a program in a trusted folder: of several, the newest known to
//! be new enough. Versions are read from the disk; a program is never run.

use std::fs;
use std::path::{Path, PathBuf};

use super::resolve::{self, Trusted};
use super::version::{self, Version};
use crate::skills::refusal::{Class, Refusal};
use crate::skills::rules::Rules;

/// Programs that skills are run with.
const PROGRAMS: [&str; 11] = [
    "node", "npx", "npm", "uv", "uvx", "python3", "docker", "bun", "bunx", "pnpm", "deno",
];
/// Programs that stand in for others and need their manager's settings, which the
/// sandbox hides.
const SHIMS: [&str; 6] = ["volta-shim", "mise", "rtx", "asdf", "proto-shim", "snap"];

/// The program called `name`: the newest one where its version matters, else the
/// first in the trusted folders.
pub(super) fn command(name: &str, rules: &Rules) -> Result<Trusted, Refusal> {
    let paths = paths(name, rules);
    if let Some(found) = newest(name, &paths, rules) {
        return Ok(found);
    }
    match paths.first() {
        // The first match counts, trusted or not: going on to the next would run
        // another program than the one a person sees.
        Some(path) => resolve::file(path, rules, true),
        None => {
            let folders: Vec<_> = rules
                .path
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(Refusal::new(
                Class::Command,
                format!("{name} is in none of the folders {}", folders.join(", ")),
                "install it there, run `mimo setup` in a shell that finds it, or have the operator \
                 add its folder to [skills] path in config.toml",
            ))
        }
    }
}

/// Every file called `name`, in the order of the trusted folders, and then what a
/// shell had.
pub(super) fn paths(name: &str, rules: &Rules) -> Vec<PathBuf> {
    let trusted = rules.path.iter().map(|folder| folder.join(name));
    let recorded = rules.recorded.keys().cloned();
    let recorded = recorded.filter(|path| path.file_name().is_some_and(|own| own == name));
    let mut all: Vec<PathBuf> = Vec::new();
    for path in trusted.chain(recorded) {
        if path.symlink_metadata().is_ok() && !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// The newest of `paths` that satisfies the minimum of `name`; the first of them
/// where no version can be read. `None` where `name` has no minimum, and where none
/// of them may be run.
fn newest(name: &str, paths: &[PathBuf], rules: &Rules) -> Option<Trusted> {
    let minimum = version::minimum(name)?;
    let trusted = paths
        .iter()
        .filter_map(|path| resolve::file(path, rules, true).ok());
    let mut best: Option<(u8, Option<Version>, Trusted)> = None;
    for found in trusted {
        let fitness = match version(name, &found, rules) {
            Some(version) if version >= minimum.version => 2,
            None => 1,
            Some(_) => 0,
        };
        // Of those that are not known to fit, the order decides.
        let rank = rank(name, &found, rules).filter(|_| fitness == 2);
        let better = |(known, newest, _): &(u8, Option<Version>, Trusted)| {
            (fitness, rank) > (*known, *newest)
        };
        if best.as_ref().is_none_or(better) {
            best = Some((fitness, rank, found));
        }
    }
    best.map(|(_, _, found)| found)
}

/// What makes one of several programs better. Modules are installed for one Python,
/// so the order of the folders decides there.
fn rank(name: &str, found: &Trusted, rules: &Rules) -> Option<Version> {
    match name {
        "npx" | "npm" => {
            let node = resolve::file(&found.path.with_file_name("node"), rules, true).ok()?;
            version("node", &node, rules)
        }
        name if name.starts_with("python") => None,
        _ => version(name, found, rules),
    }
}

/// The version of a program as far as it is known without running it.
fn version(name: &str, found: &Trusted, rules: &Rules) -> Option<Version> {
    evident(name, found).or_else(|| {
        let printed = rules.recorded.get(&found.path);
        Version::find(printed?)
    })
}

/// The version that names and files beside the program tell.
fn evident(name: &str, found: &Trusted) -> Option<Version> {
    let target = &found.target;
    if matches!(name, "npx" | "npm") {
        let package = target.ancestors().nth(2)?.join("package.json");
        let package: serde_json::Value = serde_json::from_slice(&fs::read(package).ok()?).ok()?;
        return Version::find(package["version"].as_str()?);
    }
    let own = target.file_name()?.to_str()?;
    if let Some(version) = own.strip_prefix("python").and_then(Version::find) {
        return Some(version);
    }
    // `.nvm/versions/node/v22.1.0/bin/node`; a pre-release is not taken for newer.
    let mut folders = target.ancestors().skip(1).filter_map(Path::file_name);
    let named = folders.find_map(|folder| {
        let text = folder.to_str()?;
        let number = text.strip_prefix('v').unwrap_or(text);
        let is_version =
            number.contains('.') && number.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        Version::find(number).filter(|_| is_version)
    });
    named.or_else(|| match name {
        "node" => of_header(
            &target
                .parent()?
                .with_file_name("include/node/node_version.h"),
        ),
        _ => None,
    })
}

fn of_header(path: &Path) -> Option<Version> {
    let text = fs::read_to_string(path).ok()?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let (major, minor) = (
        number("#define NODE_MAJOR_VERSION")?,
        number("#define NODE_MINOR_VERSION")?,
    );
    Version::find(&format!("{major}.{minor}"))
}

/// The programs that a shell with these folders in its PATH runs, outside the trusted
/// folders. Not what a project brings along, since that folder may be granted.
pub(crate) fn of_shell(folders: &[PathBuf], rules: &Rules) -> Vec<PathBuf> {
    let first = |name: &&str| {
        let mut all = folders.iter().map(|folder| folder.join(name));
        let found = all.find_map(|path| {
            let found = resolve::file(&path, rules, true).ok()?;
            (!is_shim(&found) && !is_of_project(&found)).then_some(found.path)
        })?;
        let is_known = rules
            .path
            .iter()
            .any(|folder| found.parent() == Some(folder));
        (!is_known).then_some(found)
    };
    PROGRAMS.iter().filter_map(first).collect()
}

fn is_shim(found: &Trusted) -> bool {
    let target = found.target.file_name().and_then(|name| name.to_str());
    found
        .path
        .parent()
        .is_some_and(|folder| folder.ends_with("shims"))
        || target.is_some_and(|target| SHIMS.contains(&target))
        || found.path.starts_with("/snap/bin")
}

fn is_of_project(found: &Trusted) -> bool {
    let is_environment = |folder: &Path| folder.with_file_name("pyvenv.cfg").exists();
    found.path.parent().is_some_and(is_environment)
        || found
            .path
            .components()
            .any(|part| part.as_os_str() == "node_modules")
}

/// The programs that must be run to learn their version, and the files that each reads.
pub(crate) fn without_version(rules: &Rules) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let unknown = |name: &&str| {
        let found = paths(name, rules).into_iter();
        let found = found.filter_map(|path| resolve::file(&path, rules, true).ok());
        let unknown = found.filter(|found| evident(name, found).is_none());
        unknown
            .map(|found| (found.path.clone(), resolve::needs(&found, rules)))
            .collect::<Vec<_>>()
    };
    let ranked = PROGRAMS
        .iter()
        .filter(|name| version::minimum(name).is_some());
    ranked.flat_map(unknown).collect()
}

/// A program as `mimo doctor` shows it.
pub(crate) struct LocatedProgram {
    pub(crate) path: PathBuf,
    pub(crate) version: Option<Version>,
    /// It was found on the PATH of a shell only.
    pub(crate) of_shell: bool,
}

impl LocatedProgram {
    pub(super) fn new(name: &str, found: &Trusted, rules: &Rules) -> LocatedProgram {
        let mut trusted = rules.path.iter();
        let of_shell = !trusted.any(|folder| {
            resolve::file(&folder.join(name), rules, true)
                .is_ok_and(|other| other.path == found.path)
        });
        LocatedProgram {
            path: found.path.clone(),
            version: version(name, found, rules),
            of_shell,
        }
    }
}
