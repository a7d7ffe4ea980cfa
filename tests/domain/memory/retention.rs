//! Retention: each rule at its boundary, protection, erasure, and many memories
//! against a plain model.

use std::collections::BTreeSet;
use std::sync::Arc;

use mimo::clock::{Clock, Timestamp};
use mimo::memory::retention::{CleanupReport, Rules};
use mimo::memory::{Memories, Settings};
use mimo::store::retention::{Due, Run};
use mimo::store::sqlite::SqliteStore;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::support::random::property;
use crate::support::tools::Mimo;

const DAY: i64 = 24 * 3600;

/// Another Mimo on the same file, with these rules.
pub struct Keeper {
    memories: Memories,
    runtime: tokio::runtime::Runtime,
}

impl Keeper {
    pub fn of(mimo: &Mimo, rules: Rules) -> Keeper {
        let store = SqliteStore::start(mimo.folder.path().join("mimo.db")).expect("threads start");
        let settings = Settings {
            retention: rules,
            ..Settings::default()
        };
        let (encoder, clock) = (mimo.encoder.clone(), mimo.clock.clone());
        Keeper {
            memories: Memories::new(Arc::new(store), encoder, clock, settings),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    pub fn due(&self) -> Due {
        self.runtime.block_on(self.memories.due()).expect("known")
    }

    pub fn clean(&self) -> CleanupReport {
        let cleaned = self.runtime.block_on(self.memories.cleanup(|_, _| ()));
        cleaned.expect("cleaned up")
    }

    pub fn hourly(&self) -> Option<CleanupReport> {
        let cleaned = self.runtime.block_on(self.memories.cleanup_hourly());
        cleaned.expect("cleaned up")
    }

    fn last(&self) -> Option<Run> {
        let last = self.runtime.block_on(self.memories.last_cleanup());
        last.expect("known")
    }
}

/// Lets days pass with a cleanup each month, but none on the last day.
pub fn pass(mimo: &Mimo, keeper: &Keeper, days: i64) {
    for day in 1..=days {
        mimo.clock.advance_seconds(DAY);
        if day % 30 == 0 && day < days {
            keeper.clean();
        }
    }
}

pub fn file(mimo: &Mimo) -> Connection {
    Connection::open(mimo.folder.path().join("mimo.db")).expect("opens")
}

pub fn of_importance(mimo: &Mimo, importances: &[f64]) -> Vec<i64> {
    let memory =
        |importance: &f64| json!({"content": format!("of {importance}"), "importance": importance});
    mimo.store(importances.iter().map(memory).collect())
}

pub fn state(mimo: &Mimo, id: i64) -> String {
    let sql = "SELECT state FROM memory WHERE id = ?";
    let state = file(mimo).query_row(sql, [id], |row| row.get(0));
    state.unwrap_or_else(|_| "gone".to_owned())
}

#[test]
fn unused_memory_is_archived_at_its_due_time() {
    let mimo = Mimo::new();
    let stored = mimo.clock.now();
    let ids = of_importance(&mimo, &[0.0, 0.29, 0.3, 0.69, 0.7, 1.0]);
    let keeper = Keeper::of(&mimo, Rules::default());
    let until = |moment: Timestamp| {
        mimo.clock
            .advance_seconds((moment.0 - mimo.clock.now().0) / 1_000_000);
    };
    for (days, idle) in [(7, &ids[..2]), (30, &ids[..4])] {
        until(stored.plus_seconds(days * DAY - 1));
        let earlier = keeper.due();
        assert!(!idle.iter().all(|id| earlier.idle.contains(id)), "{days}");
        until(stored.plus_seconds(days * DAY));
        let due = keeper.due();
        assert_eq!((&due.idle[..], due.more), (idle, false), "{days}");
        assert!(due.beyond.is_empty() && due.expired.is_empty());
    }
    assert_eq!(
        mimo.ids(json!({"limit": 10})).len(),
        6,
        "being due is not being gone"
    );
    let cleaned = keeper.clean();
    assert_eq!((cleaned.idle, cleaned.beyond, cleaned.purged), (4, 0, 0));
    let mut left = mimo.ids(json!({"limit": 10}));
    left.sort_unstable();
    assert_eq!(left, ids[4..], "archived ones leave search at once");
    assert_eq!(
        keeper.clean(),
        CleanupReport::default(),
        "a second time does nothing"
    );
}

#[test]
fn recall_edit_and_restore_count_as_use() {
    let mimo = Mimo::new();
    let ids = of_importance(&mimo, &[0.5, 0.5001, 0.5002, 0.5003]);
    let keeper = Keeper::of(&mimo, Rules::default());
    mimo.clock.advance_seconds(20 * DAY);
    mimo.call(
        "memory_search",
        json!({"query": "of 0.5", "limit": 1, "mode": "keyword"}),
    )
    .expect("recalled");
    mimo.call(
        "memory_edit",
        json!({"action": "update", "ids": [ids[1]], "tags": ["new"]}),
    )
    .expect("changed");
    mimo.call("memory_edit", json!({"action": "forget", "ids": [ids[2]]}))
        .expect("forgotten");
    mimo.call("memory_edit", json!({"action": "restore", "ids": [ids[2]]}))
        .expect("restored");
    // The recall is counted after the answer, with those of the same second.
    let recalled = "SELECT id FROM memory WHERE recalled_at IS NOT NULL";
    let file = file(&mimo);
    let recalled: i64 = mimo.wait(async {
        loop {
            match file.query_row(recalled, [], |row| row.get(0)) {
                Ok(id) => break id,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    mimo.clock.advance_seconds(15 * DAY);
    let due: BTreeSet<i64> = keeper.due().idle.into_iter().collect();
    let mut unused: BTreeSet<i64> = ids.iter().copied().collect();
    for used in [recalled, ids[1], ids[2]] {
        unused.remove(&used);
    }
    assert_eq!(due, unused);
    assert!(due.contains(&ids[3]) || recalled == ids[3]);

    // A restored memory stays at the next run.
    keeper.clean();
    let archived = *due.iter().next().expect("one");
    assert_eq!(state(&mimo, archived), "archived");
    mimo.call(
        "memory_edit",
        json!({"action": "restore", "ids": [archived]}),
    )
    .expect("restored");
    assert!(!keeper.due().idle.contains(&archived));
    keeper.clean();
    assert_eq!(state(&mimo, archived), "active");
}

#[test]
fn over_the_cap_the_least_important_and_longest_unused_go_first() {
    let mimo = Mimo::new();
    let rules = Rules {
        active_max: 3,
        ..Rules::default()
    };
    let keeper = Keeper::of(&mimo, rules);
    let old = of_importance(&mimo, &[0.9, 0.8, 0.75]);
    let oldest = of_importance(&mimo, &[0.7501]);
    assert_eq!(
        keeper.due().beyond,
        [old[2]],
        "all are fresh: only importance counts"
    );
    mimo.clock.advance_seconds(8 * DAY);
    let fresh = of_importance(&mimo, &[0.1, 0.2]);
    let due = keeper.due();
    assert_eq!(
        due.beyond,
        [old[2], oldest[0], old[1]],
        "those just stored go last"
    );
    mimo.call("memory_edit", json!({"action": "protect", "ids": [old[2]]}))
        .expect("protected");
    assert_eq!(keeper.due().beyond, [oldest[0], old[1], old[0]]);
    assert_eq!(keeper.clean().beyond, 3);
    assert_eq!(keeper.due(), Due::default());
    let mut left = mimo.ids(json!({"limit": 10}));
    left.sort_unstable();
    assert_eq!(left, [old[2], fresh[0], fresh[1]]);

    // A restored memory is not the next to be archived.
    mimo.call(
        "memory_edit",
        json!({"action": "restore", "ids": [oldest[0]]}),
    )
    .expect("restored");
    assert_eq!(keeper.due().beyond, [fresh[0]]);
    keeper.clean();
    assert_eq!(state(&mimo, oldest[0]), "active");
}

#[test]
fn long_archived_memory_is_erased_from_every_table() {
    let mimo = Mimo::new();
    mimo.call(
        "graph_update",
        json!({"assert": [{"subject": "thing:lighthouse", "predicate": "near", "object": "city:hull"}]}),
    )
    .expect("asserted");
    let id = mimo.store(
        json!([{"content": "the lighthouse is red", "tags": ["paint"], "topic_key": "paint"}]),
    )[0];
    mimo.call(
        "memory_edit",
        json!({"action": "update", "ids": [id], "content": "the lighthouse is white"}),
    )
    .expect("changed");
    let kept =
        mimo.store(json!([{"content": "hull is a city"}, {"content": "hull has a harbour"}]));
    let edit = |action: &str, id: i64| {
        mimo.call("memory_edit", json!({"action": action, "ids": [id]}))
            .expect(action);
    };
    let older: i64 = file(&mimo)
        .query_row("SELECT supersedes FROM memory WHERE id = ?", [id], |row| {
            row.get(0)
        })
        .expect("an older version");
    // The older version goes first, then the one that replaced it.
    edit("forget", older);
    mimo.clock.advance_seconds(50 * DAY);
    edit("forget", id);
    edit("forget", kept[0]);
    edit("protect", kept[0]);
    edit("protect", kept[1]);
    let keeper = Keeper::of(&mimo, Rules::default());
    pass(&mimo, &keeper, 40);
    assert_eq!(keeper.due().expired, [older]);
    assert_eq!(keeper.clean().purged, 1);
    let supersedes: Option<i64> = file(&mimo)
        .query_row("SELECT supersedes FROM memory WHERE id = ?", [id], |row| {
            row.get(0)
        })
        .expect("still there");
    assert_eq!(supersedes, None, "it replaces nothing any more");
    edit("restore", id);
    edit("forget", id);
    pass(&mimo, &keeper, 90);
    assert_eq!(keeper.due().expired, [id], "a protected one never goes");
    assert_eq!(keeper.clean().purged, 1);
    let file = file(&mimo);
    for (table, column) in [
        ("memory", "id"),
        ("memory_tag", "memory_id"),
        ("memory_words", "rowid"),
        ("memory_vector", "memory_id"),
        ("memory_entity", "memory_id"),
        ("memory_edit", "memory_id"),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} IN (?, ?)");
        let count: i64 = file
            .query_row(&sql, [id, older], |row| row.get(0))
            .expect("counted");
        assert_eq!(count, 0, "{table}");
        let all = format!("SELECT count(*) FROM {table}");
        let all: i64 = file.query_row(&all, [], |row| row.get(0)).expect("counted");
        assert_eq!(
            all > 0,
            table != "memory_tag",
            "{table}: what stays is left"
        );
    }
    let unsound: i64 = file
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .expect("checked");
    assert_eq!(unsound, 0);
    assert_eq!(state(&mimo, kept[0]), "archived");
    let gone = mimo.call("memory_edit", json!({"action": "restore", "ids": [id]}));
    assert_eq!(gone.expect_err("gone for good").kind.name(), "not_found");
}

#[test]
fn one_of_several_processes_cleans_up_each_hour() {
    let mimo = Mimo::new();
    of_importance(&mimo, &[0.2]);
    let (one, other) = (
        Keeper::of(&mimo, Rules::default()),
        Keeper::of(&mimo, Rules::default()),
    );
    assert_eq!(one.last(), None);
    mimo.clock.advance_seconds(8 * DAY);
    let begun = mimo.clock.now();
    assert_eq!(one.hourly().expect("its turn").idle, 1);
    of_importance(&mimo, &[0.21]);
    mimo.clock.advance_seconds(3_598);
    assert_eq!(other.hourly(), None, "another did it less than an hour ago");
    assert_eq!(one.hourly(), None);
    assert_eq!(
        other.clean(),
        CleanupReport::default(),
        "a person may at any time"
    );
    mimo.clock.advance_seconds(3_600);
    assert_eq!(other.hourly(), Some(CleanupReport::default()));
    let last = other.last().expect("a run");
    assert_eq!((last.id, last.idle, last.purged), (3, 0, 0));
    assert_eq!(last.started_at, mimo.clock.now());
    assert_eq!(last.finished_at, Some(mimo.clock.now()));
    let first: (i64, i64) = file(&mimo)
        .query_row(
            "SELECT started_at, idle FROM retention_run WHERE id = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("kept");
    assert_eq!(first, (begun.0, 1), "each run is counted");

    // A clock that was wrong for a while must not stop all cleanups.
    mimo.clock.advance_seconds(-400 * DAY);
    assert!(one.hourly().is_some());
}

/// A memory in the model, with times in days before now.
#[derive(Clone, Debug)]
struct Made {
    importance: f64,
    changed: i64,
    recalled: Option<i64>,
    protected: bool,
    archived: bool,
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let importance = prop::sample::select(vec![0.0, 0.1, 0.29, 0.3, 0.5, 0.69, 0.7, 0.9, 1.0]);
    let days = || prop::sample::select(vec![0i64, 1, 6, 7, 8, 29, 30, 31, 89, 90, 91]);
    let each = (
        importance,
        days(),
        prop::option::of(days()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
    );
    let each = each.prop_map(
        |(importance, changed, recalled, protected, archived)| Made {
            importance,
            changed,
            recalled,
            protected,
            archived,
        },
    );
    // One was written yesterday: if the newest write before the first cleanup is old, the
    // clock may have jumped, and then nothing is erased.
    let yesterday = Made {
        importance: 1.0,
        changed: 1,
        recalled: None,
        protected: true,
        archived: false,
    };
    prop::collection::vec(each, 0..30).prop_map(move |mut all| {
        all.push(yesterday.clone());
        all
    })
}

proptest! {
    #![proptest_config(property(48))]

    /// A cleanup does what the dry run reported, and both follow the rules.
    #[test]
    fn large_cleanup_follows_the_rules(made in made(), active_max in 1..12u64) {
        let mimo = Mimo::new();
        let texts: Vec<String> = (0..made.len()).map(|n| format!("number {n}")).collect();
        let ids = mimo.store_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let now = mimo.clock.now();
        let ago = |days: i64| now.plus_seconds(-days * DAY).0;
        let database = file(&mimo);
        for (id, each) in ids.iter().zip(&made) {
            let state = if each.archived { "archived" } else { "active" };
            let sql = "UPDATE memory SET importance = ?, state = ?, protected = ?, created_at = ?, \
                       updated_at = ?, recalled_at = ? WHERE id = ?";
            let values = params![each.importance, state, each.protected, ago(100),
                ago(each.changed), each.recalled.map(ago), id];
            database.execute(sql, values).expect("made so");
        }
        let keeper = Keeper::of(&mimo, Rules { active_max, ..Rules::default() });
        let due = keeper.due();

        let all = || ids.iter().copied().zip(&made);
        let used = |each: &Made| each.recalled.unwrap_or(i64::MAX).min(each.changed);
        let idle = |each: &Made| {
            let unused = used(each);
            (unused >= 30 && each.importance < 0.7) || (unused >= 7 && each.importance < 0.3)
        };
        let goes = |each: &Made| !each.protected && !each.archived;
        let expected: Vec<i64> = all()
            .filter(|(_, each)| goes(each) && idle(each))
            .map(|(id, _)| id)
            .collect();
        prop_assert_eq!(&due.idle, &expected);
        let expired: BTreeSet<i64> = all()
            .filter(|(_, each)| each.archived && !each.protected && each.changed >= 90)
            .map(|(id, _)| id)
            .collect();
        prop_assert_eq!(due.expired.iter().copied().collect::<BTreeSet<_>>(), expired);
        let active = made.iter().filter(|each| !each.archived).count();
        let excess = (active - due.idle.len()).saturating_sub(active_max as usize);
        let mut others: Vec<(i64, &Made)> = all()
            .filter(|(_, each)| goes(each) && !idle(each))
            .collect();
        others.sort_by(|(a, x), (b, y)| {
            (used(x) < 7).cmp(&(used(y) < 7))
                .then(x.importance.total_cmp(&y.importance))
                .then(used(y).cmp(&used(x)))
                .then(a.cmp(b))
        });
        let beyond: Vec<i64> = others.iter().take(excess).map(|(id, _)| *id).collect();
        prop_assert_eq!(&due.beyond, &beyond);

        let before: Vec<String> = ids.iter().map(|id| state(&mimo, *id)).collect();
        let cleaned = keeper.clean();
        prop_assert_eq!(cleaned.idle, due.idle.len());
        prop_assert_eq!(cleaned.beyond, due.beyond.len());
        prop_assert_eq!(cleaned.purged, due.expired.len());
        for (id, before) in ids.iter().zip(before) {
            let expected = match () {
                () if due.expired.contains(id) => "gone".to_owned(),
                () if due.idle.contains(id) || due.beyond.contains(id) => "archived".to_owned(),
                () => before,
            };
            prop_assert_eq!(state(&mimo, *id), expected);
        }
        prop_assert_eq!(keeper.due(), Due::default());
    }
}

#[test]
fn serving_process_cleans_up_after_its_start_and_creates_no_file() {
    let mimo = Mimo::new();
    of_importance(&mimo, &[0.2]);
    mimo.clock.advance_seconds(8 * DAY);
    let keeper = Keeper::of(&mimo, Rules::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let begun = tokio::time::Instant::now();
        let looks = std::cell::Cell::new(0);
        let keep = keeper.memories.keep_clean(|| {
            looks.set(looks.get() + 1);
            looks.get() > 2
        });
        let cleaned = async {
            loop {
                let last = keeper.memories.last_cleanup().await.expect("known");
                let ended = last.filter(|run| run.finished_at.is_some());
                if let Some(run) = ended {
                    return run;
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        };
        let run = tokio::select! {
            () = keep => unreachable!("it goes on for ever"),
            run = cleaned => run,
        };
        assert_eq!(run.idle, 1);
        let look = mimo::limits::RETENTION_POLL_SECONDS;
        assert!(
            begun.elapsed().as_secs() >= 3 * look,
            "twice there was no file"
        );
    });
}
