//! Vectors of another model on SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, codes, write};
use crate::limits;
use crate::meter::store::Op;
use crate::store::encoding::EncodingStore;
use crate::store::measured;
use crate::store::memory::{IndexedText, MemoryId, TextKey};
use crate::store::{StoreError, Stored};

impl EncodingStore for SqliteStore {
    fn models(&self) -> Stored<'_, Vec<String>> {
        measured(
            Op::Inventory,
            self.read(|file| {
                let mut statement = file.prepare("SELECT name FROM embedding_model ORDER BY id")?;
                let names = statement.query_map([], |row| row.get(0))?;
                Ok(names.collect::<Result<_, _>>()?)
            }),
        )
    }

    fn unencoded(
        &self,
        model: &str,
        after: MemoryId,
        limit: usize,
    ) -> Stored<'_, Vec<(MemoryId, String)>> {
        let model = model.to_owned();
        let sql = "SELECT id, content FROM memory m WHERE id > ?2 AND NOT EXISTS \
                   (SELECT 1 FROM memory_vector v WHERE v.memory_id = m.id \
                   AND v.model_id = (SELECT id FROM embedding_model WHERE name = ?1)) \
                   ORDER BY id LIMIT ?3";
        measured(
            Op::Unencoded,
            self.read(move |file| {
                let mut statement = file.prepare_cached(sql)?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let found = statement.query_map(params![model, after, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
                Ok(found.collect::<Result<_, _>>()?)
            }),
        )
    }

    fn add_vectors(&self, model: &str, texts: Vec<(MemoryId, IndexedText)>) -> Stored<'_, ()> {
        let model = model.to_owned();
        measured(
            Op::AddVectors,
            self.write(move |file| {
                for (id, text) in &texts {
                    if is_due(file, &model, *id, &text.key)? {
                        write::add_vectors(file, &model, *id, &text.vectors)?;
                    }
                }
                codes::pack(file).map(drop)
            }),
        )
    }

    fn remove_other_vectors(&self, model: &str) -> Stored<'_, bool> {
        let model = model.to_owned();
        measured(
            Op::RemoveVectors,
            self.write(move |file| remove_others(file, &model)),
        )
    }
}

/// Whether the memory has this text and no vector of `model`.
fn is_due(file: &Connection, model: &str, id: MemoryId, key: &TextKey) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM memory_vector v \
               JOIN embedding_model e ON e.id = v.model_id \
               WHERE v.memory_id = m.id AND e.name = ?2) \
               FROM memory m WHERE m.id = ?1 AND m.text_key = ?3";
    let mut statement = file.prepare_cached(sql)?;
    let is_due = statement.query_row(params![id, model, key], |row| row.get(0));
    Ok(is_due.optional()?.unwrap_or(false))
}

/// The codes are removed first: a vector without one is compared exactly.
fn remove_others(file: &Connection, model: &str) -> Result<bool, StoreError> {
    let other = "model_id IN (SELECT id FROM embedding_model WHERE name <> ?1)";
    let codes = format!("DELETE FROM memory_code WHERE {other}");
    file.execute(&codes, [model])?;
    file.execute(
        "UPDATE embedding_model SET coded = 0 WHERE name <> ?1",
        [model],
    )?;
    let most = limits::VECTORS_REMOVED_AT_ONCE_MAX;
    let vectors = format!(
        "DELETE FROM memory_vector WHERE id IN \
         (SELECT id FROM memory_vector WHERE {other} LIMIT {most})"
    );
    if file.execute(&vectors, [model])? == most {
        return Ok(true);
    }
    file.execute("DELETE FROM embedding_model WHERE name <> ?1", [model])?;
    Ok(false)
}
