//! `mimo memory erase`.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use memchr::memmem::Finder;
use serde_json::json;

use crate::app;
use crate::cli::backup;
use crate::cli::output::{Output, Progress, truncate};
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::files::with_ending;
use crate::limits;
use crate::memory::Memories;
use crate::memory::inventory::MemoryId;
use crate::printable;
use crate::store::memory::Memory;

/// Which memories.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory erase 12 15
  mimo memory erase --query hunter22     every memory whose text holds it, forgotten ones too
  mimo memory erase --forgotten          what was forgotten on purpose

It shows the memories, with the older versions that they replaced, and asks. They
leave every table, index and log of the database, which is rewritten; nothing brings
them back. Backups are only named: delete those that still hold them.")]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Only list them
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// Their ids
    #[arg(value_name = "ID")]
    ids: Vec<MemoryId>,
    /// Every memory whose text, or an earlier one, contains this
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Every memory that was forgotten on purpose
    #[arg(long)]
    forgotten: bool,
    /// Only rewrite the file without what was erased before
    #[arg(long)]
    compact: bool,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock)?;
    if arguments.selection.compact {
        let emptied = app::run(memories.compact())?;
        return match output.json {
            true => output.document(&json!({"log_emptied": emptied})),
            false => output.print(format!("rewrote the file\n{}", log_note(emptied, config))),
        };
    }
    let reach = config.grants().reach;
    let ids = wanted(&memories, &arguments.selection)?;
    let found = app::run(memories.erasable(&reach, &ids))?;
    let typed = arguments.selection.query.as_deref().map(str::trim);
    if arguments.dry_run || found.is_empty() {
        let traces = match typed {
            Some(typed) => app::run(memories.traces(typed))?,
            None => Vec::new(),
        };
        // The memories to be erased are listed themselves.
        let goes = |trace: &String| {
            let is_of = |memory: &Memory| trace.ends_with(&format!("memory {}", memory.id));
            found.iter().any(is_of)
        };
        let traces: Vec<String> = traces.into_iter().filter(|trace| !goes(trace)).collect();
        return match output.json {
            true => output.document(&json!({
                "dry_run": arguments.dry_run,
                "erased": found.iter().map(|memory| memory.id).collect::<Vec<_>>(),
                "also_in": traces,
            })),
            false if found.is_empty() => {
                output.print(format!("no such memory\n{}", also_in(&traces)))
            }
            false => output.print(format!("{}{}", listed(&found, output), also_in(&traces))),
        };
    }
    if !arguments.yes && !confirm(&found, output)? {
        return Err(Failure::new(Kind::Cancelled, "nothing was erased").into());
    }
    let progress = Progress::new(output, "memories");
    let total = Some(found.len() as u64);
    let erased = app::run(memories.erase(&reach, &ids, typed, |done| {
        progress.show(done as u64, total);
    }));
    progress.end();
    let erased = erased?;
    let files = files_holding(config, &erased.texts);
    if output.json {
        let files: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return output.document(&json!({
            "dry_run": false,
            "erased": erased.ids,
            "log_emptied": erased.log_emptied,
            "also_in": erased.traces,
            "files": files,
        }));
    }
    let mut text = format!(
        "erased {} for good\n{}",
        counted(erased.ids.len(), "memory", "memories"),
        log_note(erased.log_emptied, config)
    );
    text.push_str(&also_in(&erased.traces));
    if !files.is_empty() {
        text.push_str("these files still hold the text; delete those that you do not need:\n");
    }
    for file in &files {
        text.push_str(&format!("  {}\n", printable::line(&file.to_string_lossy())));
    }
    output.print(text)
}

/// Where the text is stored outside the erased memories.
fn also_in(traces: &[String]) -> String {
    let mut text = String::new();
    if !traces.is_empty() {
        text.push_str(
            "the same text is still in what follows, which this command does not erase:\n",
        );
    }
    for trace in traces {
        text.push_str(&format!("  {}\n", printable::line(trace)));
    }
    text
}

fn wanted(memories: &Memories, selection: &Selection) -> Result<Vec<MemoryId>, Failure> {
    if selection.forgotten {
        return app::run(memories.forgotten());
    }
    match selection.query.as_deref().map(str::trim) {
        Some("") => Err(Failure::new(Kind::InvalidArguments, "--query is blank")
            .hint("write a part of the text that is to go")),
        Some(text) => app::run(memories.containing(text)),
        None => {
            let mut ids = selection.ids.clone();
            ids.sort_unstable();
            ids.dedup();
            Ok(ids)
        }
    }
}

fn listed(memories: &[Memory], output: &Output) -> String {
    let mut text = format!(
        "{} would be erased for good:\n",
        counted(memories.len(), "memory", "memories")
    );
    for memory in memories {
        let content = printable::line(&memory.content);
        let state = memory.state.name();
        let line = format!("{:>8}  {state:<10}  {content}", memory.id);
        text.push_str(&truncate(&line, output.columns));
        text.push('\n');
    }
    text
}

/// Shows the memories and asks a person at the terminal.
fn confirm(memories: &[Memory], output: &Output) -> Result<bool> {
    if !io::stdin().is_terminal() || output.json {
        let message = "nothing was erased: a person decides this, and there is none to ask";
        return Err(Failure::new(Kind::Refused, message)
            .hint("run it in a terminal, or with --yes")
            .into());
    }
    output.print_error(format!(
        "{}Nothing brings them back. Type yes to erase: ",
        listed(memories, output)
    ));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn log_note(emptied: bool, config: &Config) -> &'static str {
    match emptied {
        _ if config.store.url.is_some() => {
            "the server's write-ahead log, replicas and backups hold them until these are recycled \
             or deleted\n"
        }
        true => "",
        false => {
            "the database's log could not be emptied, because another program reads it: close the \
             clients, then run mimo memory erase --compact\n"
        }
    }
}

/// Files in the data folder, with its backups and logs, that hold one of these texts.
fn files_holding(config: &Config, texts: &[String]) -> Vec<PathBuf> {
    let pieces: Vec<&str> = texts.iter().filter_map(|text| piece(text)).collect();
    let finders: Vec<Finder<'_>> = pieces.iter().map(Finder::new).collect();
    let live = ["", "-wal", "-shm"].map(|end| with_ending(&config.database, end));
    let backups = backup::folder(config);
    let mut files = Vec::new();
    for folder in [&config.data_folder, &backups, &config.log_folder()] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let holding = paths
            .filter(|path| path.is_file() && !live.contains(path))
            .filter(|path| holds(path, &finders).unwrap_or(false));
        files.extend(holding);
    }
    files.sort();
    files.dedup();
    files
}

/// A part of a text that is stored in one place in a database, and the same in JSON.
fn piece(content: &str) -> Option<&str> {
    let pieces = content.split(|c: char| c.is_control() || c == '"' || c == '\\');
    let longest = pieces.max_by_key(|piece| piece.len().min(limits::ERASED_PIECE_BYTES_MAX))?;
    let piece = printable::prefix(longest, limits::ERASED_PIECE_BYTES_MAX).trim();
    (piece.len() >= limits::ERASED_TRACE_BYTES_MIN).then_some(piece)
}

fn holds(path: &Path, finders: &[Finder<'_>]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; limits::ERASED_READ_BYTES];
    let mut kept = 0;
    loop {
        let read = file.read(&mut bytes[kept..])?;
        if read == 0 {
            return Ok(false);
        }
        let filled = kept + read;
        if finders
            .iter()
            .any(|finder| finder.find(&bytes[..filled]).is_some())
        {
            return Ok(true);
        }
        // A piece may lie across two reads.
        kept = filled.min(limits::ERASED_PIECE_BYTES_MAX);
        bytes.copy_within(filled - kept..filled, 0);
    }
}
