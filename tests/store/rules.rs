//! Ids and errors.

use mimo::caller::Reach;
use mimo::memory::RememberOutcome;
use mimo::memory::rules::edit::MemoryChange;
use mimo::memory::rules::import::{ImportOutcome, ImportRecord, import};
use mimo::store::StoreError;
use mimo::store::retention::ArchiveReason;

use crate::Room;
use crate::support::{
    MODEL, an_edit, at, fields, indexed, make_edit, new, records, store_one, with_topic,
};

pub(crate) async fn ids_grow_and_are_never_used_again<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let mut last = 0;
    for nth in 0..5 {
        let stored = store_one(&*store, new("global", &format!("memory {nth}")), at(0)).await;
        let (id, outcome) = stored.expect("stored");
        assert!(id > last && outcome == RememberOutcome::Created);
        last = id;
    }
    // The greatest id is erased, and still not given again.
    let run = store
        .begin_run(at(1), None)
        .await
        .expect("begun")
        .expect("a run");
    let archived = store
        .archive(run, ArchiveReason::Idle, vec![last], at(1))
        .await;
    assert_eq!(archived.expect("archived"), 1);
    let purged = store.purge(run, vec![last], at(1)).await;
    assert_eq!(purged.expect("erased"), 1);
    let (id, _) = store_one(&*store, new("global", "another"), at(2))
        .await
        .expect("stored");
    assert!(id > last);
    // A memory that is imported keeps its id where none ever had it.
    let mut keeps = ImportRecord::new(fields("global"), indexed("from elsewhere"), 1);
    keeps.id = Some(1_000);
    let mut had = ImportRecord::new(fields("global"), indexed("from there too"), 2);
    had.id = Some(last);
    let records = vec![keeps.clone(), had];
    let imported = import(&*store, &Reach::Everything, MODEL, records, at(3)).await;
    let imported = imported.expect("imported");
    assert_eq!(imported[0], (1_000, ImportOutcome::Created));
    assert!(imported[1].0 > 1_000);
    let again = import(&*store, &Reach::Everything, MODEL, vec![keeps], at(4)).await;
    assert_eq!(again.expect("known"), [(1_000, ImportOutcome::Known)]);
    let (id, _) = store_one(&*store, new("global", "the last"), at(5))
        .await
        .expect("stored");
    assert!(id > imported[1].0);
}

pub(crate) async fn every_error_has_its_kind<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let store = &*store;
    let (first, _) = store_one(store, with_topic("global", "first", "key"), at(0))
        .await
        .expect("stored");
    let (second, _) = store_one(store, new("global", "second"), at(0))
        .await
        .expect("stored");

    let mut unknown = new("global", "third");
    unknown.supersedes = Some(99);
    let stored = store_one(store, unknown, at(1)).await;
    assert!(matches!(stored, Err(StoreError::NoSuchMemory(ids)) if ids == [99]));
    let edited = make_edit(
        store,
        an_edit(
            "e",
            vec![(98, MemoryChange::Forget), (99, MemoryChange::Forget)],
        ),
        at(1),
    )
    .await;
    assert!(matches!(edited, Err(StoreError::NoSuchMemory(ids)) if ids == [98, 99]));
    let mut undo = an_edit("e", vec![(first, MemoryChange::Forget)]);
    undo.undoes = Some("never made".to_owned());
    let undone = make_edit(store, undo, at(1)).await;
    assert!(matches!(undone, Err(StoreError::NoSuchEdit(id)) if id == "never made"));

    let text = |content: &str| MemoryChange::Update {
        text: Some(indexed(content)),
        importance: None,
        tags: None,
        said_at: None,
        destination: None,
    };
    let twin = make_edit(store, an_edit("e", vec![(second, text("first"))]), at(1)).await;
    assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
    let mut taken = with_topic("global", "third", "topic");
    taken.supersedes = Some(first);
    store_one(store, with_topic("global", "fourth", "topic"), at(1))
        .await
        .expect("stored");
    let stored = store_one(store, taken, at(1)).await;
    assert!(matches!(stored, Err(StoreError::Conflict(_))), "{stored:?}");

    make_edit(
        store,
        an_edit("protect", vec![(first, MemoryChange::Protect(true))]),
        at(2),
    )
    .await
    .expect("protected");
    for change in [MemoryChange::Forget, text("new")] {
        let edited = make_edit(store, an_edit("e", vec![(first, change)]), at(3)).await;
        assert!(matches!(edited, Err(StoreError::Protected(ids)) if ids == [first]));
    }
    let upserted = store_one(store, with_topic("global", "third", "key"), at(3)).await;
    assert!(matches!(upserted, Err(StoreError::Protected(ids)) if ids == [first]));

    // An edit that something followed cannot be undone; a refused one left none.
    make_edit(
        store,
        an_edit("later", vec![(first, MemoryChange::Protect(false))]),
        at(4),
    )
    .await
    .expect("edited");
    let mut undo = an_edit("e", vec![(first, MemoryChange::Protect(false))]);
    undo.undoes = Some("protect".to_owned());
    let undone = make_edit(store, undo, at(5)).await;
    assert!(matches!(undone, Err(StoreError::Conflict(_))), "{undone:?}");
    assert!(records(store, "e").await.is_empty());
}
