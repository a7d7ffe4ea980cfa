//! The default permissions of an entry without `sandbox`: files or network, never both.

use std::path::{Path, PathBuf};

use super::folders::{Access, Asked, allowed};
use crate::skills::rules::Rules;
use crate::skills::spec::Grant;

/// Default permissions, derived from the arguments.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    pub(super) grants: Vec<Grant>,
    pub(super) outbound: bool,
    /// In one line, for a person.
    pub(super) why: String,
}

/// Grants the files and folders that `arguments`, those after the package, name by
/// an absolute path or `~`. Where they name none, it gets outbound network.
pub(super) fn proposed(arguments: &[String], rules: &Rules) -> Proposed {
    let mut proposed = Proposed::default();
    let mut closed = Vec::new();
    for path in arguments
        .iter()
        .filter_map(|argument| named(argument, rules))
    {
        let text = path.to_string_lossy();
        let granted = |access| {
            let asked = Asked {
                text: &text,
                access,
                known: false,
            };
            allowed(&asked, rules)
        };
        match granted(Access::Write).or_else(|_| granted(Access::Read)) {
            Ok(grant) => proposed.grants.push(grant),
            Err(refusal) => closed.push(refusal.reason),
        }
    }
    proposed.outbound = proposed.grants.is_empty() && closed.is_empty();
    proposed.why = match (proposed.outbound, closed.is_empty()) {
        (true, _) => "network and no files, since its arguments name none".to_owned(),
        (false, true) => "the files that its arguments name, and no network".to_owned(),
        (false, false) => format!("no network; not granted: {}", closed.join("; ")),
    };
    proposed
}

/// The file or folder that an argument names, also behind `--flag=`.
fn named(argument: &str, rules: &Rules) -> Option<PathBuf> {
    let text = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with('-') => value,
        _ => argument,
    };
    let path = expanded(text, rules)?;
    path.symlink_metadata().is_ok().then_some(path)
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
