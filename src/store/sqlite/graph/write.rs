//! Changing the graph. Runs inside a transaction of the caller's.

use rusqlite::params;

use super::links;
use super::snapshot::{Snapshot, insert_triple};
use crate::store::StoreError;
use crate::store::graph::{
    EntityId, GraphSnapshot, GraphTransaction, TYPE_SHIFT, Triple, TripleId, WordId,
};

impl GraphTransaction for Snapshot<'_> {
    fn intern(&self, word: &str) -> Result<WordId, StoreError> {
        if let Some(id) = self.word_id(word)? {
            return Ok(id);
        }
        self.file
            .prepare_cached("INSERT INTO graph_word (word) VALUES (?)")?
            .execute([word])?;
        Ok(self.file.last_insert_rowid())
    }

    fn new_entity(&self, kind: WordId, key: &str, name: &str) -> Result<EntityId, StoreError> {
        let last: Option<EntityId> = self
            .file
            .prepare_cached("SELECT max(id) FROM entity WHERE id BETWEEN ? AND ?")?
            .query_row(
                [kind << TYPE_SHIFT, ((kind + 1) << TYPE_SHIFT) - 1],
                |row| row.get(0),
            )?;
        let id = last.unwrap_or(kind << TYPE_SHIFT) + 1;
        self.file
            .prepare_cached("INSERT INTO entity (id, key, name) VALUES (?, ?, ?)")?
            .execute(params![id, key, name])?;
        Ok(id)
    }

    fn retype(
        &self,
        entity: EntityId,
        kind: WordId,
        key: &str,
        name: &str,
    ) -> Result<EntityId, StoreError> {
        let id = self.new_entity(kind, key, name)?;
        for sql in [
            "UPDATE triple SET subject = ?1 WHERE subject = ?2",
            "UPDATE triple SET object = ?1 WHERE object = ?2",
            "UPDATE entity_name SET entity = ?1 WHERE entity = ?2",
            "UPDATE memory_entity SET entity = ?1 WHERE entity = ?2",
        ] {
            self.file.prepare_cached(sql)?.execute([id, entity])?;
        }
        self.file
            .prepare_cached("DELETE FROM entity WHERE id = ?")?
            .execute([entity])?;
        Ok(id)
    }

    fn add_name(
        &self,
        entity: EntityId,
        project: WordId,
        key: &str,
        name: &str,
    ) -> Result<bool, StoreError> {
        let backwards: String = key.chars().rev().collect();
        let added = self
            .file
            .prepare_cached(
                "INSERT OR IGNORE INTO entity_name (key, project, entity, backwards, name) \
                 VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![key, project, entity, backwards, name])?;
        if added > 0 {
            links::link_entity(self.file, entity, project, key)?;
        }
        Ok(added > 0)
    }

    fn said(
        &self,
        subject: EntityId,
        predicate: WordId,
        object: Option<EntityId>,
        project: WordId,
    ) -> Result<Vec<Triple>, StoreError> {
        match object {
            Some(object) => self.said_triples(
                "subject = ? AND predicate = ? AND object = ? AND project = ?",
                [subject, predicate, object, project],
            ),
            None => self.said_triples(
                "subject = ? AND predicate = ? AND project = ?",
                [subject, predicate, project],
            ),
        }
    }

    fn insert(&self, triple: &Triple) -> Result<TripleId, StoreError> {
        insert_triple(self.file, triple)
    }

    fn update(&self, triple: &Triple) -> Result<(), StoreError> {
        self.file
            .prepare_cached(
                "UPDATE triple SET confidence = ?, since = ?, until = ?, closed = ?, \
                 closed_at = ? WHERE id = ?",
            )?
            .execute(params![
                triple.confidence,
                triple.since.0,
                triple.until.map(|time| time.0),
                triple.closed.map(|(closed, _)| closed.name()),
                triple.closed.map(|(_, at)| at.0),
                triple.id,
            ])?;
        Ok(())
    }

    fn count_uses(&self, predicate: WordId, triples: u64) -> Result<(), StoreError> {
        self.file
            .prepare_cached("UPDATE graph_word SET uses = uses + ? WHERE id = ?")?
            .execute(params![
                i64::try_from(triples).unwrap_or(i64::MAX),
                predicate
            ])?;
        Ok(())
    }
}
