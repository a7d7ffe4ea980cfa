//! Shared by the commands on clients' files: folders, entries as they are shown,
//! and a settings file that cannot be parsed.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::clients::file::Settings;
use crate::clients::{Entry, Places, Remote, Target};
use crate::config::Environment;
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};

pub(super) fn places(environment: &Environment) -> Places {
    let named = |variable: &str| environment.variables.get(variable).map(PathBuf::from);
    Places {
        home: environment.home_folder.clone(),
        settings: environment.settings_folder.clone(),
        claude_code: named("CLAUDE_CONFIG_DIR"),
        codex: named("CODEX_HOME"),
    }
}

pub(super) fn parse_failure(settings: &Settings, mistake: &Diagnostic) -> Failure {
    let path = settings.path().display();
    let separator = if mistake.path.is_empty() { ": " } else { ":" };
    Failure::new(Kind::Refused, format!("{path}{separator}{mistake}")).hint(&mistake.fix)
}

pub(super) fn entry_document(entry: &Entry) -> Value {
    json!({"command": entry.command, "args": entry.args})
}

pub(super) fn target_document(target: &Target) -> Value {
    match target {
        Target::Program(entry) => entry_document(entry),
        Target::Remote(Remote { url, key_variable }) => {
            json!({"url": url, "key_variable": key_variable})
        }
    }
}

/// The entry as a command line for a shell.
pub(super) fn command_line(entry: &Entry) -> String {
    let words = std::iter::once(&entry.command).chain(&entry.args);
    let quoted = words.map(|word| match word.contains(char::is_whitespace) {
        true => format!("{word:?}"),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}
