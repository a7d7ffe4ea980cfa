//! Writes memories: the lookups of a transaction, and its changes of rows and of the
//! indexes of every text.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::graph::link_memory;
use super::{checksum, features, rows};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::memory::{
    EditRecord, Identity, Index, IndexedText, Lookup, LookupResult, Memory, MemoryId, MemoryState,
    Write,
};
use crate::store::{ProjectSet, StoreError};
use crate::text;

/// See `MemoryTransaction::look_up`.
pub(super) fn look_up(
    file: &Connection,
    reach: &Reach,
    lookup: &Lookup,
) -> Result<LookupResult, StoreError> {
    let mut ids: BTreeSet<MemoryId> = lookup.ids.iter().copied().collect();
    let mut with_text = file.prepare_cached(
        "SELECT id FROM memory WHERE project = ? AND text_key = ? AND state = 'active'",
    )?;
    for (project, key) in &lookup.texts {
        let found = with_text.query_row(params![project, key], |row| row.get(0));
        ids.extend(found.optional()?.into_iter().collect::<Vec<MemoryId>>());
    }
    let mut with_topic = file.prepare_cached(
        "SELECT id FROM memory WHERE project = ? AND topic_key = ? AND state = 'active'",
    )?;
    for (project, topic) in &lookup.topics {
        let found = with_topic.query_row([project, topic], |row| row.get(0));
        ids.extend(found.optional()?.into_iter().collect::<Vec<MemoryId>>());
    }
    for identity in &lookup.identities {
        ids.extend(identify(file, identity)?);
    }
    let ids: Vec<MemoryId> = ids.into_iter().collect();
    let mut last = file.prepare_cached("SELECT max(position) FROM memory WHERE thread = ?")?;
    let mut positions = HashMap::new();
    for thread in &lookup.threads {
        let position: Option<i64> = last.query_row([thread], |row| row.get(0))?;
        positions.extend(position.map(|position| (thread.clone(), position)));
    }
    let used: Option<MemoryId> = file
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'memory'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(LookupResult {
        memories: match ids.is_empty() {
            true => Vec::new(),
            false => rows::fetch(file, &ids, &ProjectSet::readable(reach, &[]))?,
        },
        positions,
        next_id: used.unwrap_or(0) + 1,
    })
}

/// The first memory of this identity.
pub(super) fn identify(
    file: &Connection,
    identity: &Identity,
) -> Result<Option<MemoryId>, StoreError> {
    let sql = "SELECT id FROM memory WHERE thread = ?1 AND position = ?2 AND project = ?3 \
               AND text_key = ?4 AND (?5 IS NULL OR created_at = ?5) ORDER BY id LIMIT 1";
    let values = params![
        identity.thread,
        identity.position,
        identity.project,
        identity.key,
        identity.created_at.map(|time| time.0)
    ];
    let found = file
        .prepare_cached(sql)?
        .query_row(values, |row| row.get(0));
    Ok(found.optional()?)
}

/// See `MemoryTransaction::apply`.
pub(super) fn apply(
    file: &Connection,
    reach: &Reach,
    model: &str,
    writes: &[Write],
) -> Result<(), StoreError> {
    for write in writes {
        match write {
            Write::Insert { memory, index } => {
                refuse_beyond(reach, memory)?;
                rows::insert(file, memory)?;
                match index {
                    Index::Text(text) => {
                        add_to_indexes(file, model, memory.id, text)?;
                        features::add(file, memory)?;
                    }
                    Index::MovedFrom(other) => {
                        move_index_entries(file, memory, *other)?;
                        features::derive(file, memory)?;
                    }
                }
            }
            Write::Update { memory, text } => {
                refuse_beyond(reach, memory)?;
                if text.is_some() {
                    refuse_move_from_beyond(file, reach, memory.id)?;
                }
                rows::update(file, memory, text.is_some())?;
                if let Some(text) = text {
                    file.prepare_cached("DELETE FROM memory_words WHERE rowid = ?")?
                        .execute([memory.id])?;
                    add_to_indexes(file, model, memory.id, text)?;
                    features::derive(file, memory)?;
                }
            }
            Write::LogEdit(record) => log_edit(file, record)?,
            Write::ForgetEdits(before) => {
                file.prepare_cached("DELETE FROM memory_edit WHERE edited_at < ?")?
                    .execute([before.0])?;
            }
        }
    }
    Ok(())
}

fn refuse_beyond(reach: &Reach, memory: &Memory) -> Result<(), StoreError> {
    let project = &memory.fields.project;
    match reach.can_write(project) {
        true => Ok(()),
        false => Err(StoreError::NoAccess(project.clone())),
    }
}

/// A text may move to another project, so the one it is in counts as well.
fn refuse_move_from_beyond(
    file: &Connection,
    reach: &Reach,
    id: MemoryId,
) -> Result<(), StoreError> {
    let project: String = file
        .prepare_cached("SELECT project FROM memory WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NoSuchMemory(vec![id]))?;
    match (reach.can_write(&project), reach.can_read(&project)) {
        (true, _) => Ok(()),
        (false, true) => Err(StoreError::NoAccess(project)),
        (false, false) => Err(StoreError::NoSuchMemory(vec![id])),
    }
}

fn add_to_indexes(
    file: &Connection,
    model: &str,
    id: MemoryId,
    text: &IndexedText,
) -> Result<(), StoreError> {
    add_words(file, id, &text.words)?;
    link_memory(file, id, &text::words(&text.content))?;
    add_vectors(file, model, id, &text.vectors)
}

pub(super) fn add_vectors(
    file: &Connection,
    model: &str,
    id: MemoryId,
    vectors: &[Vec<f32>],
) -> Result<(), StoreError> {
    let Some(first) = vectors.first() else {
        return Ok(());
    };
    let model_id = model_id(file, model, first.len())?;
    let mut statement = file.prepare_cached(
        "INSERT INTO memory_vector (memory_id, model_id, window, vector) VALUES (?, ?, ?, ?)",
    )?;
    for (window, vector) in vectors.iter().enumerate() {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let window = i64::try_from(window).unwrap_or(0);
        statement.execute(params![id, model_id, window, bytes])?;
        checksum::seal_vector(file, &bytes)?;
    }
    Ok(())
}

/// Moves the vectors of a memory to the older version with its former text.
fn move_index_entries(
    file: &Connection,
    memory: &Memory,
    other: MemoryId,
) -> Result<(), StoreError> {
    file.prepare_cached("UPDATE memory_vector SET memory_id = ? WHERE memory_id = ?")?
        .execute([memory.id, other])?;
    add_words(file, memory.id, &text::index_words(&memory.content))?;
    link_memory(file, memory.id, &text::words(&memory.content))
}

fn add_words(file: &Connection, id: MemoryId, words: &str) -> Result<(), StoreError> {
    file.prepare_cached("INSERT INTO memory_words (rowid, words) VALUES (?, ?)")?
        .execute(params![id, words])?;
    Ok(())
}

fn model_id(file: &Connection, model: &str, dimensions: usize) -> Result<i64, StoreError> {
    let wanted = i64::try_from(dimensions).unwrap_or(0);
    let found: Option<(i64, i64)> = file
        .prepare_cached("SELECT id, dimensions FROM embedding_model WHERE name = ?")?
        .query_row([model], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((id, dimensions)) if dimensions == wanted => Ok(id),
        Some((_, dimensions)) => Err(StoreError::Conflict(format!(
            "the embedding model {model:?} gave {wanted} dimensions, and {dimensions} before"
        ))),
        None => {
            file.execute(
                "INSERT INTO embedding_model (name, dimensions) VALUES (?, ?)",
                params![model, wanted],
            )?;
            Ok(file.last_insert_rowid())
        }
    }
}

fn log_edit(file: &Connection, record: &EditRecord) -> Result<(), StoreError> {
    file.prepare_cached(
        "INSERT INTO memory_edit (undo_id, memory_id, revision, edited_at, text_changed, \
         importance, state, protected, reason, tags, content, project, said_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        record.undo_id,
        record.memory,
        record.revision,
        record.edited_at.0,
        record.text_changed,
        record.importance,
        record.state.name(),
        record.protected,
        record.reason,
        rows::json(&record.tags),
        record.content,
        record.project,
        record.said_at.map(|time| time.0),
    ])?;
    Ok(())
}

/// See `MemoryTransaction::edit_records`.
pub(super) fn edit_records(
    file: &Connection,
    reach: &Reach,
    undo_id: &str,
) -> Result<Vec<EditRecord>, StoreError> {
    let mut statement = file.prepare_cached(
        "SELECT e.memory_id, e.revision, e.edited_at, e.text_changed, e.importance, e.state, \
         e.protected, e.reason, e.tags, e.content, m.project, e.project, e.said_at \
         FROM memory_edit e JOIN memory m ON m.id = e.memory_id \
         WHERE e.undo_id = ? ORDER BY e.memory_id",
    )?;
    let mut rows = statement.query([undo_id])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let project: String = row.get(10)?;
        if !reach.can_read(&project) {
            return Ok(Vec::new());
        }
        let state: String = row.get(5)?;
        let tags: String = row.get(8)?;
        records.push(EditRecord {
            undo_id: undo_id.to_owned(),
            memory: row.get(0)?,
            revision: row.get(1)?,
            edited_at: Timestamp(row.get(2)?),
            text_changed: row.get(3)?,
            importance: row.get(4)?,
            state: MemoryState::from_name(&state).unwrap_or_default(),
            protected: row.get(6)?,
            reason: row.get(7)?,
            tags: serde_json::from_str(&tags).unwrap_or_default(),
            content: row.get(9)?,
            project: row.get(11)?,
            said_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        });
    }
    Ok(records)
}

pub(super) fn record_recalls(
    file: &Connection,
    ids: &[MemoryId],
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut statement = file.prepare_cached(
        "UPDATE memory SET recall_count = recall_count + 1, recalled_at = ? WHERE id = ?",
    )?;
    for id in ids {
        checksum::changing(file, *id, || Ok(statement.execute([at.0, *id])?))?;
    }
    Ok(())
}
