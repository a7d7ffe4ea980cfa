//! The result of `mimo setup` for one client, as it is printed.

use serde_json::{Value, json};

use super::adopt;
use crate::cli::client_files::{command_line, entry_document, target_document};
use crate::cli::output::{Output, Text, truncate};
use crate::cli::skill::import::Imported;
use crate::clients::file::Settings;
use crate::clients::lines::{bare, difference};
use crate::clients::{Client, FoundEntry, Target};
use crate::printable;

/// Unchanged lines that are shown on each side of a change.
const CONTEXT_LINES: usize = 2;

/// The outcome, as it is printed.
pub(super) struct SetupResult {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) changed: bool,
    pub(super) dry_run: bool,
    /// The entry now; `None` if it was removed.
    pub(super) target: Option<Target>,
    /// The entry before.
    pub(super) found: Option<FoundEntry>,
    pub(super) difference: Vec<String>,
    /// The kind of place the program is in, if it may vanish.
    pub(super) temporary_location: Option<&'static str>,
    /// Variables of this shell that the entry cannot hold.
    pub(super) secrets: Vec<String>,
    /// The key is sent unencrypted over a network.
    pub(super) unencrypted: bool,
    /// The variable that holds the key of a Mimo over HTTP.
    pub(super) variable: Option<String>,
    /// The client's other servers, if they were adopted.
    pub(super) imported: Option<Imported>,
    /// Adopted servers were put back.
    pub(super) has_copy: bool,
}

impl SetupResult {
    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "ok": true,
            "client": self.client.name(),
            "file": self.settings.path().display().to_string(),
            "changed": self.changed && !self.dry_run,
            "entry": self.target.as_ref().map(target_document),
            "was": self.found.as_ref().map(|found| match &found.entry {
                Some(entry) => entry_document(entry),
                None => json!(found.text),
            }),
        });
        if self.dry_run {
            document["dry_run"] = json!(true);
            document["would_change"] = json!(self.changed);
            document["difference"] = json!(self.difference);
        }
        if let Some(imported) = &self.imported {
            document["adopted"] = imported.document();
        }
        if self.has_copy {
            document["put_back"] = json!(true);
        }
        if let Some(warning) = self.warning() {
            document["warning"] = json!(warning);
        }
        if let Some(next) = self.next() {
            document["next"] = json!(next);
        }
        document
    }

    pub(super) fn push(&self, text: &mut Text, output: &Output) {
        let file = self.settings.path().display();
        let title = self.client.title();
        let summary = match (self.target.is_some(), self.changed, self.dry_run) {
            (true, false, _) => format!("Mimo is set up in {title} already, nothing to change"),
            (false, false, _) => format!("Mimo is not set up in {title}, nothing to remove"),
            (true, true, true) => format!("Mimo would be set up in {title}"),
            (false, true, true) => format!("Mimo would be removed from {title}"),
            (true, true, false) => format!("Mimo is set up in {title}"),
            (false, true, false) => format!("Mimo is removed from {title}"),
        };
        let created = match self.changed && !self.settings.exists() {
            true if self.dry_run => " (to be made)",
            true => " (made)",
            false => "",
        };
        text.push(&format!("{summary}\n  file:   {file}{created}\n"));
        match &self.target {
            Some(Target::Program(entry)) => {
                text.push(&format!("  starts: {}\n", command_line(entry)));
                for (name, value) in &entry.env {
                    let value = value.as_str().unwrap_or_default();
                    text.push(&format!(
                        "  with:   {name}={}, from this shell\n",
                        printable::line(value)
                    ));
                }
            }
            Some(Target::Remote(remote)) => text.push(&format!("  calls:  {}\n", remote.url)),
            None => {}
        }
        if let Some(found) = self.found.as_ref().filter(|_| self.changed) {
            text.push(&format!("  was:    {}\n", printable::quoted(&found.text)));
        }
        for line in &self.difference {
            let color = match line.as_bytes().first() {
                Some(b'-') => 31,
                Some(b'+') => 32,
                _ => 0,
            };
            let line = match output.terminal {
                true => truncate(line, output.columns),
                false => line.clone(),
            };
            text.paint(color, &line);
            text.push("\n");
        }
        if let Some(imported) = &self.imported {
            imported.push(text);
            let taken = imported.taken();
            if taken.contains(&None) {
                text.push(&format!("what was refused stays with {title}\n"));
            }
            if taken.iter().any(Option::is_some) {
                let would = if self.dry_run {
                    "would be kept"
                } else {
                    "is kept"
                };
                let copy = adopt::COPY;
                text.push(&format!("the file as it was {would} as {file}{copy}\n"));
            }
        }
        if self.has_copy {
            let would = if self.dry_run { "would be" } else { "are" };
            text.push(&format!(
                "the servers that Mimo adopted {would} back in the file; skills.json keeps them too\n"
            ));
        }
        if let Some(warning) = self.warning() {
            text.push(&format!("note: {warning}\n"));
        }
        if let Some(next) = self.next() {
            text.push(&format!("next: {next}\n"));
        }
    }

    /// The remaining steps for the person.
    fn next(&self) -> Option<String> {
        let title = self.client.title();
        let is_off = self.found.as_ref().is_some_and(|found| found.is_off) && self.target.is_some();
        if self.dry_run {
            return self
                .changed
                .then(|| "run it without --dry-run to change the file".to_owned());
        }
        match (is_off, self.changed, &self.variable) {
            (true, ..) => Some(format!("it is switched off there: switch it on in {title}")),
            (false, true, Some(variable)) => Some(format!(
                "set {variable} to a key in the environment from which {title} starts, then \
                 restart {title}"
            )),
            (false, true, None) => Some(format!("restart {title}, so that it reads its settings")),
            (false, false, _) => None,
        }
    }

    fn warning(&self) -> Option<String> {
        let passing = self.temporary_location.map(|place| {
            format!(
                "the program is in {place}: once that is cleaned or moved, the client cannot \
                 start it; install Mimo, then run this again with the installed program"
            )
        });
        let secrets = (!self.secrets.is_empty()).then(|| {
            let (names, title) = (self.secrets.join(" and "), self.client.title());
            format!(
                "settings are no place for what {names} holds: set it in the environment from \
                 which {title} starts too"
            )
        });
        let unencrypted = self
            .unencrypted
            .then(|| "without TLS others on the network can read the key: use https".to_owned());
        let warnings: Vec<String> = [passing, secrets, unencrypted]
            .into_iter()
            .flatten()
            .collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}

/// The change, as `diff` would show it.
pub(super) fn difference_lines(old: &str, new: &str) -> Vec<String> {
    let change = difference(old, new);
    let marked = |mark: char, lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| format!("{mark} {}", bare(line)))
            .collect()
    };
    let before = change.before.len().saturating_sub(CONTEXT_LINES);
    let after = change.after.len().min(CONTEXT_LINES);
    [
        marked(' ', &change.before[before..]),
        marked('-', &change.removed),
        marked('+', &change.added),
        marked(' ', &change.after[..after]),
    ]
    .concat()
}
