//! Finds where a server keeps its data by its variables: in a file of the user's, or,
//! if it would be beside its program, in the skill's private folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::folders::widest;
use crate::skills::env;
use crate::skills::rules::Rules;
use crate::skills::spec::{Grant, Network, Package, Sandbox};

/// Packages that keep their data in their own folder, which is read-only for a skill,
/// unless this variable names another file.
const PACKAGES_WITH_DATA: [(&str, &str, &str); 1] = [(
    "@modelcontextprotocol/server-memory",
    "MEMORY_FILE_PATH",
    "memory.jsonl",
)];

/// What every skill may read or none may have, and where programs, not data, lie.
const NOT_DATA: [&str; 18] = [
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix",
    "/opt",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/run",
    "/Applications",
    "/Library",
    "/System",
    "/private/etc",
];

/// Points a server that keeps its data beside its program to the private folder;
/// returns a note for a person.
pub(super) fn kept_privately(
    package: Option<&Package>,
    entries: &BTreeMap<String, String>,
    environment: &mut BTreeMap<String, String>,
) -> Option<String> {
    let name = &package?.name;
    let (_, variable, file) = PACKAGES_WITH_DATA
        .iter()
        .find(|(keeper, ..)| keeper == name)?;
    match entries.get(*variable).map(String::as_str) {
        None | Some("") => {
            // The launch replaces the NUL by the private folder.
            environment.insert((*variable).to_owned(), format!("\0/{file}"));
            Some(format!(
                "keeps its data in {file} of its private folder; {variable} in env names another \
                 file"
            ))
        }
        Some(text) if text.starts_with('/') || text.contains("${") => None,
        Some(_) => Some(format!(
            "{variable} is a relative path, which is in the folder of the package, where nothing \
             can be written; write an absolute path, or leave it out"
        )),
    }
}

/// The absolute paths that `entries` name, other than the system's.
pub(super) fn named(entries: &BTreeMap<String, String>) -> Vec<(&str, PathBuf)> {
    let paths = entries.iter().filter_map(|(name, text)| {
        let is_path = text.starts_with('/') && !text.contains(['\0', '\n']);
        let path = PathBuf::from(text);
        let is_own = !NOT_DATA.iter().any(|system| path.starts_with(system));
        let is_there = path.exists() || path.parent().is_some_and(Path::is_dir);
        (is_path && is_own && is_there && !text.contains("${")).then_some((name.as_str(), path))
    });
    paths.collect()
}

/// Whether `entries` are those of a server that works over the network: an address, or
/// the key to a service.
pub(super) fn is_remote(entries: &BTreeMap<String, String>) -> bool {
    let mut entries = entries.iter();
    entries.any(|(name, value)| env::names_secret(name) || value.contains("://"))
}

/// The possible grants for the paths of `named`.
pub(super) fn grants(named: &[(&str, PathBuf)], rules: &Rules) -> Vec<Grant> {
    let folders = named.iter().filter_map(|(_, path)| place(path));
    folders
        .filter_map(|path| widest(&path, rules).ok())
        .collect()
}

/// The grant for `path`: its folder if the file has that for itself, because servers
/// write a new file beside the old one and rename it; otherwise the file alone.
fn place(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let (parent, name) = (path.parent()?, path.file_name()?);
    let is_its = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let other = entry.file_name();
            let other = other.as_encoded_bytes();
            other.starts_with(name.as_encoded_bytes())
        })
    };
    match fs::read_dir(parent).ok()?.all(is_its) {
        true => Some(parent.to_owned()),
        false => path.is_file().then(|| path.to_owned()),
    }
}

/// Which paths of `named` the skill cannot use, or only in part, and how to grant them.
pub(super) fn lacking(named: &[(&str, PathBuf)], sandbox: &Sandbox) -> Vec<String> {
    let lacks = |(variable, path): &(&str, PathBuf)| {
        let given =
            |grant: &&Grant| path.starts_with(&grant.asked) || path.starts_with(&grant.path);
        let grant = sandbox.grants.iter().find(given);
        let is_alone = grant.is_some_and(|grant| {
            grant.writable && !path.is_dir() && (grant.asked == *path || grant.path == *path)
        });
        let why = match (grant, is_alone) {
            (Some(_), true) => {
                "the skill may change this file but make none beside it, which some servers need \
                 in order to save"
            }
            (Some(_), false) => return None,
            (None, _) => "the skill may not use it",
        };
        let (folder, advice) = match path.is_dir() {
            true => (path.as_path(), "grant it"),
            false => (
                path.parent()?,
                "give the file a folder of its own and grant that folder",
            ),
        };
        let mut fix = json!({"fs": {"write": [folder]}});
        if sandbox.network != Network::None {
            fix["network"] = "outbound".into();
        }
        Some(format!(
            "{variable} names {}, and {why}; {advice}: \"sandbox\": {fix} in its entry, or --write \
             with `mimo skill add`",
            path.display()
        ))
    };
    named.iter().filter_map(lacks).collect()
}
