//! Figures over time: the stored data of the last days, and the calls of this process
//! since its start.

use serde_json::{Value, json};

use super::Arguments;
use crate::caller::Grants;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits::{RECORDED_CALLS_MAX, VIEW_DAYS};
use crate::meter::calls::{CALLS, Outcome, Tool};
use crate::meter::history;
use crate::store::InventoryStore;
use crate::store::inventory::Spans;

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

pub(super) async fn show(
    counts: &dyn InventoryStore,
    grants: &Grants,
    arguments: &Arguments<'_>,
) -> Result<Value, Failure> {
    // Days begin at midnight where the browser is.
    let since = Timestamp::from_iso(arguments.required("since")?)
        .ok_or_else(|| Failure::invalid("/since", "since is not a time in RFC 3339".to_owned()))?;
    let spans = Spans {
        since,
        micros: DAY_MICROS,
        count: VIEW_DAYS,
    };
    let activity = counts.activity(&grants.reach, spans).await?;
    let mut document = json!({
        "memories": activity.memories,
        "runs": activity.runs,
        "failed_runs": activity.failed_runs,
        "skill_calls": activity.skill_calls,
        "skill_calls_kept": RECORDED_CALLS_MAX,
    });
    // The calls of all clients, in whatever project.
    if grants.operates {
        document["calls"] = calls();
    }
    Ok(document)
}

fn calls() -> Value {
    let minutes = history::minutes();
    let minutes: Vec<Value> = minutes
        .iter()
        .map(|each| json!([each.calls, each.failed]))
        .collect();
    let tools = Tool::ALL.iter().filter_map(|tool| {
        let count = |outcome: &&Outcome| CALLS.get((*tool, **outcome));
        let all: u64 = Outcome::ALL.iter().map(|each| count(&each)).sum();
        let failed = Outcome::ALL.iter().filter(|each| each.is_failure());
        let failed: u64 = failed.map(|each| count(&each)).sum();
        (all > 0).then(|| json!({"tool": tool.name(), "calls": all, "failed": failed}))
    });
    json!({"minutes": minutes, "tools": tools.collect::<Vec<_>>()})
}
