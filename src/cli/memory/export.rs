//! `mimo memory export`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::files::{ExportLines, export_projects};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
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

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock)?;
    let projects = export_projects(config, arguments.all);
    let lines = ExportLines::open(arguments.output.clone())?;
    let written = lines.clone();
    let exported = app::run(memories.export(
        ProjectSet::readable(&config.grants().reach, &projects),
        move |line: &str| written.write(line),
    ));
    // The first line is a header, not a memory.
    let count = lines.count().saturating_sub(1);
    let Some(file) = lines.finish(exported.map_err(Into::into))? else {
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
