//! Editing, and the record that lets an edit be undone.

use std::collections::{BTreeSet, HashSet};

use super::{WorkingSet, transact};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::memory::{
    EditRecord, IndexedText, Lookup, Memory, MemoryId, MemoryState, MemoryStore, TextKey, Write,
};

/// A change to stored memories: all of them or none.
#[derive(Clone, Debug)]
pub struct Edit {
    pub changes: Vec<(MemoryId, MemoryChange)>,
    /// Why, in the caller's words; kept with the record of the edit.
    pub reason: Option<String>,
    /// The name under which the edit can be undone.
    pub undo_id: String,
    /// The earlier edit this one undoes: refused if any of its memories has
    /// changed since.
    pub undoes: Option<String>,
    /// Report what would change, without changing it.
    pub dry_run: bool,
}

#[derive(Clone, Debug)]
pub enum MemoryChange {
    /// The given fields take new values; a new text keeps the old one as an
    /// older version.
    Update {
        text: Option<IndexedText>,
        importance: Option<f64>,
        tags: Option<BTreeSet<String>>,
        /// The inner `None` takes it away.
        said_at: Option<Option<Timestamp>>,
        destination: Option<Box<Destination>>,
    },
    /// Active or superseded becomes archived.
    Forget,
    /// Archived returns to its earlier state.
    Restore,
    Protect(bool),
}

/// The project that a memory moves to.
#[derive(Clone, Debug)]
pub struct Destination {
    pub project: String,
    /// The text it has, indexed again: vectors belong to a project.
    pub text: IndexedText,
}

/// Makes an edit and returns the ids of the changed memories.
pub async fn edit(
    store: &dyn MemoryStore,
    reach: &Reach,
    model: &str,
    edit: Edit,
    at: Timestamp,
) -> Result<Vec<MemoryId>, StoreError> {
    transact(store, reach, model, edit.dry_run, move |transaction| {
        Box::pin(async move {
            let undone = match &edit.undoes {
                Some(undo_id) => transaction.edit_records(undo_id).await?,
                None => Vec::new(),
            };
            let edited = edit.changes.iter().map(|(id, _)| *id);
            let ids = edited.chain(undone.iter().map(|record| record.memory));
            let lookup = Lookup {
                ids: ids.collect(),
                ..Lookup::default()
            };
            let mut set = WorkingSet::new(transaction.look_up(&lookup).await?, at);
            if let Some(undo_id) = &edit.undoes {
                refuse_changed_since(undo_id, &undone, set.memories.values())?;
            }
            let conflicting = conflicting(&set, &edit)?;
            set.extend(transaction.look_up(&conflicting).await?);
            let changed = make(&mut set, edit)?;
            let oldest = at.plus_seconds(-limits::UNDO_DAYS_MAX * 24 * 3600);
            set.writes.push(Write::ForgetEdits(oldest));
            transaction.apply(set.writes).await?;
            Ok(changed)
        })
    })
    .await
}

/// The memories that may hold the text or the topic key which an edit gives to
/// another.
fn conflicting(set: &WorkingSet, edit: &Edit) -> Result<Lookup, StoreError> {
    let missing =
        |(id, _): &(MemoryId, MemoryChange)| (!set.memories.contains_key(id)).then_some(*id);
    let missing: Vec<MemoryId> = edit.changes.iter().filter_map(missing).collect();
    if !missing.is_empty() {
        return Err(StoreError::NoSuchMemory(missing));
    }
    let mut lookup = Lookup::default();
    for (id, change) in &edit.changes {
        let memory = set.get(*id)?;
        let project = || memory.fields.project.clone();
        match change {
            MemoryChange::Update {
                text, destination, ..
            } => {
                let moved = destination.as_ref().map(|to| to.project.clone());
                let text = text.as_ref().or(destination.as_ref().map(|to| &to.text));
                let project = moved.clone().unwrap_or_else(project);
                lookup
                    .texts
                    .extend(text.map(|text| (project.clone(), text.key)));
                let topic = memory.fields.topic_key.clone().filter(|_| moved.is_some());
                lookup.topics.extend(topic.map(|topic| (project, topic)));
            }
            MemoryChange::Restore => {
                lookup.texts.push((project(), memory.text_key));
                let topic = memory.fields.topic_key.iter().cloned();
                lookup.topics.extend(topic.map(|topic| (project(), topic)));
            }
            _ => {}
        }
    }
    Ok(lookup)
}

fn make(set: &mut WorkingSet, edit: Edit) -> Result<Vec<MemoryId>, StoreError> {
    let mut seen = HashSet::new();
    let mut changed = Vec::new();
    for (id, change) in edit.changes {
        if !seen.insert(id) {
            continue;
        }
        let before = set.get(id)?.clone();
        let text_changed = match &change {
            MemoryChange::Update {
                text, destination, ..
            } => text.is_some() || destination.is_some(),
            _ => false,
        };
        if !apply(set, &before, change)? {
            continue;
        }
        let record = EditRecord {
            undo_id: edit.undo_id.clone(),
            memory: id,
            revision: set.get(id)?.revision,
            edited_at: set.at,
            text_changed,
            importance: before.fields.importance,
            state: before.state,
            protected: before.protected,
            reason: edit.reason.clone(),
            tags: before.fields.tags,
            content: before.content,
            project: Some(before.fields.project),
            said_at: before.fields.said_at,
        };
        set.writes.push(Write::LogEdit(record));
        changed.push(id);
    }
    Ok(changed)
}

/// Makes one change; `false` if it changes nothing.
fn apply(set: &mut WorkingSet, memory: &Memory, change: MemoryChange) -> Result<bool, StoreError> {
    let mut new = memory.clone();
    match change {
        MemoryChange::Protect(protected) if protected == memory.protected => return Ok(false),
        MemoryChange::Protect(protected) => new.protected = protected,
        MemoryChange::Forget if memory.state == MemoryState::Archived => return Ok(false),
        MemoryChange::Restore if memory.state != MemoryState::Archived => return Ok(false),
        MemoryChange::Restore => new.state = restored(set, memory)?,
        MemoryChange::Forget | MemoryChange::Update { .. } if memory.protected => {
            return Err(StoreError::Protected(vec![memory.id]));
        }
        MemoryChange::Forget => new.state = MemoryState::Archived,
        MemoryChange::Update {
            text,
            importance,
            tags,
            said_at,
            destination,
        } => {
            new.fields.importance = importance.unwrap_or(new.fields.importance);
            new.fields.tags = tags.unwrap_or(new.fields.tags);
            new.fields.said_at = said_at.unwrap_or(new.fields.said_at);
            // An unchanged text makes no older version.
            let text = text.filter(|new| new.content != memory.content);
            let destination = destination.filter(|to| to.project != memory.fields.project);
            let text = match destination {
                None => text,
                Some(to) => Some(moved(set, &mut new, *to, text)?),
            };
            if text.is_none() && new == *memory {
                return Ok(false);
            }
            if memory.state != MemoryState::Active {
                return Err(StoreError::Conflict(format!(
                    "memory {} is {}, and only active ones can be updated",
                    memory.id,
                    memory.state.name()
                )));
            }
            if let Some(text) = text {
                refuse_duplicate(set, &new, &text.key)?;
                set.edit_text(new, text)?;
                return Ok(true);
            }
        }
    }
    set.update(new);
    Ok(true)
}

/// Sets the project of `memory`; the text it then has.
fn moved(
    set: &WorkingSet,
    memory: &mut Memory,
    to: Destination,
    text: Option<IndexedText>,
) -> Result<IndexedText, StoreError> {
    let id = memory.id;
    if text.is_none() && to.text.content != memory.content {
        return Err(StoreError::Conflict(format!(
            "memory {id} has just been changed by another call; try again"
        )));
    }
    let topic = memory.fields.topic_key.as_deref();
    if let Some(holder) = set.with_topic(&to.project, topic) {
        return Err(StoreError::Conflict(format!(
            "memory {} holds the topic key of memory {id} in the project {:?}; forget one of them",
            holder.id, to.project
        )));
    }
    memory.fields.project = to.project;
    Ok(text.unwrap_or(to.text))
}

/// The state of an archived memory after its restore: superseded if a later version
/// replaced it, else active. A conflict if another active memory has its text or
/// its topic key by now.
fn restored(set: &WorkingSet, memory: &Memory) -> Result<MemoryState, StoreError> {
    if memory.retired_at.is_some() {
        return Ok(MemoryState::Superseded);
    }
    refuse_duplicate(set, memory, &memory.text_key)?;
    let topic = memory.fields.topic_key.as_deref();
    match set.with_topic(&memory.fields.project, topic) {
        None => Ok(MemoryState::Active),
        Some(holder) => Err(StoreError::Conflict(format!(
            "memory {} holds the topic key {:?} by now, so memory {} cannot come back beside it",
            holder.id,
            topic.unwrap_or_default(),
            memory.id
        ))),
    }
}

fn refuse_duplicate(set: &WorkingSet, memory: &Memory, key: &TextKey) -> Result<(), StoreError> {
    match set.with_text(&memory.fields.project, key) {
        Some(twin) if twin.id != memory.id => Err(StoreError::Conflict(format!(
            "memory {} says the same already, so memory {} would be its double",
            twin.id, memory.id
        ))),
        _ => Ok(()),
    }
}

/// An edit can be undone only while nothing has changed its memories since.
pub(in crate::memory) fn refuse_changed_since<'a>(
    undo_id: &str,
    records: &[EditRecord],
    memories: impl IntoIterator<Item = &'a Memory>,
) -> Result<(), StoreError> {
    if records.is_empty() {
        return Err(StoreError::NoSuchEdit(undo_id.to_owned()));
    }
    let changed = |memory: &&Memory| {
        let mut of_it = records.iter().filter(|record| record.memory == memory.id);
        of_it.any(|record| record.revision != memory.revision)
    };
    match memories.into_iter().find(changed) {
        Some(Memory { id, .. }) => Err(StoreError::Conflict(format!(
            "memory {id} has changed since that edit, so undoing it would lose the later change"
        ))),
        None => Ok(()),
    }
}

/// The change that reverts `current` to the recorded state.
pub(in crate::memory) fn inverse(
    was: EditRecord,
    current: &Memory,
    text: Option<IndexedText>,
) -> MemoryChange {
    if was.state != current.state {
        return match was.state {
            MemoryState::Archived => MemoryChange::Forget,
            MemoryState::Active | MemoryState::Superseded => MemoryChange::Restore,
        };
    }
    if was.protected != current.protected {
        return MemoryChange::Protect(was.protected);
    }
    let back = was.project.filter(|was| *was != current.fields.project);
    let destination = back.zip(text.clone());
    MemoryChange::Update {
        text,
        importance: Some(was.importance),
        tags: Some(was.tags),
        said_at: Some(was.said_at),
        destination: destination.map(|(project, text)| Box::new(Destination { project, text })),
    }
}
