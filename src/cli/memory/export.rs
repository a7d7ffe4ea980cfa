//! `mimo memory export`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::files::{ExportWriter, export_projects};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::printable;
use crate::store::ProjectSet;

/// How much, and where to.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory export --all -o memories.jsonl
  mimo memory export --project website | gzip > website.jsonl.gz

Each line is a memory with everything that is kept of it, older versions and
archived ones too; the first line names the format. `mimo memory import` reads
it. The graph has an export of its own.")]
pub(super) struct Arguments {
    /// Write to this file (mode 0600) instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The memories of every project, not only of the current one and `global`
    #[arg(long)]
    all: bool,
}

/// The writer, the lines written and the error that ended the export.
struct ExportState {
    writer: Option<ExportWriter>,
    lines: usize,
    error: Option<io::Error>,
}

impl ExportState {
    fn write(&mut self, line: &str) -> Result<(), Failure> {
        self.lines += 1;
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let written = writer
            .write(&printable::json(line))
            .and_then(|()| writer.write("\n"));
        written.map_err(|error| {
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
    let memories = app::memories(config, clock)?;
    let projects = export_projects(config, arguments.all);
    let state = Arc::new(Mutex::new(ExportState {
        writer: Some(ExportWriter::open(arguments.output.clone())?),
        lines: 0,
        error: None,
    }));
    let shared = state.clone();
    let write_line = move |line: &str| {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.write(line)
    };
    let exported = app::run(memories.export(
        ProjectSet::readable(&config.grants().reach, &projects),
        write_line,
    ));
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.error.take() {
        return Err(error.into());
    }
    exported?;
    // The first line is no memory.
    let count = state.lines.saturating_sub(1);
    let closed = state.writer.take().map(ExportWriter::finish).transpose()?;
    let Some(file) = closed.flatten() else {
        return Ok(());
    };
    match output.json {
        true => output.document(&json!({"file": file.display().to_string(), "memories": count})),
        false => output.print(format!(
            "{} in {}\n",
            counted(count, "memory", "memories"),
            file.display()
        )),
    }
}
