//! The default permissions of an entry without `sandbox`: files or network, never both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::data;
use super::folders::{Access, GrantRequest, allowed, widest};
use crate::platform;
use crate::skills::policy::is_of_windows;
use crate::skills::refusal::shown;
use crate::skills::rules::Rules;
use crate::skills::spec::Grant;

/// Default permissions, derived from the arguments.
#[derive(Debug, Default)]
pub(super) struct DefaultPermissions {
    pub(super) grants: Vec<Grant>,
    pub(super) outbound: bool,
    /// One line for a person.
    pub(super) why: String,
}

/// Grants `folder`, and the files and folders that `arguments`, those after the
/// package, name by an absolute path or `~`; also those that `variables` name, unless they
/// are those of a server that needs the network. Without any, it gets outbound network.
pub(super) fn by_default(
    arguments: &[String],
    folder: Option<&Grant>,
    variables: &BTreeMap<String, String>,
    rules: &Rules,
) -> DefaultPermissions {
    let mut defaults = DefaultPermissions {
        grants: folder.cloned().into_iter().collect(),
        ..DefaultPermissions::default()
    };
    let mut closed = Vec::new();
    for path in arguments
        .iter()
        .filter_map(|argument| named(argument, rules))
    {
        match widest(&path, rules) {
            Ok(grant) => defaults.grants.push(grant),
            Err(refusal) => closed.push(refusal.reason),
        }
    }
    let by_arguments = !defaults.grants.is_empty() || !closed.is_empty();
    let kept = match by_arguments || !data::is_remote(variables) {
        true => data::grants(&data::named(variables), rules),
        false => Vec::new(),
    };
    let by_variables = !kept.is_empty();
    defaults.grants.extend(kept);
    defaults.outbound = defaults.grants.is_empty() && closed.is_empty();
    let gone = arguments.iter().find(|argument| is_gone(argument, rules));
    defaults.why = match (defaults.outbound, closed.is_empty()) {
        (true, _) => match gone {
            Some(path) => format!(
                "network and no files: its arguments name {}, which does not exist here; write a \
                 path that does, and it gets that in place of the network",
                shown(path)
            ),
            None => "network and no files, since its arguments name none".to_owned(),
        },
        (false, true) if by_variables && !by_arguments => {
            "the files that its variables name, and no network".to_owned()
        }
        (false, true) if by_variables => {
            "the files that its arguments and variables name, and no network".to_owned()
        }
        (false, true) if folder.is_some() => {
            "the files that its cwd and arguments name, and no network".to_owned()
        }
        (false, true) => "the files that its arguments name, and no network".to_owned(),
        (false, false) => format!("no network; not granted: {}", closed.join("; ")),
    };
    defaults
}

/// The folder of `cwd`, or why the skill cannot start there. An entry with `sandbox`
/// has `decided` its grants; elsewhere the folder becomes one.
pub(super) fn working_folder(
    text: &str,
    decided: Option<&[Grant]>,
    rules: &Rules,
) -> Result<Grant, String> {
    let path = expanded(text, rules);
    let path = path.ok_or_else(|| format!("{} is not an absolute path", shown(text)))?;
    let request = GrantRequest {
        text: &path.to_string_lossy(),
        access: match decided {
            Some(_) => Access::Read,
            None => Access::Write,
        },
        known: decided.is_some(),
    };
    let grant = allowed(&request, rules).map_err(|refusal| refusal.reason)?;
    let found = grant.path.metadata();
    let found = found.map_err(|error| format!("{} cannot be used: {error}", shown(text)))?;
    if !found.is_dir() {
        return Err(format!("{} is not a folder", shown(text)));
    }
    match decided {
        Some(grants) if !grants.iter().any(|each| grant.path.starts_with(&each.path)) => {
            Err(format!(
                "{} is in none of the folders of sandbox.fs; add it there",
                shown(text)
            ))
        }
        None if !platform::is_own(&found) => {
            Err(format!("{} belongs to another account", shown(text)))
        }
        _ => Ok(grant),
    }
}

/// The file or folder that an argument names, also behind `--flag=`.
fn named(argument: &str, rules: &Rules) -> Option<PathBuf> {
    let path = expanded(value(argument), rules)?;
    path.symlink_metadata().is_ok().then_some(path)
}

/// Whether an argument names a file or folder that does not exist; a path of Windows
/// never does.
fn is_gone(argument: &str, rules: &Rules) -> bool {
    let text = value(argument);
    is_of_windows(text) || (expanded(text, rules).is_some() && named(argument, rules).is_none())
}

/// The argument, or what stands after `--flag=`.
fn value(argument: &str) -> &str {
    match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with('-') => value,
        _ => argument,
    }
}

fn expanded(text: &str, rules: &Rules) -> Option<PathBuf> {
    match text.strip_prefix('~') {
        Some("") => rules.home.clone(),
        Some(rest) => Some(rules.home.as_ref()?.join(rest.strip_prefix('/')?)),
        None => Path::new(text).is_absolute().then(|| PathBuf::from(text)),
    }
}

/// `~` at the beginning of an argument means the account's home, not the skill's own
/// folder, which is the server's HOME.
pub(super) fn without_tilde(argument: &str, rules: &Rules) -> String {
    match argument
        .starts_with('~')
        .then(|| expanded(argument, rules))
        .flatten()
    {
        Some(path) => path.to_string_lossy().into_owned(),
        None => argument.to_owned(),
    }
}
