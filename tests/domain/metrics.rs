//! What the parts record as metrics. Other tests of this process record too, so
//! only counters are compared, and only by how much they grew at least.

use mimo::memory::retention::Rules;
use mimo::meter;
use serde_json::json;

use crate::memory::retention::Keeper;
use crate::support::tools::Mimo;

/// The value of one series.
fn value(series: &str) -> f64 {
    let text = meter::render();
    let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or_default()
}

/// Runs `work` and asserts by how much series grew.
fn assert_grew(series: &[(&str, f64)], work: impl FnOnce()) {
    let before: Vec<f64> = series.iter().map(|(series, _)| value(series)).collect();
    work();
    for ((series, least), before) in series.iter().zip(before) {
        let grew = value(series) - before;
        assert!(grew >= *least, "{series} grew by {grew}, not by {least}");
    }
}

#[test]
fn storing_and_cleaning_up_are_counted() {
    let mimo = Mimo::new();
    assert_grew(
        &[
            ("mimo_store_seconds_count{op=\"write_memories\"}", 1.0),
            ("mimo_store_seconds_count{op=\"purge\"}", 1.0),
            ("mimo_retention_runs_total", 2.0),
            ("mimo_retention_archived_total{why=\"idle\"}", 1.0),
            ("mimo_retention_archived_total{why=\"beyond\"}", 1.0),
            ("mimo_retention_erased_total", 2.0),
        ],
        || {
            let memory = |(text, importance)| json!({"content": text, "importance": importance});
            let memories = [("idle", 0.1), ("one", 0.8), ("two", 0.9)].map(memory);
            mimo.store(json!(memories));
            mimo.clock.advance_seconds(10 * 24 * 3600);
            let rules = Rules {
                active_max: 1,
                ..Rules::default()
            };
            let keeper = Keeper::of(&mimo, rules);
            keeper.clean();
            // A longer time between cleanups would be taken for a jump of the clock.
            for _ in 0..4 {
                mimo.clock.advance_seconds(25 * 24 * 3600);
                keeper.clean();
            }
        },
    );
}
