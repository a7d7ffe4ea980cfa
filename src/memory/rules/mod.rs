//! The rules of storing, decided on values: a transaction reads everything a change
//! could touch, the rules decide on that working set and collect the writes, and
//! the transaction applies them in order.

pub mod edit;
pub mod import;
pub mod remember;

use std::collections::{BTreeMap, HashMap};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::memory::{
    Index, IndexedText, LookupResult, Memory, MemoryId, MemoryState, MemoryStore,
    MemoryTransaction, MemoryWork, TextKey, Write,
};
use crate::store::{StoreError, Stored};

/// Runs `work` in one transaction and returns its value. A dry run does the same
/// work and is rolled back.
async fn transact<T: Send + 'static>(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    dry_run: bool,
    work: impl for<'a> FnOnce(&'a dyn MemoryTransaction) -> BoxFuture<'a, Result<T, StoreError>>
    + Send
    + 'static,
) -> Result<T, StoreError> {
    let (done, value) = oneshot::channel();
    let work: MemoryWork = Box::new(move |transaction| {
        let work = work(transaction);
        let done = async move {
            let value = work.await?;
            let _nobody_waits_any_more = done.send(value);
            match dry_run {
                false => Ok(()),
                true => Err(StoreError::Abandoned),
            }
        };
        let done: Stored<'_, ()> = Box::pin(done);
        done
    });
    match store.write_memories(reach, model, work).await {
        Err(StoreError::Abandoned) if dry_run => {}
        stored => stored?,
    }
    value
        .await
        .map_err(|error| StoreError::Defect(Box::new(error)))
}

/// The memories that a transaction may touch, as they are after the writes that
/// were decided so far.
struct WorkingSet {
    memories: BTreeMap<MemoryId, Memory>,
    positions: HashMap<String, i64>,
    next_id: MemoryId,
    at: Timestamp,
    writes: Vec<Write>,
}

impl WorkingSet {
    fn new(found: LookupResult, at: Timestamp) -> WorkingSet {
        let memories = found.memories.into_iter();
        WorkingSet {
            memories: memories.map(|memory| (memory.id, memory)).collect(),
            positions: found.positions,
            next_id: found.next_id,
            at,
            writes: Vec::new(),
        }
    }

    /// Adds the memories of a further lookup.
    fn extend(&mut self, found: LookupResult) {
        for memory in found.memories {
            self.memories.entry(memory.id).or_insert(memory);
        }
    }

    fn get(&self, id: MemoryId) -> Result<&Memory, StoreError> {
        let found = self.memories.get(&id);
        found.ok_or_else(|| StoreError::NoSuchMemory(vec![id]))
    }

    fn with_text(&self, project: &str, key: &TextKey) -> Option<&Memory> {
        self.active(project).find(|memory| memory.text_key == *key)
    }

    /// The active memory of `project` that holds this topic key.
    fn with_topic(&self, project: &str, topic: Option<&str>) -> Option<&Memory> {
        topic?;
        self.active(project)
            .find(|memory| memory.fields.topic_key.as_deref() == topic)
    }

    fn active(&self, project: &str) -> impl Iterator<Item = &Memory> {
        self.memories.values().filter(move |memory| {
            memory.state == MemoryState::Active && memory.fields.project == project
        })
    }

    fn next_position(&self, thread: &str) -> i64 {
        self.positions.get(thread).map_or(1, |last| last + 1)
    }

    /// Stores a new memory under its id.
    fn insert(&mut self, memory: Memory, index: Index) -> MemoryId {
        let id = memory.id;
        self.next_id = self.next_id.max(id + 1);
        let thread = memory.fields.thread.clone();
        let last = self.positions.entry(thread).or_default();
        *last = (*last).max(memory.position);
        self.memories.insert(id, memory.clone());
        self.writes.push(Write::Insert { memory, index });
        id
    }

    /// Stores a changed memory as a new revision.
    fn update(&mut self, mut memory: Memory) {
        memory.updated_at = self.at;
        memory.revision += 1;
        self.write(memory, None);
    }

    /// Like `replace_text` for another wording of the same: the date of its recording
    /// stays.
    fn edit_text(&mut self, mut memory: Memory, text: IndexedText) -> Result<(), StoreError> {
        memory.recorded_at = Some(memory.first_recorded());
        self.replace_text(memory, text)
    }

    /// Like `update`, with a new text. The old version is kept under a new id as
    /// superseded and keeps its entries in both indexes.
    fn replace_text(&mut self, mut memory: Memory, text: IndexedText) -> Result<(), StoreError> {
        let older = Memory {
            id: self.next_id,
            state: MemoryState::Superseded,
            protected: false,
            updated_at: self.at,
            retired_at: Some(self.at),
            recalled_at: None,
            recall_count: 0,
            revision: 1,
            ..self.get(memory.id)?.clone()
        };
        memory.supersedes = Some(self.insert(older, Index::MovedFrom(memory.id)));
        memory.content = text.content.clone();
        memory.text_key = text.key;
        memory.created_at = self.at;
        memory.updated_at = self.at;
        memory.revision += 1;
        self.write(memory, Some(text));
        Ok(())
    }

    /// Makes an active memory an older version.
    fn retire(&mut self, id: MemoryId) -> Result<(), StoreError> {
        let memory = Memory {
            state: MemoryState::Superseded,
            retired_at: Some(self.at),
            ..self.get(id)?.clone()
        };
        self.update(memory);
        Ok(())
    }

    fn write(&mut self, memory: Memory, text: Option<IndexedText>) {
        self.memories.insert(memory.id, memory.clone());
        self.writes.push(Write::Update { memory, text });
    }
}
