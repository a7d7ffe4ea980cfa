//! Nothing beyond a caller's reach is read or written, by any method.

use mimo::caller::Reach;
use mimo::memory::rules::edit::{MemoryChange, edit};
use mimo::memory::rules::import::{ImportRecord, import, link};
use mimo::memory::rules::remember::remember;
use mimo::store::memory::{CandidateQuery, Filter, Identity, MemoryId};
use mimo::store::names::{NameKind, NamesQuery};
use mimo::store::{Store, StoreError};
use mimo::text;

use crate::Room;
use crate::support::{
    MODEL, an_edit, at, everything, fields, indexed, make_edit, new, only, store_one, tags, vector,
    with_topic,
};

const SECRET: &str = "the launch code is 1234";
const MINE: MemoryId = 2;
const THEIRS: MemoryId = 1;

/// A memory of theirs, one of mine, and an edit of both.
async fn filled(store: &dyn Store) {
    let mut theirs = with_topic("theirs", SECRET, "code:launch");
    theirs.fields.tags = tags(&["secret"]);
    let mut mine = with_topic("mine", "a launch of my own", "code:mine");
    mine.fields.tags = tags(&["open"]);
    for (new, id) in [(theirs, THEIRS), (mine, MINE)] {
        let (stored, _) = store_one(store, new, at(0)).await.expect("stored");
        assert_eq!(stored, id);
    }
    let protect = |id| (id, MemoryChange::Protect(true));
    let edits = [("both", vec![THEIRS, MINE]), ("theirs", vec![THEIRS])];
    for (undo_id, ids) in edits {
        let changes = ids.iter().copied().map(protect).collect();
        make_edit(store, an_edit(undo_id, changes), at(1))
            .await
            .expect("edited");
        let changes = ids
            .into_iter()
            .map(|id| (id, MemoryChange::Protect(false)))
            .collect();
        let undone = an_edit(&format!("not {undo_id}"), changes);
        make_edit(store, undone, at(1)).await.expect("edited");
    }
}

pub(crate) async fn every_read_ends_at_reach<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    filled(&*store).await;
    for (reach, sees) in [
        (only(&["mine"]), vec![MINE]),
        (only(&[]), vec![]),
        (Reach::fenced("mine"), vec![MINE]),
        (Reach::Everything, vec![THEIRS, MINE]),
    ] {
        let both = || vec![THEIRS, MINE];
        let fetched = store.fetch(&reach, both()).await.expect("fetched");
        let ids: Vec<MemoryId> = fetched.iter().map(|memory| memory.id).collect();
        assert_eq!(ids, sees, "{reach:?}");
        // Naming a project does not bring it within reach.
        for projects in [vec![], vec!["theirs".to_owned(), "mine".to_owned()]] {
            let filter = Filter::within(&reach, projects.clone(), at(2));
            let matching = store.fetch_matching(both(), filter.clone()).await;
            assert_eq!(matching.expect("fetched").len(), sees.len());
            let newest = store.newest(filter.clone(), None, 10).await;
            assert_eq!(newest.expect("found").len(), sees.len());
            let query = CandidateQuery {
                filter: filter.clone(),
                words: text::query_words("launch"),
                vector: Some(vector(SECRET)),
                limit: 10,
            };
            let found = store.candidates(MODEL, query).await.expect("found");
            assert_eq!(found.keyword.len(), sees.len());
            assert_eq!(found.semantic.len(), sees.len());
            for kind in [
                NameKind::Project,
                NameKind::Tag,
                NameKind::TopicKey,
                NameKind::Memory,
            ] {
                let query = NamesQuery {
                    kind,
                    reach: reach.clone(),
                    projects: projects.clone(),
                    prefix: String::new(),
                    limit: 10,
                };
                let names = store.names(query).await.expect("names").names;
                assert_eq!(names.len(), sees.len(), "{kind:?}: {names:?}");
            }
            let called = store.memories_by_name(&reach, projects, "code".to_owned(), 10);
            assert_eq!(called.await.expect("found").len(), sees.len());
        }
        let probes = vec![
            ("theirs".to_owned(), vec![vector(SECRET)]),
            ("mine".to_owned(), vec![vector(SECRET)]),
        ];
        let similar = store.similar(&reach, MODEL, probes, -1.0, 10, at(2));
        let similar = similar.await.expect("found");
        let similar: Vec<MemoryId> = similar.concat().into_iter().map(|(id, _)| id).collect();
        assert_eq!(similar, sees);
        let similarities = store
            .similarities(&reach, MODEL, both(), vector(SECRET))
            .await;
        assert_eq!(similarities.expect("compared").len(), sees.len());
        let census = store.census(&reach).await.expect("counted");
        assert_eq!(census.active as usize, sees.len());
        assert_eq!(census.projects as usize, sees.len());
        let all = sees.len() == 2;
        for undo_id in ["both", "theirs"] {
            let records = store.edit_records(&reach, undo_id.to_owned()).await;
            assert_eq!(!records.expect("records").is_empty(), all);
        }
        let identity = Identity {
            project: "theirs".to_owned(),
            thread: "thread".to_owned(),
            position: 1,
            key: text::key(SECRET),
            created_at: None,
        };
        let known = store.identify(&reach, vec![identity]).await.expect("known");
        assert_eq!(known, [all.then_some(THEIRS)]);
    }
}

pub(crate) async fn every_write_ends_at_reach<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    filled(&*store).await;
    let before = everything(&*store).await;
    let reach = &only(&["mine"]);
    let refused = |stored: Result<(), StoreError>| match stored {
        Err(StoreError::NoAccess(project)) => assert_eq!(project, "theirs"),
        other => panic!("not refused: {other:?}"),
    };
    let unknown = |stored: Result<(), StoreError>| match stored {
        Err(StoreError::NoSuchMemory(ids)) => assert_eq!(ids, [THEIRS]),
        other => panic!("found: {other:?}"),
    };
    for new in [
        new("theirs", "planted"),
        new("theirs", SECRET),
        with_topic("theirs", "planted", "code:launch"),
    ] {
        let stored = remember(&*store, reach, MODEL, vec![new], at(2)).await;
        refused(stored.map(drop));
    }
    let mut superseding = new("mine", "planted");
    superseding.supersedes = Some(THEIRS);
    let batch = vec![new("mine", "never stored"), superseding];
    unknown(
        remember(&*store, reach, MODEL, batch, at(2))
            .await
            .map(drop),
    );
    for change in [
        MemoryChange::Forget,
        MemoryChange::Protect(false),
        MemoryChange::Restore,
        MemoryChange::Update {
            text: Some(indexed("planted")),
            importance: None,
            tags: None,
            said_at: None,
            destination: None,
        },
    ] {
        for dry_run in [true, false] {
            let mut wanted = an_edit(
                "edit",
                vec![(MINE, MemoryChange::Forget), (THEIRS, change.clone())],
            );
            wanted.dry_run = dry_run;
            unknown(edit(&*store, reach, MODEL, wanted, at(2)).await.map(drop));
        }
    }
    let mut undo = an_edit("undo", vec![(MINE, MemoryChange::Forget)]);
    undo.undoes = Some("not theirs".to_owned());
    let undone = edit(&*store, reach, MODEL, undo, at(2)).await;
    assert!(
        matches!(undone, Err(StoreError::NoSuchEdit(_))),
        "{undone:?}"
    );
    let record = ImportRecord::new(fields("theirs"), indexed(SECRET), 1);
    let imported = import(&*store, reach, MODEL, vec![record], at(2)).await;
    refused(imported.map(drop));
    unknown(link(&*store, reach, MODEL, vec![(MINE, THEIRS)]).await);
    assert_eq!(everything(&*store).await, before, "nothing was changed");

    // A project that may only be read is read, and not written.
    let reach = &Reach::fenced("mine");
    let (shared, _) = store_one(&*store, new("global", "shared"), at(3))
        .await
        .expect("stored");
    assert_eq!(
        store.fetch(reach, vec![shared]).await.expect("read").len(),
        1
    );
    let wanted = an_edit("edit", vec![(shared, MemoryChange::Forget)]);
    let edited = edit(&*store, reach, MODEL, wanted, at(4)).await;
    assert!(matches!(edited, Err(StoreError::NoAccess(_))), "{edited:?}");
    let stored = remember(&*store, reach, MODEL, vec![new("global", "planted")], at(4)).await;
    assert!(matches!(stored, Err(StoreError::NoAccess(_))), "{stored:?}");
}
