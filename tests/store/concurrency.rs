//! Two stores on one database, as two processes have them, writing at once.

use futures::future::join_all;
use mimo::memory::RememberOutcome;
use mimo::memory::rules::edit::MemoryChange;
use mimo::store::StoreError;
use mimo::store::memory::MemoryState;

use crate::Room;
use crate::support::{
    an_edit, assert_is_whole, at, everything, indexed, make_edit, new, store_one, with_topic,
};

const ROUNDS: usize = 20;

pub(crate) async fn equal_texts_stored_at_once_become_one_memory<R: Room>() {
    let room = R::fresh().await;
    let stores = [room.open(), room.open()];
    for round in 0..ROUNDS {
        let content = format!("said in round {round}");
        let each = (0..6).map(|nth| store_one(&*stores[nth % 2], new("global", &content), at(0)));
        let stored = join_all(each)
            .await
            .into_iter()
            .map(|stored| stored.expect("stored"));
        let stored: Vec<_> = stored.collect();
        assert!(
            stored.iter().all(|(id, _)| *id == stored[0].0),
            "{stored:?}"
        );
        let created = stored
            .iter()
            .filter(|(_, outcome)| *outcome == RememberOutcome::Created);
        assert_eq!(created.count(), 1, "{stored:?}");
    }
    assert_eq!(everything(&*stores[0]).await.len(), ROUNDS);
    assert_is_whole(&*stores[1]).await;
}

pub(crate) async fn one_topic_key_has_one_holder<R: Room>() {
    let room = R::fresh().await;
    let stores = [room.open(), room.open()];
    let each = (0..ROUNDS).map(|nth| {
        let new = with_topic("global", &format!("version {nth}"), "key");
        store_one(&*stores[nth % 2], new, at(0))
    });
    let stored = join_all(each).await;
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");
    let all = everything(&*stores[0]).await;
    let active: Vec<_> = all
        .iter()
        .filter(|memory| memory.state == MemoryState::Active)
        .collect();
    assert_eq!(active.len(), 1);
    // Each version names the one before, so none was lost.
    let (mut length, mut next) = (1, active[0].supersedes);
    while let Some(older) = next {
        length += 1;
        next = all
            .iter()
            .find(|memory| memory.id == older)
            .expect("kept")
            .supersedes;
    }
    assert_eq!(length, ROUNDS);
    assert_is_whole(&*stores[1]).await;
}

pub(crate) async fn of_a_supersede_and_an_edit_one_sees_the_other<R: Room>() {
    let room = R::fresh().await;
    let stores = [room.open(), room.open()];
    for round in 0..ROUNDS {
        let old = new("global", &format!("old {round}"));
        let (id, _) = store_one(&*stores[0], old, at(0)).await.expect("stored");
        let mut superseding = new("global", &format!("new {round}"));
        superseding.supersedes = Some(id);
        let update = MemoryChange::Update {
            text: Some(indexed(&format!("edited {round}"))),
            importance: None,
            tags: None,
            said_at: None,
            destination: None,
        };
        let edit = an_edit(&format!("edit {round}"), vec![(id, update)]);
        let (superseded, edited) = futures::join!(
            store_one(&*stores[0], superseding, at(1)),
            make_edit(&*stores[1], edit, at(1)),
        );
        // Both can have been made only with the edit first.
        superseded.expect("nothing keeps it from it");
        let all = everything(&*stores[0]).await;
        let old = all.iter().find(|memory| memory.id == id).expect("kept");
        assert_eq!(old.state, MemoryState::Superseded);
        match edited {
            Ok(_) => assert_eq!(old.content, format!("edited {round}")),
            Err(StoreError::Conflict(_)) => assert_eq!(old.content, format!("old {round}")),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_is_whole(&*stores[0]).await;
}

pub(crate) async fn one_cleanup_runs_at_a_time<R: Room>() {
    let room = R::fresh().await;
    let stores = [room.open(), room.open()];
    for round in 1..=ROUNDS as i64 {
        let begun = (0..4).map(|nth| stores[nth % 2].begin_run(at(round), Some(at(round - 1))));
        let begun = join_all(begun).await;
        let runs = begun
            .iter()
            .filter(|run| run.as_ref().expect("asked").is_some());
        assert_eq!(runs.count(), 1, "{begun:?}");
    }
}
