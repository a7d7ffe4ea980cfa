//! Vectors of another model: each memory gets them once, and those of the first go.

use mimo::caller::Reach;
use mimo::memory::rules::edit::MemoryChange;
use mimo::store::Store;
use mimo::store::memory::{IndexedText, MemoryId};

use crate::Room;
use crate::support::{
    MODEL, an_edit, assert_is_whole, at, indexed, make_edit, new, store_one, vector,
};

const OTHER: &str = "other";

/// The text with a vector of the other model, which has fewer numbers.
fn encoded(id: MemoryId, content: &str) -> (MemoryId, IndexedText) {
    let mut half = vector(content);
    half.truncate(16);
    let length = half.iter().map(|x| x * x).sum::<f32>().sqrt();
    half.iter_mut().for_each(|x| *x /= length);
    let text = IndexedText {
        vectors: vec![half],
        ..indexed(content)
    };
    (id, text)
}

async fn missing(store: &dyn Store, model: &str) -> Vec<MemoryId> {
    let missing = store.unencoded(model, 0, 100).await.expect("known");
    missing.into_iter().map(|(id, _)| id).collect()
}

/// The memories like `content`, by the vectors of the other model.
async fn like(store: &dyn Store, content: &str) -> Vec<MemoryId> {
    let (_, text) = encoded(0, content);
    let probes = vec![("global".to_owned(), text.vectors)];
    let found = store.similar(&Reach::Everything, OTHER, probes, 0.99, 5, at(9));
    let found = found.await.expect("found").remove(0);
    found.into_iter().map(|(id, _)| id).collect()
}

pub(crate) async fn each_memory_gets_vectors_of_another_model_once<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    for (nth, text) in ["first", "second", "third"].into_iter().enumerate() {
        let stored = store_one(&*store, new("global", text), at(nth as i64));
        stored.await.expect("stored");
    }
    let forget = an_edit("forget", vec![(3, MemoryChange::Forget)]);
    make_edit(&*store, forget, at(4)).await.expect("forgotten");
    assert_eq!(store.models().await.expect("known"), [MODEL]);
    assert_eq!(missing(&*store, MODEL).await, Vec::<MemoryId>::new());
    let two = store.unencoded(OTHER, 0, 2).await.expect("known");
    assert_eq!(two, [(1, "first".to_owned()), (2, "second".to_owned())]);
    let rest = store.unencoded(OTHER, 2, 2).await.expect("known");
    assert_eq!(rest, [(3, "third".to_owned())]);

    // The second has another text by now, and there is no ninth.
    let texts = || {
        vec![
            encoded(1, "first"),
            encoded(2, "older"),
            encoded(9, "ninth"),
        ]
    };
    for _ in 0..2 {
        store.add_vectors(OTHER, texts()).await.expect("added");
        assert_eq!(missing(&*store, OTHER).await, [2, 3]);
    }
    assert_eq!(like(&*store, "first").await, [1]);
    assert_is_whole(&*store).await;
    let texts = vec![encoded(2, "second"), encoded(3, "third")];
    store.add_vectors(OTHER, texts).await.expect("added");
    assert_eq!(store.models().await.expect("known"), [MODEL, OTHER]);

    assert!(!store.remove_other_vectors(OTHER).await.expect("removed"));
    assert_eq!(store.models().await.expect("known"), [OTHER]);
    assert_eq!(missing(&*store, MODEL).await, [1, 2, 3]);
    assert_eq!(like(&*store, "second").await, [2]);
    let mut quiet = |_: &'static str| ();
    let report = store.verify(OTHER, &mut quiet).await.expect("checked");
    assert!(report.is_whole(), "{report:?}");
}

pub(crate) async fn vectors_are_changed_whole_or_not_at_all<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    for text in ["first", "second"] {
        let stored = store_one(&*store, new("global", text), at(0));
        stored.await.expect("stored");
    }
    let texts = || vec![encoded(1, "first"), encoded(2, "second")];
    let mut failed = 0;
    loop {
        room.fail_at(Some(failed + 1));
        let added = store.add_vectors(OTHER, texts()).await;
        room.fail_at(None);
        if added.is_ok() {
            break;
        }
        failed += 1;
        assert_eq!(missing(&*store, OTHER).await, [1, 2]);
    }
    assert!(failed > 0, "no change failed");
    for change in 1.. {
        room.fail_at(Some(change));
        let removed = store.remove_other_vectors(OTHER).await;
        room.fail_at(None);
        if removed.is_ok() {
            break;
        }
        assert_is_whole(&*store).await;
        assert_eq!(missing(&*store, MODEL).await, Vec::<MemoryId>::new());
    }
    assert_eq!(store.models().await.expect("known"), [OTHER]);
}
