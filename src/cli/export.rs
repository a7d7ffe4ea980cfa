//! `mimo export`: memories, graph and procedures of every project in one file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::files::ExportLines;
use super::graph::for_each_line;
use super::import::{ARCHIVE, ARCHIVE_END, ARCHIVE_VERSION};
use super::output::{Output, Progress};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::Failure;
use crate::store::ProjectSet;

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

/// Lines between two looks at the progress.
const PROGRESS_LINES: usize = 1_000;

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
    let lines = ExportLines::open(path)?;
    let progress = Progress::new(output, "lines");
    let mut counts = [0_usize; 4];
    let exported = (|| -> Result<()> {
        let first =
            json!({"format": ARCHIVE, "version": ARCHIVE_VERSION, "exported_at": exported_at});
        lines.write(&first.to_string())?;
        for line in app::run(procedures.export(&reach))? {
            counts[3] += 1;
            lines.write(&serde_json::to_string(&line).map_err(Failure::internal)?)?;
        }
        for_each_line(&graph, &reach, Vec::new(), |line| {
            counts[if line.is_triple() { 2 } else { 1 }] += 1;
            if lines.count().is_multiple_of(PROGRESS_LINES) {
                progress.show(lines.count() as u64, None);
            }
            lines.write(&serde_json::to_string(line).map_err(Failure::internal)?)?;
            Ok(true)
        })?;
        let (before, projects) = (lines.count(), ProjectSet::readable(&reach, &[]));
        let written = lines.clone();
        app::run(memories.export(projects, move |line: &str| written.write(line)))?;
        // The first line is a header, not a memory.
        counts[0] = lines.count().saturating_sub(before + 1);
        let last = json!({"format": ARCHIVE_END, "lines": lines.count().saturating_sub(1)});
        Ok(lines.write(&last.to_string())?)
    })();
    progress.end();
    let Some(file) = lines.finish(exported)? else {
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
