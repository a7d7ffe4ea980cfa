//! Storing: equal texts merge, a topic key is upserted, a named memory is
//! superseded.

use super::{WorkingSet, transact};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::memory::RememberOutcome;
use crate::store::StoreError;
use crate::store::memory::{
    Index, Lookup, Memory, MemoryFields, MemoryId, MemoryState, MemoryStore, NewMemory,
};

/// Stores all of `batch` or nothing; the results are in its order.
pub async fn remember(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    batch: Vec<NewMemory>,
    at: Timestamp,
) -> Result<Vec<(MemoryId, RememberOutcome)>, StoreError> {
    transact(store, reach, model, false, move |transaction| {
        Box::pin(async move {
            let found = transaction.look_up(&lookup(&batch)).await?;
            let mut set = WorkingSet::new(found, at);
            let each = batch.into_iter().map(|new| remember_one(&mut set, new));
            let stored = each.collect::<Result<_, _>>()?;
            transaction.apply(set.writes).await?;
            Ok(stored)
        })
    })
    .await
}

fn lookup(batch: &[NewMemory]) -> Lookup {
    let mut lookup = Lookup::default();
    for NewMemory {
        fields,
        text,
        supersedes,
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

fn remember_one(
    set: &mut WorkingSet,
    new: NewMemory,
) -> Result<(MemoryId, RememberOutcome), StoreError> {
    let (project, topic) = (&new.fields.project, new.fields.topic_key.as_deref());
    let twin = set.with_text(project, &new.text.key).map(|twin| twin.id);
    let holder = set.with_topic(project, topic).map(|holder| holder.id);
    if let Some(old) = new.supersedes {
        return supersede(set, new, old, twin, holder);
    }
    match (twin, holder) {
        (None, None) => Ok((insert(set, new, None), RememberOutcome::Created)),
        (None, Some(holder)) => {
            upsert(set, new, holder)?;
            Ok((holder, RememberOutcome::Upserted))
        }
        (Some(twin), Some(holder)) if twin != holder => {
            // Another memory has this text already, so it takes over the topic key.
            refuse_protected(set.get(holder)?)?;
            set.retire(holder)?;
            merge(set, twin, new.fields, Some(holder))?;
            Ok((twin, RememberOutcome::Upserted))
        }
        (Some(twin), _) => {
            merge(set, twin, new.fields, None)?;
            Ok((twin, RememberOutcome::Merged))
        }
    }
}

/// Retires `old` in favor of `new`, or of the memory that has its text already.
fn supersede(
    set: &mut WorkingSet,
    mut new: NewMemory,
    old: MemoryId,
    twin: Option<MemoryId>,
    holder: Option<MemoryId>,
) -> Result<(MemoryId, RememberOutcome), StoreError> {
    let retired = set.get(old)?;
    let project = &retired.fields.project;
    if *project != new.fields.project {
        return Err(StoreError::Conflict(format!(
            "memory {old} belongs to the project {project:?}, not to {:?}; pass that project",
            new.fields.project
        )));
    }
    if retired.state != MemoryState::Active {
        return Err(StoreError::Conflict(format!(
            "memory {old} is {}, so nothing can supersede it; name the active version",
            retired.state.name()
        )));
    }
    if let Some(holder) = holder.filter(|holder| *holder != old && Some(*holder) != twin) {
        return Err(StoreError::Conflict(format!(
            "the topic key belongs to memory {holder}; supersede that one, or leave the key out"
        )));
    }
    if twin == Some(old) {
        merge(set, old, new.fields, None)?;
        return Ok((old, RememberOutcome::Merged));
    }
    refuse_protected(retired)?;
    // The new version inherits the topic key unless it names another.
    let inherited = retired.fields.topic_key.clone();
    new.fields.topic_key = new.fields.topic_key.or(inherited);
    set.retire(old)?;
    match twin {
        Some(twin) => {
            merge(set, twin, new.fields, Some(old))?;
            Ok((twin, RememberOutcome::Merged))
        }
        None => Ok((insert(set, new, Some(old)), RememberOutcome::Superseded)),
    }
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
        updated_at: set.at,
        retired_at: None,
        recalled_at: None,
        recall_count: 0,
        revision: 1,
    };
    set.insert(memory, Index::Text(new.text))
}

/// Merges the fields of `new` into the memory with the same text.
fn merge(
    set: &mut WorkingSet,
    id: MemoryId,
    new: MemoryFields,
    supersedes: Option<MemoryId>,
) -> Result<(), StoreError> {
    let mut memory = set.get(id)?.clone();
    if let (Some(held), Some(wanted)) = (&memory.fields.topic_key, &new.topic_key)
        && held != wanted
    {
        return Err(StoreError::Conflict(format!(
            "memory {id} says the same under the topic key {held:?}; use that key, or word it differently"
        )));
    }
    memory.supersedes = memory.supersedes.or(supersedes);
    let topic_key = new.topic_key.clone();
    join_fields(&mut memory.fields, new);
    memory.fields.topic_key = memory.fields.topic_key.or(topic_key);
    set.update(memory);
    Ok(())
}

/// Merges the fields of two equal texts, except their topic keys.
pub(super) fn join_fields(fields: &mut MemoryFields, new: MemoryFields) {
    fields.importance = fields.importance.max(new.importance);
    fields.tags.extend(new.tags);
    // No end wins over any end, and a later end over an earlier one.
    let both = fields.valid_until.zip(new.valid_until);
    fields.valid_until = both.map(|(held, new)| held.max(new));
}

/// Replaces the text and fields of the memory that holds the topic key of `new`.
fn upsert(set: &mut WorkingSet, new: NewMemory, holder: MemoryId) -> Result<(), StoreError> {
    let mut memory = set.get(holder)?.clone();
    refuse_protected(&memory)?;
    memory.position = set.next_position(&new.fields.thread);
    memory.fields = new.fields;
    set.update_text(memory, new.text)
}

fn refuse_protected(memory: &Memory) -> Result<(), StoreError> {
    match memory.protected {
        true => Err(StoreError::Protected(vec![memory.id])),
        false => Ok(()),
    }
}
