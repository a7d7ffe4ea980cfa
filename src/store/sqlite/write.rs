//! Storing memories: create, merge equal texts, upsert by topic key, supersede
//! by id; and the indexes that go with every text. Runs inside a transaction
//! of the caller's.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::codes;
use super::graph::link_memory;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::memory::{IndexedText, MemoryId, NewMemory, Outcome};
use crate::text;

/// See `MemoryStore::remember`.
pub fn remember(
    file: &Transaction<'_>,
    reach: &Reach,
    model: &str,
    batch: &[NewMemory],
    at: Timestamp,
) -> Result<Vec<(MemoryId, Outcome)>, StoreError> {
    let each = batch
        .iter()
        .map(|new| remember_one(file, reach, model, new, at));
    let stored = each.collect::<Result<_, _>>()?;
    codes::pack(file)?;
    Ok(stored)
}

fn remember_one(
    file: &Transaction<'_>,
    reach: &Reach,
    model: &str,
    new: &NewMemory,
    at: Timestamp,
) -> Result<(MemoryId, Outcome), StoreError> {
    if !reach.can_write(&new.project) {
        return Err(StoreError::NoAccess(new.project.clone()));
    }
    let twin = active_with_text(file, &new.project, &new.text.key)?;
    let holder = match &new.topic_key {
        Some(key) => active_with_topic(file, &new.project, key)?,
        None => None,
    };
    if let Some(old) = new.supersedes {
        return supersede(file, reach, model, new, old, twin, holder, at);
    }
    match (twin, holder) {
        (None, None) => {
            let id = insert(file, model, new, new.topic_key.as_deref(), at)?;
            Ok((id, Outcome::Created))
        }
        (None, Some(holder)) => {
            refuse_protected(file, holder)?;
            upsert(file, model, new, holder, at)?;
            Ok((holder, Outcome::Upserted))
        }
        (Some(twin), Some(holder)) if twin != holder => {
            // Another memory says this already: it becomes the key's.
            refuse_protected(file, holder)?;
            retire(file, holder, at)?;
            merge(file, twin, new, new.topic_key.as_deref(), Some(holder), at)?;
            Ok((twin, Outcome::Upserted))
        }
        (Some(twin), _) => {
            merge(file, twin, new, new.topic_key.as_deref(), None, at)?;
            Ok((twin, Outcome::Merged))
        }
    }
}

/// Retires `old` in favour of `new`, or of the memory that says the same.
#[allow(clippy::too_many_arguments)]
fn supersede(
    file: &Transaction<'_>,
    reach: &Reach,
    model: &str,
    new: &NewMemory,
    old: MemoryId,
    twin: Option<MemoryId>,
    holder: Option<MemoryId>,
    at: Timestamp,
) -> Result<(MemoryId, Outcome), StoreError> {
    let (project, state, topic): (String, String, Option<String>) = file
        .prepare_cached("SELECT project, state, topic_key FROM memory WHERE id = ?")?
        .query_row([old], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?
        .filter(|(project, _, _): &(String, _, _)| reach.can_read(project))
        .ok_or_else(|| StoreError::NoSuchMemory(vec![old]))?;
    if project != new.project {
        return Err(StoreError::Conflict(format!(
            "memory {old} belongs to the project {project:?}, not to {:?}; pass that project",
            new.project
        )));
    }
    if state != "active" {
        return Err(StoreError::Conflict(format!(
            "memory {old} is {state}, so nothing can supersede it; name the active version"
        )));
    }
    if let Some(holder) = holder.filter(|holder| *holder != old && Some(*holder) != twin) {
        return Err(StoreError::Conflict(format!(
            "the topic key belongs to memory {holder}; supersede that one, or leave the key out"
        )));
    }
    if twin == Some(old) {
        merge(file, old, new, new.topic_key.as_deref(), None, at)?;
        return Ok((old, Outcome::Merged));
    }
    refuse_protected(file, old)?;
    retire(file, old, at)?;
    // The key goes on with the chain unless the new version names another.
    let topic = new.topic_key.as_deref().or(topic.as_deref());
    if let Some(twin) = twin {
        merge(file, twin, new, topic, Some(old), at)?;
        return Ok((twin, Outcome::Merged));
    }
    let id = insert(file, model, new, topic, at)?;
    file.prepare_cached("UPDATE memory SET supersedes = ? WHERE id = ?")?
        .execute([old, id])?;
    Ok((id, Outcome::Superseded))
}

fn insert(
    file: &Transaction<'_>,
    model: &str,
    new: &NewMemory,
    topic_key: Option<&str>,
    at: Timestamp,
) -> Result<MemoryId, StoreError> {
    let position = next_position(file, &new.thread)?;
    file.prepare_cached(
        "INSERT INTO memory (project, category, importance, state, created_at, valid_until, \
         updated_at, position, text_key, thread, topic_key, content) \
         VALUES (?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.project,
        new.category.name(),
        new.importance,
        at.0,
        new.valid_until.map(|time| time.0),
        at.0,
        position,
        new.text.key,
        new.thread,
        topic_key,
        new.text.content,
    ])?;
    let id = file.last_insert_rowid();
    add_tags(file, id, &new.tags)?;
    index(file, model, id, &new.text)?;
    Ok(id)
}

/// Joins what `new` adds to the memory that says the same.
fn merge(
    file: &Transaction<'_>,
    id: MemoryId,
    new: &NewMemory,
    topic_key: Option<&str>,
    supersedes: Option<MemoryId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let held: Option<String> = file
        .prepare_cached("SELECT topic_key FROM memory WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    if let (Some(held), Some(wanted)) = (&held, topic_key)
        && held != wanted
    {
        return Err(StoreError::Conflict(format!(
            "memory {id} says the same under the topic key {held:?}; use that key, or word it differently"
        )));
    }
    // Said again without an end, it has none; said with one, the later holds.
    file.prepare_cached(
        "UPDATE memory SET importance = max(importance, ?1), \
         valid_until = CASE WHEN ?2 IS NULL THEN NULL ELSE max(valid_until, ?2) END, \
         topic_key = coalesce(topic_key, ?3), supersedes = coalesce(supersedes, ?4), \
         updated_at = ?5, revision = revision + 1 WHERE id = ?6",
    )?
    .execute(params![
        new.importance,
        new.valid_until.map(|time| time.0),
        topic_key,
        supersedes,
        at.0,
        id
    ])?;
    add_tags(file, id, &new.tags)
}

/// Puts `new` in the place of the memory that holds its topic key.
fn upsert(
    file: &Transaction<'_>,
    model: &str,
    new: &NewMemory,
    id: MemoryId,
    at: Timestamp,
) -> Result<(), StoreError> {
    replace_text(file, model, id, &new.text, at)?;
    let position = next_position(file, &new.thread)?;
    file.prepare_cached(
        "UPDATE memory SET category = ?, importance = ?, valid_until = ?, thread = ?, \
         position = ? WHERE id = ?",
    )?
    .execute(params![
        new.category.name(),
        new.importance,
        new.valid_until.map(|time| time.0),
        new.thread,
        position,
        id
    ])?;
    replace_tags(file, id, &new.tags)
}

/// Gives memory `id` another text. The old version stays, under an id of its
/// own, superseded, with its tags and its place in both indexes.
pub fn replace_text(
    file: &Transaction<'_>,
    model: &str,
    id: MemoryId,
    text: &IndexedText,
    at: Timestamp,
) -> Result<(), StoreError> {
    file.prepare_cached(
        "INSERT INTO memory (project, category, importance, state, created_at, retired_at, \
         valid_until, updated_at, supersedes, position, text_key, thread, topic_key, content) \
         SELECT project, category, importance, 'superseded', created_at, ?1, valid_until, ?1, \
         supersedes, position, text_key, thread, topic_key, content FROM memory WHERE id = ?2",
    )?
    .execute(params![at.0, id])?;
    let older = file.last_insert_rowid();
    file.prepare_cached(
        "INSERT INTO memory_tag (memory_id, tag) SELECT ?, tag FROM memory_tag WHERE memory_id = ?",
    )?
    .execute([older, id])?;
    file.prepare_cached("UPDATE memory_vector SET memory_id = ? WHERE memory_id = ?")?
        .execute([older, id])?;
    let content: String = file
        .prepare_cached("SELECT content FROM memory WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    index_words(file, older, &text::words(&content))?;
    file.prepare_cached("DELETE FROM memory_words WHERE rowid = ?")?
        .execute([id])?;
    file.prepare_cached(
        "UPDATE memory SET content = ?, text_key = ?, created_at = ?3, updated_at = ?3, \
         supersedes = ?, revision = revision + 1 WHERE id = ?",
    )?
    .execute(params![text.content, text.key, at.0, older, id])?;
    index(file, model, id, text)
}

/// Makes an active memory an older version.
pub fn retire(file: &Transaction<'_>, id: MemoryId, at: Timestamp) -> Result<(), StoreError> {
    file.prepare_cached(
        "UPDATE memory SET state = 'superseded', retired_at = ?1, updated_at = ?1, \
         revision = revision + 1 WHERE id = ?2",
    )?
    .execute([at.0, id])?;
    Ok(())
}

fn refuse_protected(file: &Transaction<'_>, id: MemoryId) -> Result<(), StoreError> {
    let protected: bool = file
        .prepare_cached("SELECT protected FROM memory WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    if protected {
        return Err(StoreError::Protected(vec![id]));
    }
    Ok(())
}

/// The active memory of `project` whose text is equal.
pub fn active_with_text(
    file: &Transaction<'_>,
    project: &str,
    key: &[u8; 32],
) -> Result<Option<MemoryId>, StoreError> {
    let found = file
        .prepare_cached(
            "SELECT id FROM memory WHERE project = ? AND text_key = ? AND state = 'active'",
        )?
        .query_row(params![project, key], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// The active memory of `project` that holds the topic key.
pub fn active_with_topic(
    file: &Transaction<'_>,
    project: &str,
    topic_key: &str,
) -> Result<Option<MemoryId>, StoreError> {
    let found = file
        .prepare_cached(
            "SELECT id FROM memory WHERE project = ? AND topic_key = ? AND state = 'active'",
        )?
        .query_row(params![project, topic_key], |row| row.get(0))
        .optional()?;
    Ok(found)
}

fn next_position(file: &Transaction<'_>, thread: &str) -> Result<i64, StoreError> {
    let last: Option<i64> = file
        .prepare_cached("SELECT max(position) FROM memory WHERE thread = ?")?
        .query_row([thread], |row| row.get(0))?;
    Ok(last.unwrap_or(0) + 1)
}

/// Gives a memory these tags too.
pub fn add_tags(
    file: &Transaction<'_>,
    id: MemoryId,
    tags: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let mut statement =
        file.prepare_cached("INSERT OR IGNORE INTO memory_tag (memory_id, tag) VALUES (?, ?)")?;
    for tag in tags {
        statement.execute(params![id, tag])?;
    }
    Ok(())
}

/// Gives a memory exactly these tags.
pub fn replace_tags(
    file: &Transaction<'_>,
    id: MemoryId,
    tags: &BTreeSet<String>,
) -> Result<(), StoreError> {
    file.prepare_cached("DELETE FROM memory_tag WHERE memory_id = ?")?
        .execute([id])?;
    add_tags(file, id, tags)
}

/// Enters a text into the keyword index and its vectors into the semantic one.
pub fn index(
    file: &Transaction<'_>,
    model: &str,
    id: MemoryId,
    text: &IndexedText,
) -> Result<(), StoreError> {
    index_words(file, id, &text.words)?;
    let Some(first) = text.vectors.first() else {
        return Ok(());
    };
    let model_id = model_id(file, model, first.len())?;
    let mut statement = file.prepare_cached(
        "INSERT INTO memory_vector (memory_id, model_id, window, vector) VALUES (?, ?, ?, ?)",
    )?;
    for (window, vector) in text.vectors.iter().enumerate() {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        statement.execute(params![
            id,
            model_id,
            i64::try_from(window).unwrap_or(0),
            bytes
        ])?;
    }
    Ok(())
}

fn index_words(file: &Transaction<'_>, id: MemoryId, words: &str) -> Result<(), StoreError> {
    file.prepare_cached("INSERT INTO memory_words (rowid, words) VALUES (?, ?)")?
        .execute(params![id, words])?;
    link_memory(file, id, words)
}

fn model_id(file: &Transaction<'_>, model: &str, dimensions: usize) -> Result<i64, StoreError> {
    let find = "SELECT id, dimensions FROM embedding_model WHERE name = ?";
    let wanted = i64::try_from(dimensions).unwrap_or(0);
    let found: Option<(i64, i64)> = file
        .prepare_cached(find)?
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

/// See `MemoryStore::recalled`.
pub fn recalled(file: &Transaction<'_>, ids: &[MemoryId], at: Timestamp) -> Result<(), StoreError> {
    let mut statement = file.prepare_cached(
        "UPDATE memory SET recall_count = recall_count + 1, recalled_at = ? WHERE id = ?",
    )?;
    for id in ids {
        statement.execute([at.0, *id])?;
    }
    Ok(())
}
