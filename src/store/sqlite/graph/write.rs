//! Writes to the graph, in the transaction of a unit of work.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::links;
use super::snapshot::{Snapshot, TRIPLE, list, query, triple_from, word_ids, words};
use crate::caller::Reach;
use crate::store::graph::{
    EntityId, EntityName, GraphTransaction, NewEntity, Statement, TYPE_SHIFT, Triple, TripleId,
    WordId,
};
use crate::store::{StoreError, Stored};
use crate::text;

impl GraphTransaction for Snapshot<'_, '_> {
    fn intern<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<WordId>> {
        self.unit.call(|file| {
            let mut insert = file.prepare_cached("INSERT INTO graph_word (word) VALUES (?)")?;
            let mut known: HashMap<&str, WordId> = HashMap::new();
            let mut ids = Vec::with_capacity(words.len());
            for word in words {
                if let Some(id) = known.get(word) {
                    ids.push(*id);
                    continue;
                }
                let id = match word_ids(file, &[*word])?[..] {
                    [Some(id)] => id,
                    _ => insert.insert([word])?,
                };
                known.insert(word, id);
                ids.push(id);
            }
            self.visible.see(&self.reach, &known);
            Ok(ids)
        })
    }

    fn create<'a>(&'a self, entities: &'a [NewEntity]) -> Stored<'a, Vec<EntityId>> {
        self.unit.call(|file| create(file, entities, &self.reach))
    }

    fn rekey<'a>(&'a self, entity: EntityId, new: &'a NewEntity) -> Stored<'a, EntityId> {
        self.unit.call(|file| {
            let known: Option<EntityId> = file
                .prepare_cached("SELECT id FROM entity WHERE key = ?")?
                .query_row([&new.key], |row| row.get(0))
                .optional()?;
            if known == Some(entity) {
                file.prepare_cached("UPDATE entity SET name = ? WHERE id = ?")?
                    .execute(params![new.name, entity])?;
                return Ok(entity);
            }
            let id = match known {
                Some(id) => id,
                None => create(file, std::slice::from_ref(new), &self.reach)?[0],
            };
            // NULL stands for every project.
            let own = self.writable(file)?.map(|projects| list(&projects));
            for sql in [
                "UPDATE triple SET subject = ?1 WHERE subject = ?2 \
                 AND (?3 IS NULL OR project IN (SELECT value FROM json_each(?3)))",
                "UPDATE triple SET object = ?1 WHERE object = ?2 \
                 AND (?3 IS NULL OR project IN (SELECT value FROM json_each(?3)))",
                "UPDATE OR REPLACE entity_name SET entity = ?1 WHERE entity = ?2 \
                 AND (?3 IS NULL OR project IN (SELECT value FROM json_each(?3)))",
                "UPDATE OR REPLACE memory_entity SET entity = ?1 WHERE entity = ?2 \
                 AND (?3 IS NULL OR (SELECT w.id FROM memory m JOIN graph_word w \
                 ON w.word = m.project WHERE m.id = memory_id) IN (SELECT value FROM json_each(?3)))",
            ] {
                file.prepare_cached(sql)?
                    .execute(params![id, entity, own])?;
            }
            file.prepare_cached(
                "DELETE FROM entity WHERE id = ?1 \
                 AND NOT EXISTS (SELECT 1 FROM entity_name WHERE entity = ?1)",
            )?
            .execute([entity])?;
            Ok(id)
        })
    }

    fn add_names<'a>(&'a self, names: &'a [EntityName]) -> Stored<'a, ()> {
        self.unit.call(|file| {
            self.check_access(file, names.iter().map(|name| name.project))?;
            let mut insert = file.prepare_cached(
                "INSERT OR IGNORE INTO entity_name (key, project, entity, backwards, words, name) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for new in names {
                let backwards: String = new.key.chars().rev().collect();
                let words = text::name_words(&new.name);
                let row = params![new.key, new.project, new.entity, backwards, words, new.name];
                if insert.execute(row)? > 0 {
                    links::link_entity(file, new.entity, new.project, &words)?;
                }
            }
            Ok(())
        })
    }

    fn stating<'a>(
        &'a self,
        statements: &'a [Statement],
        project: WordId,
    ) -> Stored<'a, Vec<Triple>> {
        self.unit.call(|file| {
            let of = |object| {
                format!(
                    "SELECT {TRIPLE} FROM triple INDEXED BY triple_spo \
                     WHERE subject = ? AND predicate = ? AND project = ? {object}"
                )
            };
            let (of_subject, of_both) = (of(""), of("AND object = ?"));
            let mut found = Vec::new();
            for said in statements {
                let known = (said.subject, said.predicate, project);
                found.append(&mut match said.object {
                    None => query(file, &of_subject, known, triple_from)?,
                    Some(object) => {
                        let (subject, predicate, project) = known;
                        let all = (subject, predicate, project, object);
                        query(file, &of_both, all, triple_from)?
                    }
                });
            }
            Ok(found)
        })
    }

    fn insert<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, Vec<TripleId>> {
        self.unit.call(|file| {
            self.check_access(file, triples.iter().map(|triple| triple.project))?;
            let mut insert = file.prepare_cached(
                "INSERT INTO triple (subject, predicate, object, project, since, until, \
                 confidence, source, recorded_at, closed, closed_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            let mut uses: HashMap<WordId, i64> = HashMap::new();
            let mut ids = Vec::with_capacity(triples.len());
            for new in triples {
                ids.push(insert.insert(params![
                    new.subject,
                    new.predicate,
                    new.object,
                    new.project,
                    new.since.0,
                    new.until.map(|time| time.0),
                    new.confidence,
                    new.source,
                    new.recorded_at.0,
                    new.closed.map(|(closed, _)| closed.name()),
                    new.closed.map(|(_, at)| at.0),
                ])?);
                *uses.entry(new.predicate).or_default() += 1;
            }
            let mut count =
                file.prepare_cached("UPDATE graph_word SET uses = uses + ? WHERE id = ?")?;
            for (predicate, added) in uses {
                count.execute([added, predicate])?;
            }
            Ok(ids)
        })
    }

    fn update<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, ()> {
        self.unit.call(|file| {
            self.check_access(file, triples.iter().map(|triple| triple.project))?;
            let mut update = file.prepare_cached(
                "UPDATE triple SET confidence = ?, since = ?, until = ?, closed = ?, \
                 closed_at = ? WHERE id = ? AND project = ?",
            )?;
            for triple in triples {
                update.execute(params![
                    triple.confidence,
                    triple.since.0,
                    triple.until.map(|time| time.0),
                    triple.closed.map(|(closed, _)| closed.name()),
                    triple.closed.map(|(_, at)| at.0),
                    triple.id,
                    triple.project,
                ])?;
            }
            Ok(())
        })
    }
}

impl Snapshot<'_, '_> {
    /// The projects that the caller may write; `None` is all.
    fn writable(&self, file: &Connection) -> Result<Option<Vec<WordId>>, StoreError> {
        let Some(visible) = self.visible.within(None) else {
            return Ok(None);
        };
        let names = words(file, &visible)?;
        let writable = visible.iter().zip(names);
        let writable = writable.filter(|(_, name)| self.reach.can_write(name));
        Ok(Some(writable.map(|(id, _)| *id).collect()))
    }

    /// Fails where the caller may not write one of `projects`.
    fn check_access(
        &self,
        file: &Connection,
        projects: impl Iterator<Item = WordId>,
    ) -> Result<(), StoreError> {
        let Some(writable) = self.writable(file)? else {
            return Ok(());
        };
        let mut projects = projects;
        match projects.find(|project| !writable.contains(project)) {
            Some(project) => Err(StoreError::NoAccess(words(file, &[project])?.concat())),
            None => Ok(()),
        }
    }
}

/// See `GraphTransaction::create`. Ids of one type follow each other.
fn create(
    file: &Connection,
    entities: &[NewEntity],
    reach: &Reach,
) -> Result<Vec<EntityId>, StoreError> {
    let mut known = file.prepare_cached("SELECT id FROM entity WHERE key = ?")?;
    let mut last = file.prepare_cached("SELECT max(id) FROM entity WHERE id BETWEEN ? AND ?")?;
    let mut insert = file.prepare_cached("INSERT INTO entity (id, key, name) VALUES (?, ?, ?)")?;
    let mut newest: HashMap<WordId, EntityId> = HashMap::new();
    let mut ids = Vec::with_capacity(entities.len());
    for new in entities {
        // Only a caller whose reach ends can have missed one.
        if *reach != Reach::Everything
            && let Some(id) = known.query_row([&new.key], |row| row.get(0)).optional()?
        {
            ids.push(id);
            continue;
        }
        let before = match newest.get(&new.kind) {
            Some(newest) => *newest,
            None => {
                let first = new.kind << TYPE_SHIFT;
                let range = [first, ((new.kind + 1) << TYPE_SHIFT) - 1];
                let last: Option<EntityId> = last.query_row(range, |row| row.get(0))?;
                last.unwrap_or(first)
            }
        };
        newest.insert(new.kind, before + 1);
        insert.execute(params![before + 1, new.key, new.name])?;
        ids.push(before + 1);
    }
    Ok(ids)
}
