//! Editing stored memories, and the record that lets an edit be undone. Runs
//! inside a transaction of the caller's.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::{codes, rows, write};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::memory::{Before, Change, Edit, IndexedText, Memory, MemoryId, State};
use crate::store::{ProjectSet, StoreError};

/// See `MemoryStore::edit`.
pub fn edit(
    file: &Transaction<'_>,
    reach: &Reach,
    model: &str,
    edit: &Edit,
    at: Timestamp,
) -> Result<Vec<MemoryId>, StoreError> {
    if let Some(undone) = &edit.undoes {
        refuse_changed_since(file, undone)?;
    }
    let ids: Vec<MemoryId> = edit.changes.iter().map(|(id, _)| *id).collect();
    let memories = rows::fetch(file, &ids, &ProjectSet::readable(reach, &[]))?;
    let missing = |id: &&MemoryId| !memories.iter().any(|memory| memory.id == **id);
    let missing: Vec<MemoryId> = ids.iter().filter(missing).copied().collect();
    if !missing.is_empty() {
        return Err(StoreError::NoSuchMemory(missing));
    }
    if let Some(memory) = memories.iter().find(|each| !reach.can_write(&each.project)) {
        return Err(StoreError::NoAccess(memory.project.clone()));
    }
    let mut changed = Vec::new();
    for memory in &memories {
        let (_, change) = edit
            .changes
            .iter()
            .find(|(id, _)| *id == memory.id)
            .expect("fetched by these ids");
        if apply(file, model, memory, change, at)? {
            record(file, edit, memory, change, at)?;
            changed.push(memory.id);
        }
    }
    forget_old_records(file, at)?;
    codes::pack(file)?;
    Ok(changed)
}

/// Makes one change; `false` where the memory is so already.
fn apply(
    file: &Transaction<'_>,
    model: &str,
    memory: &Memory,
    change: &Change,
    at: Timestamp,
) -> Result<bool, StoreError> {
    match change {
        Change::Protect(protected) if *protected == memory.protected => return Ok(false),
        Change::Protect(protected) => {
            file.prepare_cached("UPDATE memory SET protected = ? WHERE id = ?")?
                .execute(params![protected, memory.id])?;
        }
        Change::Forget if memory.state == State::Archived => return Ok(false),
        Change::Restore if memory.state != State::Archived => return Ok(false),
        Change::Restore => restore(file, memory)?,
        Change::Forget | Change::Update { .. } if memory.protected => {
            return Err(StoreError::Protected(vec![memory.id]));
        }
        Change::Forget => set_state(file, memory.id, State::Archived)?,
        Change::Update {
            text,
            importance,
            tags,
        } => {
            // What is so already is no change, and makes no older version.
            let text = text.as_ref().filter(|new| new.content != memory.content);
            let importance = importance.filter(|new| *new != memory.importance);
            let tags = tags.as_ref().filter(|new| **new != memory.tags);
            if text.is_none() && importance.is_none() && tags.is_none() {
                return Ok(false);
            }
            update(file, model, memory, (text, importance, tags), at)?;
        }
    }
    file.prepare_cached("UPDATE memory SET updated_at = ?, revision = revision + 1 WHERE id = ?")?
        .execute([at.0, memory.id])?;
    Ok(true)
}

fn update(
    file: &Transaction<'_>,
    model: &str,
    memory: &Memory,
    (text, importance, tags): (Option<&IndexedText>, Option<f64>, Option<&BTreeSet<String>>),
    at: Timestamp,
) -> Result<(), StoreError> {
    if memory.state != State::Active {
        return Err(StoreError::Conflict(format!(
            "memory {} is {}, and only active ones can be updated",
            memory.id,
            memory.state.name()
        )));
    }
    if let Some(text) = text {
        refuse_twin(file, memory, &text.key)?;
        write::replace_text(file, model, memory.id, text, at)?;
    }
    if let Some(importance) = importance {
        file.prepare_cached("UPDATE memory SET importance = ? WHERE id = ?")?
            .execute(params![importance, memory.id])?;
    }
    if let Some(tags) = tags {
        write::replace_tags(file, memory.id, tags)?;
    }
    Ok(())
}

/// Archived becomes what it was: an older version if something replaced it,
/// else active, where no memory has taken its text or its key meanwhile.
fn restore(file: &Transaction<'_>, memory: &Memory) -> Result<(), StoreError> {
    let (retired, key): (bool, [u8; 32]) = file
        .prepare_cached("SELECT retired_at IS NOT NULL, text_key FROM memory WHERE id = ?")?
        .query_row([memory.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if retired {
        return set_state(file, memory.id, State::Superseded);
    }
    refuse_twin(file, memory, &key)?;
    if let Some(topic) = &memory.topic_key
        && let Some(holder) = write::active_with_topic(file, &memory.project, topic)?
    {
        return Err(StoreError::Conflict(format!(
            "memory {holder} holds the topic key {topic:?} by now, so memory {} cannot come back beside it",
            memory.id
        )));
    }
    set_state(file, memory.id, State::Active)
}

fn refuse_twin(file: &Transaction<'_>, memory: &Memory, key: &[u8; 32]) -> Result<(), StoreError> {
    match write::active_with_text(file, &memory.project, key)? {
        Some(twin) if twin != memory.id => Err(StoreError::Conflict(format!(
            "memory {twin} says the same already, so memory {} would be its double",
            memory.id
        ))),
        _ => Ok(()),
    }
}

fn set_state(file: &Transaction<'_>, id: MemoryId, state: State) -> Result<(), StoreError> {
    file.prepare_cached("UPDATE memory SET state = ? WHERE id = ?")?
        .execute(params![state.name(), id])?;
    Ok(())
}

fn record(
    file: &Transaction<'_>,
    edit: &Edit,
    memory: &Memory,
    change: &Change,
    at: Timestamp,
) -> Result<(), StoreError> {
    let text_changed = matches!(change, Change::Update { text: Some(_), .. });
    let tags =
        serde_json::to_string(&memory.tags).map_err(|error| StoreError::Defect(Box::new(error)))?;
    file.prepare_cached(
        "INSERT INTO memory_edit (undo_id, memory_id, revision, edited_at, text_changed, \
         importance, state, protected, reason, tags, content) \
         SELECT ?, id, revision, ?, ?, ?, ?, ?, ?, ?, ? FROM memory WHERE id = ?",
    )?
    .execute(params![
        edit.undo_id,
        at.0,
        text_changed,
        memory.importance,
        memory.state.name(),
        memory.protected,
        edit.reason,
        tags,
        memory.content,
        memory.id
    ])?;
    Ok(())
}

fn forget_old_records(file: &Transaction<'_>, at: Timestamp) -> Result<(), StoreError> {
    let oldest = at.plus_seconds(-limits::UNDO_DAYS_MAX * 24 * 3600);
    file.prepare_cached("DELETE FROM memory_edit WHERE edited_at < ?")?
        .execute([oldest.0])?;
    Ok(())
}

/// See `MemoryStore::before`.
pub fn before(
    file: &Transaction<'_>,
    reach: &Reach,
    undo_id: &str,
) -> Result<Vec<Before>, StoreError> {
    let unknown = || StoreError::NoSuchEdit(undo_id.to_owned());
    let mut projects = file.prepare_cached(
        "SELECT DISTINCT m.project FROM memory_edit e JOIN memory m ON m.id = e.memory_id \
         WHERE e.undo_id = ?",
    )?;
    let projects = projects.query_map([undo_id], |row| row.get::<_, String>(0))?;
    for project in projects {
        if !reach.can_read(&project?) {
            return Err(unknown());
        }
    }
    refuse_changed_since(file, undo_id)?;
    let mut statement = file.prepare_cached(
        "SELECT memory_id, text_changed, importance, state, protected, tags, content \
         FROM memory_edit WHERE undo_id = ? ORDER BY memory_id",
    )?;
    let mut records = statement.query([undo_id])?;
    let mut befores = Vec::new();
    while let Some(record) = records.next()? {
        let id: MemoryId = record.get(0)?;
        let now = rows::fetch(file, &[id], &ProjectSet::All)?.pop();
        let Some(mut memory) = now else { continue };
        let state: String = record.get(3)?;
        let tags: String = record.get(5)?;
        memory.importance = record.get(2)?;
        memory.state = State::from_name(&state).unwrap_or_default();
        memory.protected = record.get(4)?;
        memory.tags = serde_json::from_str(&tags).unwrap_or_default();
        memory.content = record.get(6)?;
        befores.push(Before {
            memory,
            text_changed: record.get(1)?,
        });
    }
    Ok(befores)
}

/// An edit can be undone only while nothing has changed its memories since.
fn refuse_changed_since(file: &Transaction<'_>, undo_id: &str) -> Result<(), StoreError> {
    let known: bool = file
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM memory_edit WHERE undo_id = ?)")?
        .query_row([undo_id], |row| row.get(0))?;
    if !known {
        return Err(StoreError::NoSuchEdit(undo_id.to_owned()));
    }
    let changed: Option<MemoryId> = file
        .prepare_cached(
            "SELECT m.id FROM memory_edit e JOIN memory m ON m.id = e.memory_id \
             WHERE e.undo_id = ? AND m.revision <> e.revision ORDER BY m.id LIMIT 1",
        )?
        .query_row([undo_id], |row| row.get(0))
        .optional()?;
    match changed {
        Some(id) => Err(StoreError::Conflict(format!(
            "memory {id} has changed since that edit, so undoing it would lose the later change"
        ))),
        None => Ok(()),
    }
}
