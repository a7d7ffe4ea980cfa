//! `mimo memory restore`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app;
use crate::cli::output::{Exit, Output, Progress};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::memory::inventory::MemoryId;
use crate::memory::moment::{self, Edge, Here, SpanDirection};

/// Which memories.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory restore 12 15
  mimo memory restore --archived-since 2026-11-20    what cleanups have archived since
  mimo memory restore --archived-since 7d --forgotten --dry-run

A restored memory counts as used, so the next cleanup leaves it. Archived
memories are erased after 90 days (restore_days in config.toml).")]
pub(super) struct Arguments {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "archived_since")]
    ids: Vec<MemoryId>,
    /// Everything that cleanups have archived since a day, a moment, or a span like 7d
    #[arg(long, value_name = "DATE", conflicts_with = "ids")]
    archived_since: Option<String>,
    /// With --archived-since: also what was forgotten on purpose
    #[arg(long, requires = "archived_since")]
    forgotten: bool,
    /// Only list them
    #[arg(long, requires = "archived_since")]
    dry_run: bool,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let reach = &config.grants().reach;
    let here = Here::of(&*clock);
    let memories = app::memories(config, clock)?;
    let ids = match &arguments.archived_since {
        Some(since) => {
            let since = read_since(since, here)?;
            app::run(memories.archived_since(reach, since, arguments.forgotten))?
        }
        None => arguments.ids,
    };
    if arguments.dry_run {
        return match output.json {
            true => output.document(&json!({"dry_run": true, "restored": ids})),
            false => output.print(format!(
                "would restore {}\n",
                counted(ids.len(), "memory", "memories")
            )),
        };
    }
    let progress = Progress::new(output, "memories");
    let total = Some(ids.len() as u64);
    let restored =
        app::run(memories.restore(reach, ids, |done| progress.show(done as u64, total)))?;
    progress.end();
    if output.json {
        let failed = restored.failed.iter();
        let failed: Vec<Value> = failed
            .map(|(id, failure)| json!({"id": id, "error": failure.document()["error"]}))
            .collect();
        output.document(&json!({
            "dry_run": false,
            "restored": restored.restored,
            "unchanged": restored.unchanged,
            "failed": failed,
        }))?;
    } else {
        let mut text = format!(
            "restored {}\n",
            counted(restored.restored.len(), "memory", "memories")
        );
        if !restored.unchanged.is_empty() {
            let count = restored.unchanged.len();
            text.push_str(&format!("left {count} that had not been archived\n"));
        }
        output.print(text)?;
        for (id, failure) in &restored.failed {
            output.print_error(format!("mimo: memory {id}: {}\n", failure.message));
        }
    }
    match restored.failed.is_empty() {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

fn read_since(text: &str, here: Here) -> Result<Timestamp, Failure> {
    moment::read(text, Edge::Start, SpanDirection::Past, here).ok_or_else(|| {
        let why = format!("--archived-since {text:?} is not a day, a time or a span");
        Failure::new(Kind::InvalidArguments, why).hint(moment::FORMS)
    })
}
