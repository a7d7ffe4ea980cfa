//! Shared by the commands that edit clients' files: folders, entries as they are shown,
//! and settings files that cannot be parsed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::clients::file::Settings;
use crate::clients::{ClientFolders, Entry, Remote, Target};
use crate::config::Environment;
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};

pub(super) fn places(environment: &Environment) -> ClientFolders {
    let named = |variable: &str| environment.variables.get(variable).map(PathBuf::from);
    ClientFolders {
        home: environment.home_folder.clone(),
        settings: environment.settings_folder.clone(),
        claude_code: named("CLAUDE_CONFIG_DIR"),
        codex: named("CODEX_HOME"),
        continue_: named("CONTINUE_GLOBAL_DIR"),
        goose: named("GOOSE_PATH_ROOT"),
        jan: named("JAN_DATA_FOLDER").or_else(|| {
            let data = named("JAN_DATA_ROOT").or_else(|| environment.programs_data_folder.clone());
            data.map(|data| jan_folder(&data.join("Jan")))
        }),
    }
}

/// Jan's data folder: the one that its user chose, if any.
fn jan_folder(app: &Path) -> PathBuf {
    let chosen = || {
        let settings = Settings::read(&app.join("settings.json")).ok()?;
        let settings: Value = serde_json::from_str(settings.text()).ok()?;
        let folder = PathBuf::from(settings.get("data_folder")?.as_str()?);
        folder.is_absolute().then_some(folder)
    };
    chosen().unwrap_or_else(|| app.join("data"))
}

pub(super) fn parse_failure(settings: &Settings, mistake: &Diagnostic) -> Failure {
    let path = settings.path().display();
    let separator = if mistake.path.is_empty() { ": " } else { ":" };
    Failure::new(Kind::Refused, format!("{path}{separator}{mistake}")).hint(&mistake.fix)
}

pub(super) fn entry_document(entry: &Entry) -> Value {
    let mut document = json!({"command": entry.command, "args": entry.args});
    if !entry.env.is_empty() {
        document["env"] = Value::Object(entry.env.iter().cloned().collect());
    }
    document
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
