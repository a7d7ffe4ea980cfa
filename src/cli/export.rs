//! `mimo export`: memories, graph and procedures of every project in one file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use super::files::ExportWriter;
use super::graph::for_each_line;
use super::import::{ARCHIVE, ARCHIVE_END, ARCHIVE_VERSION};
use super::output::{Output, Progress};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::printable;
use crate::store::ProjectSet;

/// Where to.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo export everything.jsonl
  mimo export - | gzip > everything.jsonl.gz

Each line is a memory, an entity, a triple or a procedure, with its history. `mimo
import` reads it: into an empty folder, that makes the same memories, graph and
procedures again. Runs of procedures stay; `mimo backup` copies them too.")]
pub(super) struct Arguments {
    /// The file (mode 0600), or - for stdout
    file: PathBuf,
}

/// The writer, the lines written and the error that ended the export.
struct Lines {
    writer: Option<ExportWriter>,
    count: u64,
    error: Option<std::io::Error>,
}

impl Lines {
    fn write(&mut self, line: &str) -> Result<(), Failure> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        self.count += 1;
        let written = writer.write(&printable::json(line));
        written.and_then(|()| writer.write("\n")).map_err(|error| {
            self.error = Some(error);
            Failure::new(Kind::Unavailable, "the export was cut off")
        })
    }
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let reach = config.grants().reach;
    let exported_at = clock.now().to_iso_micros();
    let memories = app::memories(config, clock.clone())?;
    let graph = app::graph(config, clock.clone())?;
    let procedures = app::procedures(config, clock)?;
    let path = Some(arguments.file.clone()).filter(|file| file.as_os_str() != "-");
    let lines = Arc::new(Mutex::new(Lines {
        writer: Some(ExportWriter::open(path)?),
        count: 0,
        error: None,
    }));
    let shared = lines.clone();
    let write = move |line: &str| {
        let mut lines = shared.lock().unwrap_or_else(PoisonError::into_inner);
        lines.write(line)
    };
    let progress = Progress::new(output, "lines");
    let mut counts = [0_usize; 4];
    let mut done = 0_u64;
    let mut show = |progress: &Progress| {
        done += 1;
        if done.is_multiple_of(PROGRESS_LINES) {
            progress.show(done, None);
        }
    };
    let exported = (|| -> Result<()> {
        let first =
            json!({"format": ARCHIVE, "version": ARCHIVE_VERSION, "exported_at": exported_at});
        write(&first.to_string())?;
        for line in app::run(procedures.export(&reach))? {
            counts[3] += 1;
            write(&serde_json::to_string(&line).map_err(Failure::internal)?)?;
        }
        for_each_line(&graph, &reach, Vec::new(), |line| {
            counts[if line.is_triple() { 2 } else { 1 }] += 1;
            show(&progress);
            write(&serde_json::to_string(line).map_err(Failure::internal)?)?;
            Ok(true)
        })?;
        let (before, projects) = (count_of(&lines), ProjectSet::readable(&reach, &[]));
        app::run(memories.export(projects, write.clone()))?;
        // Their first line is no memory.
        let memories = count_of(&lines).saturating_sub(before + 1);
        counts[0] = usize::try_from(memories).unwrap_or(usize::MAX);
        let last = json!({"format": ARCHIVE_END, "lines": count_of(&lines).saturating_sub(1)});
        Ok(write(&last.to_string())?)
    })();
    progress.end();
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = lines.error.take() {
        return Err(error.into());
    }
    exported?;
    let closed = lines.writer.take().map(ExportWriter::finish).transpose()?;
    let Some(file) = closed.flatten() else {
        return Ok(());
    };
    let file = file.display().to_string();
    let [memories, entities, triples, procedures] = counts;
    if output.json {
        return output.document(&json!({
            "file": file,
            "memories": memories,
            "entities": entities,
            "triples": triples,
            "procedures": procedures,
        }));
    }
    output.print(format!(
        "{}, {}, {} and {} in {file}\n",
        counted(memories, "memory", "memories"),
        counted(entities, "entity", "entities"),
        counted(triples, "triple", "triples"),
        counted(procedures, "procedure", "procedures"),
    ))
}

/// Lines between two looks at the progress.
const PROGRESS_LINES: u64 = 1_000;

fn count_of(lines: &Mutex<Lines>) -> u64 {
    lines.lock().unwrap_or_else(PoisonError::into_inner).count
}
