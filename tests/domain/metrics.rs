//! What the parts record as metrics. Other tests of this process record too, so
//! only counters are compared, and only by how much they grew at least.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mimo::memory::retention::Rules;
use mimo::meter;
use mimo::store::Store;
use mimo::store::sqlite::SqliteStore;
use serde_json::json;

use crate::memory::retention::Keeper;
use crate::support::WATCHDOG;
use crate::support::tools::Mimo;

/// The value of one series.
pub fn value(series: &str) -> f64 {
    let text = meter::render();
    let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or_default()
}

/// Runs `work` and asserts by how much series grew.
pub fn assert_grew(series: &[(&str, f64)], work: impl FnOnce()) {
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

#[test]
fn a_search_without_the_encoder_is_counted() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "the ferry leaves at noon"}]));
    mimo.encoder.broken.store(true, Ordering::Relaxed);
    assert_grew(&[("mimo_search_degraded_total", 1.0)], || {
        assert_eq!(mimo.ids(json!({"query": "ferry"})).len(), 1);
    });
}

#[test]
fn a_store_that_cannot_be_opened_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::start(folder.path().to_owned()).expect("threads start");
    let errors = ("mimo_store_errors_total{kind=\"unavailable\"}", 1.0);
    assert_grew(&[errors], || {
        assert!(futures::executor::block_on(store.ready()).is_err());
    });
}

#[test]
fn attempts_beside_a_locked_file_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mimo.db");
    let other = rusqlite::Connection::open(&path).expect("a file");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let store = SqliteStore::start(path).expect("threads start");
    let before = value("mimo_store_retries_total");
    let opened = std::thread::spawn(move || futures::executor::block_on(store.ready()));
    let began = Instant::now();
    while value("mimo_store_retries_total") == before {
        assert!(began.elapsed() < WATCHDOG, "no attempt was repeated");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    other.execute_batch("COMMIT").expect("released");
    opened.join().expect("no panic").expect("opened");
}
