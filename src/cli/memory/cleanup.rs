//! `mimo memory cleanup`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::app;
use crate::cli::output::{Output, Progress, truncate};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, RetentionSettings};
use crate::diagnostics::counted;
use crate::memory::Memories;

/// Memories of each kind that a dry run shows to a person.
const SHOWN: usize = 10;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory cleanup --dry-run
  mimo memory cleanup

A serving Mimo does this hourly, by the rules of [memory.retention] in config.toml.
Archived memories can be restored (mimo memory restore) until they are erased.
Protected memories are never archived or erased.")]
pub(super) struct Arguments {
    /// Only list what would happen
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let memories = app::memories(config, clock)?;
    if arguments.dry_run {
        return list(&memories, &config.memory.retention, output);
    }
    let progress = Progress::new(output, "memories");
    let report = |done, total| progress.show(done as u64, Some(total as u64));
    let cleaned = app::run(memories.cleanup(report))?;
    progress.end();
    if output.json {
        return output.document(&json!({
            "dry_run": false,
            "archived": {"idle": cleaned.idle, "beyond": cleaned.beyond},
            "erased": cleaned.purged,
            "held": cleaned.held,
            "held_until": cleaned.held_until.map(Timestamp::to_iso),
            "more": cleaned.more,
        }));
    }
    let mut text = format!(
        "archived {}, erased {}\n",
        counted(cleaned.idle + cleaned.beyond, "memory", "memories"),
        cleaned.purged
    );
    if let Some(until) = cleaned.held_until {
        text.push_str(&held(cleaned.held, until));
    }
    if cleaned.more {
        text.push_str("more is due: run it again, or leave it to the next hour\n");
    }
    output.print(text)
}

/// Why memories that are due are not erased, and what to do.
fn held(count: usize, until: Timestamp) -> String {
    format!(
        "kept {} that would be erased: the clock jumped, or no cleanup ran for long. If its \
         time is right now, leave it to the cleanups after {}; otherwise set the clock\n",
        counted(count, "archived memory", "archived memories"),
        until.to_day()
    )
}

fn days(count: u64) -> String {
    counted(count, "day", "days")
}

/// The planned changes, and the memories they affect.
fn list(memories: &Memories, settings: &RetentionSettings, output: &Output) -> Result<()> {
    let due = app::run(memories.due())?;
    let held_until = app::run(memories.erasing_held_until())?;
    let held_until = held_until.filter(|_| !due.expired.is_empty());
    if output.json {
        return output.document(&json!({
            "dry_run": true,
            "archived": {"idle": due.idle, "beyond": due.beyond},
            "erased": due.expired,
            "held_until": held_until.map(Timestamp::to_iso),
            "more": due.more,
        }));
    }
    let mut text = String::new();
    let kinds = [
        (
            &due.idle,
            format!(
                "would be archived: not used for {} and less important than {}, or for {} \
                 and less than {}",
                days(settings.idle_days),
                settings.idle_importance,
                days(settings.minor_days),
                settings.minor_importance
            ),
        ),
        (
            &due.beyond,
            format!(
                "would be archived: more than {} are active",
                settings.active_max
            ),
        ),
        (
            &due.expired,
            format!(
                "would be erased: archived for {}",
                days(settings.restore_days)
            ),
        ),
    ];
    for (ids, what) in kinds {
        if ids.is_empty() {
            continue;
        }
        text.push_str(&format!("{} {what}\n", ids.len()));
        let shown = ids.iter().take(SHOWN).copied().collect();
        for memory in app::run(memories.peek(shown))? {
            let line = memory.content.split_whitespace();
            let line = line.collect::<Vec<_>>().join(" ");
            let line = format!("{:>8}  {:.2}  {line}", memory.id, memory.fields.importance);
            text.push_str(&truncate(&line, output.columns));
            text.push('\n');
        }
        if ids.len() > SHOWN {
            text.push_str(&format!("          and {} more\n", ids.len() - SHOWN));
        }
    }
    if let Some(until) = held_until {
        text.push_str(&held(due.expired.len(), until));
    }
    if due.more {
        text.push_str("and more, which the next run would do\n");
    }
    if text.is_empty() {
        text.push_str("nothing is due\n");
    }
    output.print(text)
}
