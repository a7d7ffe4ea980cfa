//! `mimo setup` without a client: the clients, their files, and whether Mimo is set up.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::client_files::{command_line, entry_document, parse_failure, places};
use crate::cli::output::{Output, Text};
use crate::clients::file::Settings;
use crate::clients::{Client, FoundEntry};
use crate::config::Environment;
use crate::printable;

/// The state of Mimo in a settings file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum EntryState {
    NoFile,
    NotSetUp,
    /// It starts this program.
    SetUp,
    /// It names a Mimo over HTTP.
    Remote,
    /// The client has switched it off.
    Off,
    /// It starts another program, or none.
    Other,
    /// It starts a program that does not exist.
    Gone,
    /// The client cannot read the file.
    Broken,
}

impl EntryState {
    const fn name(self) -> &'static str {
        match self {
            EntryState::NoFile => "no file",
            EntryState::NotSetUp => "not set up",
            EntryState::SetUp => "set up",
            EntryState::Remote => "remote",
            EntryState::Off => "off",
            EntryState::Other => "other",
            EntryState::Gone => "gone",
            EntryState::Broken => "broken",
        }
    }

    const fn color(self) -> u8 {
        match self {
            EntryState::NoFile | EntryState::NotSetUp => 0,
            EntryState::SetUp | EntryState::Remote => 32,
            EntryState::Off | EntryState::Other => 33,
            EntryState::Gone | EntryState::Broken => 31,
        }
    }
}

/// One settings file.
pub(in crate::cli) struct Row {
    pub(in crate::cli) client: Client,
    pub(in crate::cli) file: PathBuf,
    pub(in crate::cli) state: EntryState,
    /// The program of its entry, or the problem with the file.
    pub(in crate::cli) why: String,
    found: Option<FoundEntry>,
}

pub(in crate::cli) fn rows(environment: &Environment) -> Vec<Row> {
    let places = places(environment);
    let mut rows = Vec::new();
    for client in Client::ALL {
        if let Some(file) = client.settings(&places) {
            rows.push(row(client, file, environment));
        }
        let folder = environment.current_folder.as_deref();
        let project = folder.and_then(|folder| client.settings_of_project(folder));
        // A project without the file needs no row.
        if let Some(file) = project.filter(|file| file.exists()) {
            let known = rows.iter().any(|row| row.file == file);
            rows.extend((!known).then(|| row(client, file, environment)));
        }
    }
    rows
}

pub(super) fn run(environment: &Environment, output: &Output) -> Result<()> {
    let rows = rows(environment);
    match output.json {
        true => output.document(&json!({
            "clients": rows.iter().map(Row::document).collect::<Vec<_>>()
        })),
        false => output.print(table(&rows, output)),
    }
}

fn row(client: Client, file: PathBuf, environment: &Environment) -> Row {
    let found_there = Settings::read(&file).and_then(|settings| {
        let found = client.find(settings.text());
        let found = found.and_then(|found| {
            // Mimo can read it, but its client ignores all of it.
            client.check_readable(settings.text())?;
            Ok(found)
        });
        let found = found.map_err(|mistake| parse_failure(&settings, &mistake))?;
        Ok((settings.exists(), found))
    });
    let (state, why, found) = match found_there {
        Err(failure) => (EntryState::Broken, failure.message, None),
        Ok((false, _)) => (EntryState::NoFile, String::new(), None),
        Ok((true, None)) => (EntryState::NotSetUp, String::new(), None),
        Ok((true, Some(found))) => {
            let (state, why) = entry_state(&found, environment.executable.as_deref());
            (state, why, Some(found))
        }
    };
    Row {
        client,
        file,
        state,
        why,
        found,
    }
}

fn entry_state(found: &FoundEntry, executable: Option<&Path>) -> (EntryState, String) {
    if let Some((_, url)) = &found.remote {
        let state = match found.is_off {
            true => EntryState::Off,
            false => EntryState::Remote,
        };
        return (state, url.clone());
    }
    let Some(entry) = &found.entry else {
        return (
            EntryState::Other,
            "its entry \"mimo\" starts no program".to_owned(),
        );
    };
    let starts = command_line(entry);
    let program = Path::new(&entry.command);
    // A link to this program counts as the program.
    let is_ours = executable.is_some() && program.canonicalize().ok().as_deref() == executable;
    match (found.is_off, program.is_absolute()) {
        (true, _) => (EntryState::Off, starts),
        (false, true) if is_ours => (EntryState::SetUp, starts),
        (false, true) if !program.exists() => {
            (EntryState::Gone, format!("{starts}, which does not exist"))
        }
        (false, true) => (
            EntryState::Other,
            format!("starts another program: {starts}"),
        ),
        (false, false) => (
            EntryState::Other,
            format!("starts whatever its PATH finds: {starts}"),
        ),
    }
}

impl Row {
    fn document(&self) -> Value {
        let entry = self.found.as_ref().and_then(|found| found.entry.as_ref());
        json!({
            "client": self.client.name(),
            "file": self.file.display().to_string(),
            "state": self.state.name(),
            "why": self.why,
            "entry": entry.map(entry_document),
        })
    }
}

fn table(rows: &[Row], output: &Output) -> Text {
    let mut text = output.text();
    for row in rows {
        text.push(&format!("  {:14}  ", row.client.name()));
        text.paint(row.state.color(), &format!("{:10}", row.state.name()));
        text.push(&format!("  {}\n", row.file.display()));
        if !row.why.is_empty() {
            text.push(&format!("{:30}{}\n", "", printable::quoted(&row.why)));
        }
    }
    text.push("\nmimo setup CLIENT adds it, --remove removes it, --dry-run changes nothing.\n");
    text
}
