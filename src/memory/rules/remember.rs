//! Storing: equal texts merge, a topic key is upserted, a named memory is
//! superseded.

use super::{WorkingSet, transact};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::memory::RememberOutcome;
use crate::store::StoreError;
use crate::store::memory::{
    Index, IndexedText, Lookup, Memory, MemoryId, MemoryState, MemoryStore, NewMemory,
};

/// The result of storing one memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutcome {
    pub id: MemoryId,
    pub outcome: RememberOutcome,
    pub project: String,
    /// Whether a merge took the newer wording.
    pub text_updated: bool,
    /// The older version that it replaced, and its text.
    pub replaced: Option<(MemoryId, String)>,
}

/// Stores all of `batch` or nothing; the results are in its order.
pub async fn remember(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    mut batch: Vec<NewMemory>,
    at: Timestamp,
) -> Result<Vec<StoredOutcome>, StoreError> {
    transact(store, reach, model, false, move |transaction| {
        Box::pin(async move {
            let found = transaction.look_up(&lookup(&batch)).await?;
            let mut set = WorkingSet::new(found, at);
            if move_to_replaced_project(&set, &mut batch) {
                set.extend(transaction.look_up(&lookup(&batch)).await?);
            }
            let each = batch.into_iter().map(|new| remember_one(&mut set, new));
            let stored = each.collect::<Result<_, _>>()?;
            transaction.apply(set.writes).await?;
            Ok(stored)
        })
    })
    .await
}

/// Puts a memory for which no project was given where the memory is that it
/// supersedes; `false` if none moved.
fn move_to_replaced_project(set: &WorkingSet, batch: &mut [NewMemory]) -> bool {
    let mut moved = false;
    for new in batch.iter_mut().filter(|new| !new.explicit.project) {
        let old = new.supersedes.and_then(|old| set.get(old).ok());
        if let Some(old) = old.filter(|old| old.fields.project != new.fields.project) {
            new.fields.project.clone_from(&old.fields.project);
            moved = true;
        }
    }
    moved
}

fn lookup(batch: &[NewMemory]) -> Lookup {
    let mut lookup = Lookup::default();
    for NewMemory {
        fields,
        text,
        supersedes,
        ..
    } in batch
    {
        lookup.ids.extend(supersedes);
        lookup.texts.push((fields.project.clone(), text.key));
        let topic = fields.topic_key.iter().cloned();
        let topic = topic.map(|topic| (fields.project.clone(), topic));
        lookup.topics.extend(topic);
        lookup.threads.push(fields.thread.clone());
    }
    lookup
}

fn remember_one(set: &mut WorkingSet, new: NewMemory) -> Result<StoredOutcome, StoreError> {
    let (project, topic) = (&new.fields.project, new.fields.topic_key.as_deref());
    let twin = set.with_text(project, &new.text.key).map(|twin| twin.id);
    let holder = set.with_topic(project, topic).map(|holder| holder.id);
    if let Some(old) = new.supersedes {
        return supersede(set, new, old, twin, holder);
    }
    let is_repeated = match twin {
        Some(twin) => is_equal(set.get(twin)?, &new.text),
        None => false,
    };
    match (twin, holder) {
        (None, None) => {
            let id = insert(set, new, None);
            stored(set, id, RememberOutcome::Created, None)
        }
        // An explicit topic key acts, unless its memory has exactly this text.
        (twin, Some(holder)) if twin.is_none_or(|twin| twin == holder) && !is_repeated => {
            upsert(set, new, holder)?;
            let replaced = set.get(holder)?.supersedes;
            stored(set, holder, RememberOutcome::Upserted, replaced)
        }
        (Some(twin), Some(holder)) if twin != holder => {
            // Another memory has this text already, so it takes over the topic key.
            refuse_protected(set.get(holder)?)?;
            set.retire(holder)?;
            let text_updated = merge(set, twin, new, Some(holder))?;
            let done = stored(set, twin, RememberOutcome::Upserted, Some(holder))?;
            Ok(StoredOutcome {
                text_updated,
                ..done
            })
        }
        (Some(id), _) | (None, Some(id)) => {
            let text_updated = merge(set, id, new, None)?;
            let replaced = set.get(id)?.supersedes.filter(|_| text_updated);
            let done = stored(set, id, RememberOutcome::Merged, replaced)?;
            Ok(StoredOutcome {
                text_updated,
                ..done
            })
        }
    }
}

fn stored(
    set: &WorkingSet,
    id: MemoryId,
    outcome: RememberOutcome,
    replaced: Option<MemoryId>,
) -> Result<StoredOutcome, StoreError> {
    let text = |id| Ok::<_, StoreError>((id, set.get(id)?.content.clone()));
    Ok(StoredOutcome {
        id,
        outcome,
        project: set.get(id)?.fields.project.clone(),
        text_updated: false,
        replaced: replaced.map(text).transpose()?,
    })
}

/// Retires `old` in favor of `new`, or of the memory that has its text already.
fn supersede(
    set: &mut WorkingSet,
    mut new: NewMemory,
    old: MemoryId,
    twin: Option<MemoryId>,
    holder: Option<MemoryId>,
) -> Result<StoredOutcome, StoreError> {
    let retired = set.get(old)?;
    if retired.state != MemoryState::Active {
        return Err(StoreError::Conflict(format!(
            "memory {old} is {}, so nothing can supersede it",
            retired.state.name()
        )));
    }
    if let Some(holder) = holder.filter(|holder| *holder != old && Some(*holder) != twin) {
        return Err(StoreError::Conflict(format!(
            "the topic key belongs to memory {holder}; supersede that one, or leave the key out"
        )));
    }
    if twin == Some(old) && is_equal(retired, &new.text) {
        merge(set, old, new, None)?;
        return stored(set, old, RememberOutcome::Merged, None);
    }
    refuse_protected(retired)?;
    // The new version inherits the topic key unless it names another, or has to
    // leave it with another project.
    if retired.fields.project == new.fields.project {
        let inherited = retired.fields.topic_key.clone();
        new.fields.topic_key = new.fields.topic_key.or(inherited);
    }
    set.retire(old)?;
    match twin.filter(|twin| *twin != old) {
        Some(twin) => {
            let text_updated = merge(set, twin, new, Some(old))?;
            let done = stored(set, twin, RememberOutcome::Merged, Some(old))?;
            Ok(StoredOutcome {
                text_updated,
                ..done
            })
        }
        None => {
            let id = insert(set, new, Some(old));
            stored(set, id, RememberOutcome::Superseded, Some(old))
        }
    }
}

/// Whether a memory has this text, letter by letter.
fn is_equal(memory: &Memory, text: &IndexedText) -> bool {
    memory.content.trim() == text.content.trim()
}

fn insert(set: &mut WorkingSet, new: NewMemory, supersedes: Option<MemoryId>) -> MemoryId {
    let memory = Memory {
        id: set.next_id,
        position: set.next_position(&new.fields.thread),
        fields: new.fields,
        content: new.text.content.clone(),
        text_key: new.text.key,
        entities: Vec::new(),
        state: MemoryState::Active,
        protected: false,
        supersedes,
        created_at: set.at,
        recorded_at: None,
        updated_at: set.at,
        retired_at: None,
        recalled_at: None,
        recall_count: 0,
        revision: 1,
    };
    set.insert(memory, Index::Text(new.text))
}

/// Merges `new` into the memory with the same text. A wording that differs replaces
/// the stored one; whether it did.
fn merge(
    set: &mut WorkingSet,
    id: MemoryId,
    new: NewMemory,
    supersedes: Option<MemoryId>,
) -> Result<bool, StoreError> {
    let mut memory = set.get(id)?.clone();
    let NewMemory {
        fields,
        explicit,
        text,
        ..
    } = new;
    if let (Some(held), Some(wanted)) = (&memory.fields.topic_key, &fields.topic_key)
        && held != wanted
    {
        return Err(StoreError::Conflict(format!(
            "memory {id} says the same under the topic key {held:?}; use that key, or word it differently"
        )));
    }
    let before = memory.clone();
    memory.supersedes = memory.supersedes.or(supersedes);
    memory.fields.tags.extend(fields.tags);
    memory.fields.topic_key = memory.fields.topic_key.or(fields.topic_key);
    if explicit.category {
        memory.fields.category = fields.category;
    }
    if explicit.importance {
        memory.fields.importance = fields.importance;
    }
    // Said again without an end, it holds without an end.
    memory.fields.valid_until = fields.valid_until;
    memory.fields.said_at = fields.said_at.or(memory.fields.said_at);
    if explicit.thread && fields.thread != memory.fields.thread {
        memory.position = set.next_position(&fields.thread);
        memory.fields.thread = fields.thread;
    }
    if is_equal(&memory, &text) {
        set.update(memory);
        return Ok(false);
    }
    refuse_protected(&memory)?;
    if memory.supersedes != before.supersedes {
        // The older version made next goes on to what the merge replaced.
        let linked = Memory {
            supersedes: memory.supersedes,
            ..before
        };
        set.update(linked);
        memory.revision += 1;
    }
    set.edit_text(memory, text)?;
    Ok(true)
}

/// Replaces the text and fields of the memory that holds the topic key of `new`.
fn upsert(set: &mut WorkingSet, new: NewMemory, holder: MemoryId) -> Result<(), StoreError> {
    let mut memory = set.get(holder)?.clone();
    refuse_protected(&memory)?;
    memory.position = set.next_position(&new.fields.thread);
    memory.fields = new.fields;
    memory.recorded_at = None;
    set.replace_text(memory, new.text)
}

fn refuse_protected(memory: &Memory) -> Result<(), StoreError> {
    match memory.protected {
        true => Err(StoreError::Protected(vec![memory.id])),
        false => Ok(()),
    }
}
