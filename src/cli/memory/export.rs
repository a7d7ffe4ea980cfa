//! `mimo memory export`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::files::{Sink, exported};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
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

/// Where the lines go, and what that met.
struct Target {
    sink: Option<Sink>,
    lines: usize,
    met: Option<io::Error>,
}

impl Target {
    fn write(&mut self, line: &str) -> Result<(), Failure> {
        self.lines += 1;
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        let written = sink
            .write(&printable::json(line))
            .and_then(|()| sink.write("\n"));
        written.map_err(|error| {
            self.met = Some(error);
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
    let projects = exported(config, arguments.all);
    let target = Arc::new(Mutex::new(Target {
        sink: Some(Sink::open(arguments.output.clone())?),
        lines: 0,
        met: None,
    }));
    let lines = target.clone();
    let take = move |line: &str| {
        let mut target = lines.lock().unwrap_or_else(PoisonError::into_inner);
        target.write(line)
    };
    let exported = app::run(memories.export(
        ProjectSet::readable(&config.grants().reach, &projects),
        take,
    ));
    let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = target.met.take() {
        return Err(error.into());
    }
    exported?;
    // The first line is no memory.
    let count = target.lines.saturating_sub(1);
    let closed = target.sink.take().map(Sink::close).transpose()?;
    let Some(file) = closed.flatten() else {
        return Ok(());
    };
    match output.json {
        true => output.document(&json!({"file": file.display().to_string(), "memories": count})),
        false => output.print(format!("{count} memories in {}\n", file.display())),
    }
}
