//! A transaction that fails at any of its changes leaves everything as it was.

use mimo::caller::Reach;
use mimo::memory::rules::edit::MemoryChange;
use mimo::memory::rules::import::{ImportRecord, import, link};
use mimo::memory::rules::remember::remember;
use mimo::store::memory::Memory;
use mimo::store::retention::ArchiveReason;
use mimo::store::{Store, StoreError};

use crate::Room;
use crate::support::{
    MODEL, an_edit, assert_is_whole, at, everything, fields, indexed, make_edit, new, records,
    store_one, tags, with_topic,
};

/// Everything that a write can change and that can be seen.
#[derive(Debug, PartialEq)]
struct Seen {
    memories: Vec<Memory>,
    edits: usize,
    runs: Option<mimo::store::retention::Run>,
}

async fn seen(store: &dyn Store) -> Seen {
    Seen {
        memories: everything(store).await,
        edits: records(store, "edit").await.len(),
        runs: store.last_run().await.expect("runs"),
    }
}

async fn filled(store: &dyn Store) {
    let mut first = with_topic("global", "first", "key");
    first.fields.tags = tags(&["a", "b"]);
    let batch = vec![first, new("global", "second"), new("global", "third")];
    let stored = remember(store, &Reach::Everything, MODEL, batch, at(0));
    stored.await.expect("stored");
    let forget = an_edit("forget", vec![(3, MemoryChange::Forget)]);
    make_edit(store, forget, at(1)).await.expect("forgotten");
}

const WRITES: usize = 13;

/// The nth of the writes that there are.
async fn write(store: &dyn Store, nth: usize) -> Result<(), StoreError> {
    let everywhere = &Reach::Everything;
    match nth {
        0 => {
            let batch = vec![new("global", "new"), new("global", "newer")];
            remember(store, everywhere, MODEL, batch, at(2))
                .await
                .map(drop)
        }
        1 => {
            let mut merged = new("global", "second");
            merged.fields.tags = tags(&["x", "y"]);
            store_one(store, merged, at(2)).await.map(drop)
        }
        2 => {
            let upserted = with_topic("global", "another first", "key");
            store_one(store, upserted, at(2)).await.map(drop)
        }
        3 => {
            let taking = with_topic("global", "second", "key");
            store_one(store, taking, at(2)).await.map(drop)
        }
        4 => {
            let mut superseding = new("global", "new");
            superseding.supersedes = Some(1);
            store_one(store, superseding, at(2)).await.map(drop)
        }
        5 => {
            let update = |content: &str| MemoryChange::Update {
                text: Some(indexed(content)),
                importance: Some(0.9),
                tags: Some(tags(&["b", "c"])),
                said_at: Some(Some(at(1))),
                destination: None,
            };
            let changes = vec![(1, update("edited")), (2, update("edited too"))];
            make_edit(store, an_edit("edit", changes), at(2))
                .await
                .map(drop)
        }
        6 => {
            let changes = vec![
                (1, MemoryChange::Forget),
                (2, MemoryChange::Forget),
                (3, MemoryChange::Restore),
            ];
            make_edit(store, an_edit("edit", changes), at(2))
                .await
                .map(drop)
        }
        7 => {
            let mut undo = an_edit("edit", vec![(3, MemoryChange::Restore)]);
            undo.undoes = Some("forget".to_owned());
            make_edit(store, undo, at(2)).await.map(drop)
        }
        8 => {
            let mut newer = ImportRecord::new(fields("global"), indexed("imported"), 1);
            newer.fields.topic_key = Some("key".to_owned());
            newer.created_at = Some(at(1));
            let mut merged = ImportRecord::new(fields("global"), indexed("second"), 7);
            merged.recall_count = 3;
            import(store, everywhere, MODEL, vec![newer, merged], at(2))
                .await
                .map(drop)
        }
        9 => link(store, everywhere, MODEL, vec![(2, 1), (3, 2)]).await,
        10 => store
            .archive(1, ArchiveReason::Idle, vec![1, 2], at(2))
            .await
            .map(drop),
        11 => store.purge(1, vec![3], at(2)).await.map(drop),
        _ => store.begin_run(at(3), None).await.map(drop),
    }
}

pub(crate) async fn nothing_is_half_written_at_any_change<R: Room>() {
    for nth in 0..WRITES {
        let room = R::fresh().await;
        let store = room.open();
        filled(&*store).await;
        store.begin_run(at(1), None).await.expect("begun");
        let before = seen(&*store).await;
        let mut changes = 0;
        loop {
            changes += 1;
            room.fail_at(Some(changes));
            let done = write(&*store, nth).await;
            room.fail_at(None);
            let after = seen(&*store).await;
            if done.is_ok() {
                assert_ne!(before, after, "write {nth} does something");
                break;
            }
            assert_eq!(before, after, "write {nth} at its change {changes}");
        }
        assert!(changes > 1, "write {nth} was made to fail");
        assert_is_whole(&*store).await;
    }
}
