//! For any content, an export of an import equals the first export.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use mimo::clock::FixedClock;
use mimo::memory::portable::Importer;
use mimo::memory::{Memories, Settings};
use mimo::store::ProjectSet;
use mimo::store::sqlite::SqliteStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::random::property;
use crate::support::tools::{NOON, WordCounts};

struct Place {
    memories: Memories,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
        let encoder = Arc::new(WordCounts::default());
        let clock = Arc::new(FixedClock::at(NOON));
        Place {
            memories: Memories::new(Arc::new(store), encoder, clock, Settings::default()),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            _folder: folder,
        }
    }

    fn export(&self) -> Vec<Value> {
        let lines = Arc::new(Mutex::new(Vec::<Value>::new()));
        let kept = lines.clone();
        let take = move |line: &str| {
            let line = serde_json::from_str(line).expect("JSON");
            kept.lock().expect("one at a time").push(line);
            Ok(())
        };
        let exported = self
            .runtime
            .block_on(self.memories.export(ProjectSet::All, take));
        exported.expect("exported");
        let mut lines = lines.lock().expect("all are there").clone();
        let first = lines.remove(0);
        assert_eq!(first["memories"], lines.len());
        lines
    }

    /// How many were created, merged, known.
    fn import(&self, lines: &[Value]) -> [usize; 3] {
        let mut importer = Importer::new("global");
        for line in lines {
            importer.take(line).expect("a memory");
        }
        let import = self
            .memories
            .import(&mut importer, |_| ControlFlow::Continue(()));
        self.runtime.block_on(import).expect("imported");
        let counts = importer.counts;
        [counts.created, counts.merged, counts.known]
    }
}

fn line() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "red apple",
        "Red  apple.",
        "green\npear",
        "blue \u{2028} plum",
        "🍒",
        "new fig",
        "\"\\",
    ]);
    let moment = || {
        let seconds = prop::sample::select(vec![1, 2, 3, 4]);
        seconds.prop_map(|second| format!("2026-11-2{second}T00:00:00.00000{second}Z"))
    };
    let id = || prop::option::of(1..30i64);
    let state = prop::sample::select(vec!["active", "active", "superseded", "archived"]);
    let place = (
        prop::sample::select(vec!["global", "website"]),
        prop::sample::select(vec!["one", "two"]),
        1..5i64,
        prop::option::of(prop::sample::select(vec!["a/b", "c"])),
    );
    let told = (
        0.0..=1.0f64,
        prop::collection::btree_set("[a-cä]", 0..3),
        any::<bool>(),
        0..3u64,
    );
    let times = (
        prop::option::of(moment()),
        prop::option::of(moment()),
        prop::option::of(moment()),
        prop::option::of(moment()),
        prop::option::of(moment()),
    );
    (text, id(), id(), state, place, told, times).prop_map(
        |(text, id, supersedes, state, place, told, times)| {
            let (project, thread, position, topic) = place;
            let (importance, tags, protected, recalls) = told;
            let (created, updated, recalled, until, said) = times;
            let retired = (state != "active").then(|| created.clone()).flatten();
            json!({
                "content": text, "id": id, "supersedes": supersedes, "state": state,
                "project": project, "thread": thread, "position": position, "topic_key": topic,
                "importance": importance, "tags": tags, "protected": protected,
                "recall_count": recalls, "created_at": created, "updated_at": updated,
                "recalled_at": recalled, "valid_until": until, "retired_at": retired,
                "said_at": said,
            })
        },
    )
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn export_is_identical_after_import_anywhere(lines in prop::collection::vec(line(), 1..30)) {
        let first = Place::new();
        let came: usize = first.import(&lines).iter().sum();
        prop_assert_eq!(came, lines.len());
        let all = first.export();

        let other = Place::new();
        prop_assert_eq!(other.import(&all), [all.len(), 0, 0]);
        prop_assert_eq!(&other.export(), &all);
        for place in [&other, &first] {
            prop_assert_eq!(place.import(&all), [0, 0, all.len()]);
            prop_assert_eq!(&place.export(), &all);
        }
    }
}
