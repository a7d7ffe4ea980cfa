//! Looking things up: words, entities, their names, whole triples.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};

use super::super::rows::Condition;
use super::links;
use super::scan::Scans;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, Edge, Entity, EntityId, GraphCensus, GraphSnapshot, Naming, Range, Scanned, Triple,
    TripleId, View, WordId,
};
use crate::store::memory::MemoryId;

/// The columns that `triple_from` reads.
pub(super) const TRIPLE: &str = "id, subject, predicate, object, project, since, until, \
     confidence, source, recorded_at, closed, closed_at";

/// A transaction of SQLite, as the graph sees it.
pub struct Snapshot<'a> {
    pub(super) file: &'a Transaction<'a>,
    scans: Scans<'a>,
}

impl<'a> Snapshot<'a> {
    /// The graph in `file`.
    pub fn of(file: &'a Transaction<'a>) -> Snapshot<'a> {
        Snapshot {
            file,
            scans: Scans::default(),
        }
    }
}

impl GraphSnapshot for Snapshot<'_> {
    fn scan(
        &self,
        range: Range,
        after: Option<Edge>,
        limit: usize,
        view: &View,
        out: &mut Vec<Edge>,
    ) -> Result<Scanned, StoreError> {
        self.scans.scan(self.file, range, after, limit, view, out)
    }

    fn word_id(&self, word: &str) -> Result<Option<WordId>, StoreError> {
        let found = self
            .file
            .prepare_cached("SELECT id FROM graph_word WHERE word = ?")?
            .query_row([word], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    fn word(&self, id: WordId) -> Result<(String, u64), StoreError> {
        let word = self
            .file
            .prepare_cached("SELECT word, uses FROM graph_word WHERE id = ?")?
            .query_row([id], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
            })?;
        Ok(word)
    }

    fn entity(&self, id: EntityId) -> Result<Option<Entity>, StoreError> {
        let found = self
            .file
            .prepare_cached("SELECT id, key, name FROM entity WHERE id = ?")?
            .query_row([id], entity_from)
            .optional()?;
        Ok(found)
    }

    fn keys(&self, ids: &[EntityId]) -> Result<Vec<(EntityId, String)>, StoreError> {
        // One statement for all: beginning one costs more than a look-up.
        let mut statement = self.file.prepare_cached(
            "SELECT e.id, e.key FROM json_each(?) asked CROSS JOIN entity e ON e.id = asked.value",
        )?;
        let keys =
            statement.query_map([format!("{ids:?}")], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    fn entity_by_key(&self, key: &str) -> Result<Option<Entity>, StoreError> {
        let found = self
            .file
            .prepare_cached("SELECT id, key, name FROM entity WHERE key = ?")?
            .query_row([key], entity_from)
            .optional()?;
        Ok(found)
    }

    fn named(&self, key: &str, projects: Option<&[WordId]>) -> Result<Vec<EntityId>, StoreError> {
        let mut condition = Condition::default();
        condition.and("key = ?", [Value::Text(key.to_owned())]);
        in_projects(&mut condition, projects);
        let sql = format!(
            "SELECT DISTINCT entity FROM entity_name WHERE {} ORDER BY entity",
            condition.sql()
        );
        self.ids(&sql, condition.values())
    }

    fn near(
        &self,
        key: &str,
        projects: Option<&[WordId]>,
        limit: usize,
    ) -> Result<Vec<Naming>, StoreError> {
        let backwards: String = key.chars().rev().collect();
        let mut found = Vec::new();
        for (column, key) in [("key", key), ("backwards", &backwards)] {
            for (before, order) in [("<", "DESC"), (">=", "ASC")] {
                let mut condition = Condition::default();
                let fragment = format!("{column} {before} ?");
                condition.and(&fragment, [Value::Text(key.to_owned())]);
                in_projects(&mut condition, projects);
                let sql = format!(
                    "SELECT entity, key FROM entity_name WHERE {} ORDER BY {column} {order} \
                     LIMIT {limit}",
                    condition.sql()
                );
                let mut statement = self.file.prepare_cached(&sql)?;
                let names = statement.query_map(params_from_iter(condition.values()), |row| {
                    Ok(Naming {
                        entity: row.get(0)?,
                        key: row.get(1)?,
                    })
                })?;
                for name in names {
                    let name = name?;
                    if !found.contains(&name) {
                        found.push(name);
                    }
                }
            }
        }
        Ok(found)
    }

    fn aliases(
        &self,
        entity: EntityId,
        projects: Option<&[WordId]>,
    ) -> Result<Vec<String>, StoreError> {
        let mut condition = Condition::default();
        condition.and("n.entity = ?", [Value::Integer(entity)]);
        in_projects(&mut condition, projects);
        let sql = format!(
            "SELECT DISTINCT n.name FROM entity_name n JOIN entity e ON e.id = n.entity \
             WHERE {} AND n.name <> e.name ORDER BY n.name",
            condition.sql()
        );
        let mut statement = self.file.prepare_cached(&sql)?;
        let names = statement.query_map(params_from_iter(condition.values()), |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    fn projects_of(&self, entity: EntityId) -> Result<Vec<WordId>, StoreError> {
        let sql = "SELECT DISTINCT project FROM entity_name WHERE entity = ? ORDER BY project";
        self.ids(sql, &[Value::Integer(entity)])
    }

    fn triple(&self, id: TripleId) -> Result<Option<Triple>, StoreError> {
        let found = self
            .file
            .prepare_cached(&format!("SELECT {TRIPLE} FROM triple WHERE id = ?"))?
            .query_row([id], triple_from)
            .optional()?;
        Ok(found)
    }

    fn triples(
        &self,
        projects: Option<&[WordId]>,
        after: TripleId,
        limit: usize,
    ) -> Result<Vec<Triple>, StoreError> {
        let mut condition = Condition::default();
        condition.and("id > ?", [Value::Integer(after)]);
        in_projects(&mut condition, projects);
        let sql = format!(
            "SELECT {TRIPLE} FROM triple WHERE {} ORDER BY id LIMIT {limit}",
            condition.sql()
        );
        let mut statement = self.file.prepare_cached(&sql)?;
        let triples = statement.query_map(params_from_iter(condition.values()), triple_from)?;
        Ok(triples.collect::<Result<_, _>>()?)
    }

    fn entities_of(&self, memory: MemoryId) -> Result<Vec<EntityId>, StoreError> {
        links::entities_of(self.file, memory)
    }

    fn census(&self) -> Result<GraphCensus, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM entity), \
                   (SELECT count(*) FROM triple), \
                   (SELECT count(*) FROM triple WHERE closed IS NOT NULL), \
                   (SELECT count(*) FROM graph_word WHERE uses > 0)";
        let census = self.file.query_row(sql, [], |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let closed = count(2)?;
            Ok(GraphCensus {
                entities: count(0)?,
                triples: count(1)? - closed,
                closed,
                predicates: count(3)?,
            })
        })?;
        Ok(census)
    }
}

impl Snapshot<'_> {
    fn ids(&self, sql: &str, values: &[Value]) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.file.prepare_cached(sql)?;
        let ids = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Whole triples that meet `condition`, by their ids.
    pub(super) fn said_triples(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Triple>, StoreError> {
        let sql = format!("SELECT {TRIPLE} FROM triple INDEXED BY triple_spo WHERE {condition}");
        let mut statement = self.file.prepare_cached(&sql)?;
        let triples = statement.query_map(values, triple_from)?;
        Ok(triples.collect::<Result<_, _>>()?)
    }
}

fn in_projects(condition: &mut Condition, projects: Option<&[WordId]>) {
    if let Some(projects) = projects {
        condition.and_in("project", projects.iter().copied().map(Value::Integer));
    }
}

fn entity_from(row: &Row<'_>) -> rusqlite::Result<Entity> {
    Ok(Entity {
        id: row.get(0)?,
        key: row.get(1)?,
        name: row.get(2)?,
    })
}

fn triple_from(row: &Row<'_>) -> rusqlite::Result<Triple> {
    let closed: Option<String> = row.get(10)?;
    let closed = closed.as_deref().and_then(Closed::from_name);
    let closed_at: Option<i64> = row.get(11)?;
    Ok(Triple {
        id: row.get(0)?,
        subject: row.get(1)?,
        predicate: row.get(2)?,
        object: row.get(3)?,
        project: row.get(4)?,
        since: Timestamp(row.get(5)?),
        until: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        confidence: row.get(7)?,
        source: row.get(8)?,
        recorded_at: Timestamp(row.get(9)?),
        closed: closed.zip(closed_at.map(Timestamp)),
    })
}

/// The values of a triple's row, in the order of `TRIPLE`, its id left out.
pub(super) fn insert_triple(file: &Transaction<'_>, new: &Triple) -> Result<TripleId, StoreError> {
    file.prepare_cached(
        "INSERT INTO triple (subject, predicate, object, project, since, until, confidence, \
         source, recorded_at, closed, closed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
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
    ])?;
    Ok(file.last_insert_rowid())
}
