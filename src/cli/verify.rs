//! `mimo verify`: checks the database or a backup. `--repair` rebuilds derived data
//! first.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::backup;
use super::output::{Exit, Output, Progress, Text};
use crate::app;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::printable::{self, shell_word};
use crate::store::Store;
use crate::store::integrity::{Part, Problem, Report};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo verify                      the database
  mimo verify before-the-move.db   a backup
  mimo verify --repair             rebuild what is derived from memories
  mimo verify --json | jq '.parts[] | select(.problems != [])'

Clients may go on meanwhile. The exit code is 1 where something is wrong.")]
pub(super) struct Arguments {
    /// A backup; without one, the database that is in use
    file: Option<PathBuf>,

    /// Rebuild the keyword index, vectors, codes, features and counts where they are
    /// wrong
    #[arg(long, conflicts_with = "file")]
    repair: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config, output: &Output) -> Result<()> {
    let store = match &arguments.file {
        Some(file) => app::store_in(file)?,
        None => app::store_as_it_is(config)?,
    };
    let place = store.place();
    if !store.exists() {
        let message = format!("there is no database at {place}");
        let hint = "name a file, or the folder of another database with --data-dir";
        return Err(Failure::new(Kind::NotFound, message).hint(hint).into());
    }
    let progress = Progress::new(output, "looking at");
    let mut report = |part| progress.name(part);
    let checked = app::run(async {
        let encoder = app::encoder(config);
        let mended = match arguments.repair {
            true => Some(app::repair(&*store, config, &mut report).await?),
            false => None,
        };
        Ok((mended, store.verify(encoder.model_id(), &mut report).await))
    });
    progress.end();
    let next = next_step(arguments.file.is_some(), &*store, config);
    let (mended, checked) = checked?;
    let report = checked.map_err(|error| Failure::from(error).hint(next.clone()))?;
    let next = (!report.is_whole()).then(|| {
        let can_repair = report.can_repair() && !arguments.repair && arguments.file.is_none();
        let next = match report.damaged_memory() {
            Some(id) if arguments.file.is_none() => format!(
                "read it with `mimo memory show {id}`, then write its text again with `mimo memory \
                 edit {id}` or erase it; or {next}"
            ),
            _ => next,
        };
        match can_repair && config.store.url.is_none() {
            true => format!(
                "`mimo verify --repair` rebuilds what is derived from memories; if that does \
                 not help, {next}"
            ),
            false => next,
        }
    });
    match output.json {
        true => output.document(&document(
            &place,
            &report,
            mended.as_deref(),
            next.as_deref(),
        ))?,
        false => output.print(shown(
            &place,
            &report,
            mended.as_deref(),
            next.as_deref(),
            output,
        ))?,
    }
    match report.is_whole() {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// What to do about a damaged file.
fn next_step(is_backup: bool, store: &dyn Store, config: &Config) -> String {
    if is_backup {
        return "do not rely on this file; make another backup with `mimo backup`".to_owned();
    }
    if config.store.url.is_some() {
        return format!(
            "make a dump of it before anything else, then go back to a backup: {}",
            store.restore_steps()
        );
    }
    let database = config.database.display();
    match newest_backup(&backup::folder(config)) {
        Some(backup) => {
            let backup = shell_word(&backup.to_string_lossy());
            format!(
                "check the newest backup with `mimo verify {backup}`; if that is whole, {}",
                store.restore_steps()
            )
        }
        None => format!(
            "copy {database} somewhere safe before anything else; if you have an older copy, close \
             the clients and run `mimo restore FILE` with it"
        ),
    }
}

/// Names begin with the time, so the last one is the newest.
fn newest_backup(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .max()
}

fn document(place: &str, report: &Report, mended: Option<&[Problem]>, next: Option<&str>) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "what": problem.what,
            "count": problem.count,
            "examples": problem.examples,
        })
    };
    let part = |part: &Part| {
        let problems: Vec<Value> = part.problems.iter().map(problem).collect();
        json!({"name": part.name, "problems": problems})
    };
    let mut document = json!({
        "ok": report.is_whole(),
        "file": place,
        "schema": report.schema,
        "memories": report.memories,
        "parts": report.parts.iter().map(part).collect::<Vec<_>>(),
        "notes": report.notes,
    });
    if let Some(mended) = mended {
        document["mended"] = mended.iter().map(problem).collect();
    }
    if let Some(next) = next {
        document["next"] = json!(next);
    }
    document
}

fn shown(
    place: &str,
    report: &Report,
    mended: Option<&[Problem]>,
    next: Option<&str>,
    output: &Output,
) -> Text {
    let state = match report.is_whole() {
        true => "is whole",
        false => "is not whole",
    };
    let mut text = output.text();
    for problem in mended.unwrap_or_default() {
        text.push(&format!("mended: {}\n", line(problem)));
    }
    if mended.is_some_and(<[Problem]>::is_empty) {
        text.push("nothing needed repair\n");
    }
    text.push(&format!(
        "{} {state}: {}, schema {}\n",
        place,
        counted(report.memories, "memory", "memories"),
        report.schema
    ));
    let width = report.parts.iter().map(|part| part.name.len()).max();
    let width = width.unwrap_or_default();
    for part in &report.parts {
        let (state, color) = match part.problems.is_empty() {
            true => ("ok", 32),
            false => ("wrong", 31),
        };
        text.push(&format!("  {:width$}  ", part.name));
        text.paint(color, state);
        text.push("\n");
        for problem in &part.problems {
            text.push(&format!("    {}\n", line(problem)));
        }
    }
    for note in &report.notes {
        text.push(&format!("note: {note}\n"));
    }
    if let Some(next) = next {
        text.push(&format!("next: {next}\n"));
    }
    text
}

/// A problem in one printable line.
fn line(problem: &Problem) -> String {
    let Problem {
        what,
        count,
        examples,
    } = problem;
    let mut named = examples.join(", ");
    if *count > examples.len() as u64 && !named.is_empty() {
        named.push_str(", ...");
    }
    let line = match named.is_empty() {
        true if *count > 1 => format!("{what} ({count})"),
        true => what.clone(),
        false => format!("{what} ({count}): {named}"),
    };
    printable::line(&line).to_string()
}
