//! Cleanups by a clock that jumped, and at once.

use mimo::clock::Clock;
use mimo::memory::retention::{CleanupReport, Rules};
use serde_json::json;

use super::retention::{Keeper, file, of_importance, pass, state};
use crate::support::tools::Mimo;

const DAY: i64 = 24 * 3600;

#[test]
fn a_clock_that_jumped_erases_nothing() {
    let mimo = Mimo::new();
    let ids = of_importance(&mimo, &[0.5, 0.6]);
    let keeper = Keeper::of(&mimo, Rules::default());
    for has_run in [false, true] {
        if has_run {
            keeper.clean();
        }
        mimo.call("memory_edit", json!({"action": "forget", "ids": [ids[0]]}))
            .expect("forgotten");
        mimo.clock.advance_seconds(60);
        // A year ahead: what is idle may be restored, what is erased may not.
        mimo.clock.advance_seconds(365 * DAY);
        assert_eq!(keeper.due().expired, [ids[0]]);
        let cleaned = keeper.clean();
        assert_eq!((cleaned.purged, cleaned.held), (0, 1));
        assert!(cleaned.held_until > Some(mimo.clock.now()));
        mimo.clock.advance_seconds(3_601);
        let cleaned = keeper.hourly().expect("it is time");
        assert_eq!((cleaned.purged, cleaned.held), (0, 1), "it is remembered");
        // The clock is set right.
        mimo.clock.advance_seconds(-365 * DAY);
        assert_eq!(keeper.clean().held, 0);
        assert_eq!(state(&mimo, ids[0]), "archived");
        mimo.call("memory_edit", json!({"action": "restore", "ids": [ids[0]]}))
            .expect("restored");
    }
    // A clock that stays ahead counts again after a while.
    mimo.call("memory_edit", json!({"action": "forget", "ids": [ids[0]]}))
        .expect("forgotten");
    mimo.clock.advance_seconds(400 * DAY);
    assert_eq!(keeper.clean().held, 1);
    pass(&mimo, &keeper, 36);
    keeper.clean();
    assert_eq!(state(&mimo, ids[0]), "gone");
}

#[test]
fn concurrent_cleanups_do_each_step_once() {
    let mimo = Mimo::new();
    let texts: Vec<String> = (0..1_200).map(|nth| format!("note {nth}")).collect();
    for texts in texts.chunks(200) {
        mimo.store_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let forget: Vec<i64> = (1..=100).collect();
    mimo.call("memory_edit", json!({"action": "forget", "ids": forget}))
        .expect("forgotten");
    let begun = mimo.clock.now();
    mimo.clock.advance_seconds(91 * DAY);
    for days in [30, 60, 90] {
        let sql = "INSERT INTO retention_run (started_at) VALUES (?)";
        let ran = begun.plus_seconds(days * DAY).0;
        file(&mimo).execute(sql, [ran]).expect("a cleanup");
    }
    let keepers = [(); 2].map(|()| Keeper::of(&mimo, Rules::default()));
    let cleaned = std::thread::scope(|scope| {
        let runs = keepers.map(|keeper| scope.spawn(move || keeper.clean()));
        runs.map(|run| run.join().expect("no panic"))
    });
    let sum = |of: fn(&CleanupReport) -> usize| cleaned.iter().map(of).sum::<usize>();
    assert_eq!((sum(|run| run.idle), sum(|run| run.purged)), (1_100, 100));
}
