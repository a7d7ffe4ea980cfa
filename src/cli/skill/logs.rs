//! `mimo skill logs`: what skills wrote to stderr, and when they ran; once, or until
//! the reader leaves.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::refusals::report_refusals;
use crate::cli::output::{Exit, Output};
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::platform;
use crate::printable;
use crate::skills::logs::{self, Entry, LogEvent, Reader};
use crate::skills::manifest;
use crate::skills::spec::SkillName;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo skill logs                      the last lines of all skills, by time
  mimo skill logs memory -n 20
  mimo skill logs memory --follow      until Ctrl-C, or until the reader of a pipe leaves
  mimo skill logs --json | jq 'select(.ended)'

Mimo keeps the last 256 to 512 KB of each skill under logs/skills in its data
folder. With --json each entry is a document on a line of its own.")]
pub(super) struct Arguments {
    /// The skill; all where none is named
    #[arg(value_name = "SKILL")]
    skill: Option<String>,
    /// How many entries
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    lines: usize,
    /// Keep printing new entries
    #[arg(long, short = 'f')]
    follow: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config, output: &Output) -> Result<()> {
    let folder = config.skill_log_folder();
    let only = match &arguments.skill {
        Some(name) => Some(find_skill(name, &folder, config, output)?),
        None => None,
    };
    let mut readers = BTreeMap::new();
    let mut entries = read_new(&mut readers, &folder, only.as_ref())?;
    // The times are all of one form, so their texts sort as they do.
    entries.sort_by(|(_, one), (_, other)| one.at.cmp(&other.at));
    let last = entries.len().saturating_sub(arguments.lines);
    print(&entries[last..], output)?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        wait_for_more()?;
        print(&read_new(&mut readers, &folder, only.as_ref())?, output)?;
    }
}

/// Waits before the next poll; ends the command once the reader of stdout has left.
fn wait_for_more() -> Result<()> {
    match platform::stdout_closes_within(limits::SKILL_LOG_POLL_MILLIS)? {
        true => Err(Exit(0).into()),
        false => Ok(()),
    }
}

/// The skill `name`, if it has a log or is in the manifest.
fn find_skill(name: &str, folder: &Path, config: &Config, output: &Output) -> Result<SkillName> {
    let mut names = logs::names(folder).map_err(|error| unreadable(folder, &error))?;
    let find = |names: &[SkillName]| names.iter().find(|each| each.as_str() == name).cloned();
    if let Some(found) = find(&names) {
        return Ok(found);
    }
    let path = &config.skills.manifest;
    let listed =
        manifest::names(path).map_err(|refusals| report_refusals(path, &refusals, output))?;
    if let Some(found) = find(&listed) {
        return Ok(found);
    }
    names.extend(listed);
    names.sort();
    names.dedup();
    let names: Vec<&str> = names.iter().map(SkillName::as_str).collect();
    let failure = Failure::new(Kind::NotFound, format!("there is no skill {name}"));
    let hint = match names.is_empty() {
        true => "no skill has run yet; `mimo skill add --help` shows how to add one".to_owned(),
        false => format!("the skills are {}", names.join(", ")),
    };
    Err(failure.hint(hint).into())
}

/// The new entries of the logs; every entry of a log that was not read before.
fn read_new(
    readers: &mut BTreeMap<SkillName, Reader>,
    folder: &Path,
    only: Option<&SkillName>,
) -> Result<Vec<(SkillName, Entry)>, Failure> {
    let mut found = Vec::new();
    let mut read = || -> io::Result<()> {
        for name in logs::names(folder)? {
            if only.is_some_and(|only| *only != name) {
                continue;
            }
            let entries = match readers.get_mut(&name) {
                Some(reader) => reader.more()?,
                None => {
                    let (reader, entries) = Reader::open(folder, &name)?;
                    readers.insert(name.clone(), reader);
                    entries
                }
            };
            found.extend(entries.into_iter().map(|entry| (name.clone(), entry)));
        }
        Ok(())
    };
    read().map_err(|error| unreadable(folder, &error))?;
    Ok(found)
}

fn unreadable(folder: &Path, error: &io::Error) -> Failure {
    let message = format!("the logs in {} cannot be read: {error}", folder.display());
    Failure::new(Kind::Unavailable, message).hint("check that your account may read them")
}

fn print(entries: &[(SkillName, Entry)], output: &Output) -> Result<()> {
    let mut text = output.text();
    for (name, entry) in entries {
        if output.json {
            let mut document = json!(entry);
            document["skill"] = json!(name.as_str());
            text.push(&printable::json(&document.to_string()));
        } else {
            let (color, shown) = match &entry.event {
                LogEvent::Started(mimo) => (32, format!("started by mimo {mimo}")),
                LogEvent::Line(line) => (0, line.clone()),
                LogEvent::LeftOut(bytes) => (
                    33,
                    format!("({} left out)", counted(*bytes, "byte", "bytes")),
                ),
                LogEvent::Ended(why) => (31, format!("ended: {why}")),
            };
            text.paint(2, &format!("{} {name}[{}]", entry.at, entry.pid));
            text.push(" ");
            text.paint(color, &printable::line(&shown));
        }
        text.push("\n");
    }
    match entries.is_empty() {
        true => Ok(()),
        false => output.print(text),
    }
}
