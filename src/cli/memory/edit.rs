//! `mimo memory edit`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::call;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::Failure;
use crate::memory::inventory::MemoryId;

/// What to change.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory edit 12 --text 'The launch moved to May'
  mimo memory edit 12 15 --tag launch --tag berlin     these tags in place of the others
  mimo memory edit 12 15 --forget                      a soft delete
  mimo memory edit --undo 8c1f..                       take an edit back")]
pub(super) struct Arguments {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "undo")]
    ids: Vec<MemoryId>,
    /// The new text
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The new tags, in place of those that it has
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// From 0 to 1
    #[arg(long, value_name = "NUMBER")]
    importance: Option<f64>,
    /// When it was said or happened: 2026-11-20, yesterday
    #[arg(long, value_name = "DATE")]
    said_at: Option<String>,
    #[command(flatten)]
    action: Action,
    /// The reason, kept in the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
#[group(multiple = false, conflicts_with_all = ["text", "tag", "importance", "said_at"])]
struct Action {
    /// Take them out of searches; --restore brings them back
    #[arg(long)]
    forget: bool,
    /// Bring back what was forgotten or archived
    #[arg(long)]
    restore: bool,
    /// Keep them from cleanups and edits
    #[arg(long)]
    protect: bool,
    /// The opposite of --protect
    #[arg(long)]
    unprotect: bool,
    /// Undo an edit, by the id that it printed
    #[arg(long, value_name = "UNDO_ID", conflicts_with = "ids")]
    undo: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let given = given(arguments)?;
    let answer = call::own_tool("memory_edit", given, config, clock)?;
    if output.json {
        return output.document(&answer);
    }
    let changed = answer["changed"].as_array().map_or(0, Vec::len);
    let changed = counted(changed, "memory", "memories");
    output.print(match (answer["dry_run"] == true, &answer["undo_id"]) {
        (true, _) => format!("{changed} would change\n"),
        (false, Value::String(undo)) => {
            format!("{changed} changed; `mimo memory edit --undo {undo}` takes it back\n")
        }
        _ => format!("{changed} changed\n"),
    })
}

fn given(arguments: Arguments) -> Result<Value, Failure> {
    let action = arguments.action;
    let chosen = [
        (action.forget, "forget"),
        (action.restore, "restore"),
        (action.protect, "protect"),
        (action.unprotect, "unprotect"),
        (action.undo.is_some(), "undo"),
    ];
    let chosen = chosen.iter().find(|(is_chosen, _)| *is_chosen);
    let name = chosen.map_or("update", |(_, name)| name);
    let fields = [
        arguments.text.is_some(),
        arguments.importance.is_some(),
        arguments.said_at.is_some(),
        !arguments.tag.is_empty(),
    ];
    if name == "update" && !fields.contains(&true) {
        return Err(Failure::invalid("", "nothing is to be changed").hint(
            "say what: --text, --tag, --importance, --said-at, --forget, --restore, --protect",
        ));
    }
    Ok(json!({
        "action": name,
        "ids": arguments.ids,
        "content": arguments.text,
        "tags": arguments.tag,
        "importance": arguments.importance,
        "said_at": arguments.said_at,
        "undo_id": action.undo,
        "reason": arguments.reason,
        "dry_run": arguments.dry_run,
    }))
}
