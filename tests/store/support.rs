//! Making memories without an encoder, and looking at all there is.

use std::collections::BTreeSet;

use futures::StreamExt;
use mimo::caller::{Access, Reach};
use mimo::clock::Timestamp;
use mimo::memory::RememberOutcome;
use mimo::memory::rules::edit::{Edit, MemoryChange, edit};
use mimo::memory::rules::remember::remember;
use mimo::store::memory::{
    EditRecord, ExplicitFields, IndexedText, Memory, MemoryFields, MemoryId, NewMemory,
};
use mimo::store::{ProjectSet, Store, StoreError};
use mimo::text;

pub(crate) const MODEL: &str = "contract";
pub(crate) const NOON: Timestamp = Timestamp(1_795_348_800_000_000);

pub(crate) fn at(second: i64) -> Timestamp {
    NOON.plus_seconds(second)
}

/// Numbers that look like chance, the same for one seed.
pub(crate) struct Chance(pub u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(crate) fn tags(tags: &[&str]) -> BTreeSet<String> {
    names(tags).into_iter().collect()
}

/// Reads and writes these projects and no others.
pub(crate) fn only(projects: &[&str]) -> Reach {
    let projects = names(projects).into_iter();
    Reach::of(projects.map(|project| (project, Access::Write)))
}

/// A unit vector that depends on the text alone.
pub(crate) fn vector(content: &str) -> Vec<f32> {
    let key = text::key(content);
    let numbers: Vec<f32> = key.iter().map(|byte| f32::from(*byte) - 127.5).collect();
    let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    numbers.iter().map(|x| x / length).collect()
}

pub(crate) fn indexed(content: &str) -> IndexedText {
    IndexedText {
        key: text::key(content),
        words: text::index_words(content),
        vectors: vec![vector(content)],
        content: content.to_owned(),
    }
}

pub(crate) fn fields(project: &str) -> MemoryFields {
    MemoryFields::new(project, "thread")
}

pub(crate) fn new(project: &str, content: &str) -> NewMemory {
    NewMemory {
        fields: fields(project),
        explicit: ExplicitFields::default(),
        text: indexed(content),
        supersedes: None,
    }
}

pub(crate) fn with_topic(project: &str, content: &str, topic: &str) -> NewMemory {
    let mut new = new(project, content);
    new.fields.topic_key = Some(topic.to_owned());
    new
}

pub(crate) async fn store_one(
    store: &dyn Store,
    new: NewMemory,
    at: Timestamp,
) -> Result<(MemoryId, RememberOutcome), StoreError> {
    let stored = remember(store, &Reach::Everything, MODEL, vec![new], at).await?;
    Ok((stored[0].id, stored[0].outcome))
}

pub(crate) fn an_edit(undo_id: &str, changes: Vec<(MemoryId, MemoryChange)>) -> Edit {
    Edit {
        changes,
        reason: None,
        undo_id: undo_id.to_owned(),
        undoes: None,
        dry_run: false,
    }
}

pub(crate) async fn make_edit(
    store: &dyn Store,
    wanted: Edit,
    at: Timestamp,
) -> Result<Vec<MemoryId>, StoreError> {
    edit(store, &Reach::Everything, MODEL, wanted, at).await
}

pub(crate) async fn everything(store: &dyn Store) -> Vec<Memory> {
    let mut all = Vec::new();
    let mut pages = store.export(ProjectSet::All);
    while let Some(page) = pages.next().await {
        all.extend(page.expect("a page").memories);
    }
    all
}

pub(crate) async fn records(store: &dyn Store, undo_id: &str) -> Vec<EditRecord> {
    let records = store.edit_records(&Reach::Everything, undo_id.to_owned());
    records.await.expect("records")
}

pub(crate) async fn assert_is_whole(store: &dyn Store) {
    let mut quiet = |_: &'static str| ();
    let report = store.verify(MODEL, &mut quiet).await.expect("checked");
    assert!(report.is_whole(), "{report:?}");
}
