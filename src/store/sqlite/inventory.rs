//! Counts on SQLite, by maintained counts and indexes: texts and vectors are not read.

use rusqlite::{Connection, params, params_from_iter};

use super::rows::{self, Condition};
use super::{SqliteStore, bytes_on_disk};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::meter::store::Op;
use crate::store::inventory::{
    ACTIVITIES, Activity, Group, Inventory, InventoryStore, Spans, Vectors,
};
use crate::store::measured;
use crate::store::memory::{Category, MemoryCensus, MemoryId};
use crate::store::{ProjectSet, StoreError, Stored};

impl InventoryStore for SqliteStore {
    fn inventory(&self) -> Stored<'_, Inventory> {
        let path = self.path.clone();
        measured(
            Op::Inventory,
            self.read(move |file| {
                Ok(Inventory {
                    groups: groups(file)?,
                    vectors: vectors(file)?,
                    file_bytes: bytes_on_disk(&path),
                })
            }),
        )
    }

    fn activity(&self, reach: &Reach, spans: Spans) -> Stored<'_, Activity> {
        let projects = rows::json_list(&ProjectSet::readable(reach, &[]));
        measured(
            Op::Inventory,
            self.read(move |file| activity(file, projects.as_deref(), spans)),
        )
    }

    fn archived_since(&self, since: Timestamp, forgotten: bool) -> Stored<'_, Vec<MemoryId>> {
        measured(
            Op::ArchivedSince,
            self.read(move |file| archived_since(file, since, forgotten)),
        )
    }

    fn active_versions(&self, id: MemoryId) -> Stored<'_, Vec<MemoryId>> {
        let sql = "WITH RECURSIVE later (id) AS (SELECT ?1 UNION \
                   SELECT m.id FROM memory m JOIN later ON m.supersedes = later.id) \
                   SELECT id FROM memory WHERE id IN later AND state = 'active' ORDER BY id";
        measured(
            Op::Fetch,
            self.read(move |file| {
                let mut statement = file.prepare(sql)?;
                let ids = statement.query_map([id], |row| row.get(0))?;
                Ok(ids.collect::<Result<_, _>>()?)
            }),
        )
    }
}

fn groups(file: &Connection) -> Result<Vec<Group>, StoreError> {
    let sql = "SELECT project, category, active, superseded, archived, protected, content_bytes \
               FROM memory_count ORDER BY project, category";
    let mut statement = file.prepare(sql)?;
    let groups = statement.query_map([], |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let category: String = row.get(1)?;
        Ok(Group {
            project: row.get(0)?,
            category: Category::from_name(&category).unwrap_or_default(),
            active: count(2)?,
            superseded: count(3)?,
            archived: count(4)?,
            protected: count(5)?,
            content_bytes: count(6)?,
        })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}

fn vectors(file: &Connection) -> Result<Vec<Vectors>, StoreError> {
    let sql = "SELECT m.name, m.dimensions, count(v.window) FILTER (WHERE v.window = 0), \
               count(v.window) FROM embedding_model m \
               LEFT JOIN memory_vector v INDEXED BY memory_vector_by_memory \
               ON v.model_id = m.id GROUP BY m.id ORDER BY m.id";
    let mut statement = file.prepare(sql)?;
    let vectors = statement.query_map([], |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(Vectors {
            model: row.get(0)?,
            dimensions: count(1)?,
            memories: count(2)?,
            vectors: count(3)?,
        })
    })?;
    Ok(vectors.collect::<Result<_, _>>()?)
}

fn activity(
    file: &Connection,
    projects: Option<&str>,
    spans: Spans,
) -> Result<Activity, StoreError> {
    let mut figures: [Vec<u64>; 4] = Default::default();
    for (figure, (table, at, condition)) in figures.iter_mut().zip(ACTIVITIES) {
        let sql = format!(
            "SELECT ({at} - ?1) / ?2, count(*) FROM {table} WHERE {at} >= ?1 AND {at} < ?3 \
             AND (?4 IS NULL OR project IN (SELECT value FROM json_each(?4))) AND {condition} \
             GROUP BY 1"
        );
        let mut statement = file.prepare_cached(&sql)?;
        let values = params![spans.since.0, spans.micros, spans.end().0, projects];
        let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        *figure = spans.counts(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(figures.into())
}

/// A memory was forgotten on purpose if an edit archived it and every change since
/// is an edit of an archived memory. Retention makes no edits.
fn archived_since(
    file: &Connection,
    since: Timestamp,
    forgotten: bool,
) -> Result<Vec<MemoryId>, StoreError> {
    let sql = "SELECT m.id FROM memory m WHERE m.state = 'archived' AND m.updated_at >= ?1 \
               AND (?2 OR NOT EXISTS (SELECT 1 FROM memory_edit f \
               WHERE f.memory_id = m.id AND f.state <> 'archived' \
               AND m.revision - f.revision = (SELECT count(*) FROM memory_edit e \
               WHERE e.memory_id = m.id AND e.state = 'archived' AND e.revision > f.revision))) \
               ORDER BY m.id";
    let mut statement = file.prepare(sql)?;
    let found = statement.query_map(params![since.0, forgotten], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// See `MemoryStore::census`; the file's size is left to the caller.
pub(super) fn census(file: &Connection, projects: &ProjectSet) -> Result<MemoryCensus, StoreError> {
    let condition = Condition::within(projects);
    let sql = "SELECT ifnull(sum(active), 0), ifnull(sum(superseded), 0), \
               ifnull(sum(archived), 0), count(DISTINCT project) FILTER (WHERE active > 0) \
               FROM memory_count m WHERE ";
    let sql = format!("{sql}{}", condition.sql());
    let census = file.query_row(&sql, params_from_iter(condition.values()), |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(MemoryCensus {
            active: count(0)?,
            superseded: count(1)?,
            archived: count(2)?,
            projects: count(3)?,
            file_bytes: 0,
            read_only: false,
            free_bytes: None,
        })
    })?;
    Ok(census)
}
