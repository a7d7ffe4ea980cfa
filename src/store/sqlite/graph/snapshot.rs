//! Lookups: words, entities, their names, whole triples.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row, params_from_iter};

use super::scan::{self, Filter};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::graph::{
    Closed, Edge, Entity, EntityId, EntityName, GraphCensus, GraphSnapshot, NameMatch, Projects,
    Range, Scan, ScanLimits, Triple, TripleId, View, VisibleProjects, WordId, display_by_names,
};
use crate::store::memory::MemoryId;
use crate::store::sqlite::unit::UnitOfWork;
use crate::store::{StoreError, Stored};
use crate::text;

/// The columns that `triple_from` reads.
pub(super) const TRIPLE: &str = "id, subject, predicate, object, project, since, until, \
     confidence, source, recorded_at, closed, closed_at";

/// One transaction as its caller sees the graph.
pub(super) struct Snapshot<'u, 'c> {
    pub(super) unit: &'u UnitOfWork<'c>,
    pub(super) reach: Reach,
    pub(super) visible: VisibleProjects,
}

impl<'u, 'c> Snapshot<'u, 'c> {
    pub(super) async fn open(
        unit: &'u UnitOfWork<'c>,
        reach: Reach,
    ) -> Result<Snapshot<'u, 'c>, StoreError> {
        let visible = match reach.readable(&[]) {
            None => None,
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let ids = unit.call(|file| word_ids(file, &names)).await?;
                Some(ids.into_iter().flatten().collect())
            }
        };
        Ok(Snapshot {
            unit,
            reach,
            visible: VisibleProjects::new(visible),
        })
    }
}

impl GraphSnapshot for Snapshot<'_, '_> {
    fn scan_many<'a>(
        &'a self,
        ranges: &'a [Range],
        after: Option<Edge>,
        limits: ScanLimits,
        view: &'a View,
    ) -> Stored<'a, Scan> {
        let projects = self.visible.within(view.projects.as_deref());
        let filter = Filter {
            view,
            projects: projects.as_deref(),
        };
        self.unit
            .call(|file| scan::scan_many(file, ranges, after, limits, &filter))
    }

    fn word_ids<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<Option<WordId>>> {
        self.unit.call(|file| word_ids(file, words))
    }

    fn words<'a>(&'a self, ids: &'a [WordId]) -> Stored<'a, Vec<String>> {
        self.unit.call(|file| words(file, ids))
    }

    fn predicate_uses<'a>(&'a self, words: &'a [WordId]) -> Stored<'a, Vec<u64>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            let mut uses = file.prepare_cached("SELECT uses FROM graph_word WHERE id = ?")?;
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM triple INDEXED BY triple_pos WHERE predicate = ? {})",
                clause("project", &projects)
            );
            let mut is_visible = file.prepare_cached(&sql)?;
            let mut found = Vec::with_capacity(words.len());
            for word in words {
                // A predicate that only others use is not in use.
                let is_used = match projects.is_some() {
                    true => is_visible.query_row(bound([*word], &projects), |row| row.get(0))?,
                    false => true,
                };
                let count: Option<i64> = uses.query_row([word], |row| row.get(0)).optional()?;
                found.push(count.filter(|_| is_used).unwrap_or(0).unsigned_abs());
            }
            Ok(found)
        })
    }

    fn entities<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<Entity>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            let sql = "SELECT e.id, e.key, e.name FROM json_each(?) asked \
                       CROSS JOIN entity e ON e.id = asked.value";
            let entities = query(file, sql, [list(ids)], entity_from)?;
            displayed(file, entities, &projects)
        })
    }

    fn keys<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<(EntityId, String)>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            // One statement for all: beginning one costs more than a look-up.
            let sql = format!(
                "SELECT e.id, e.key FROM json_each(?) asked \
                 CROSS JOIN entity e ON e.id = asked.value {}",
                known_in(&projects)
            );
            let key = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            query(file, &sql, bound([list(ids)], &projects), key)
        })
    }

    fn entities_by_key<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<Entity>> {
        let (projects, visible) = (self.visible.within(projects), self.visible.within(None));
        self.unit.call(|file| {
            let sql = format!(
                "SELECT e.id, e.key, e.name FROM entity e WHERE e.key = ? {}",
                known_in(&projects)
            );
            let mut entities = Vec::new();
            for key in keys {
                let values = bound([(*key).to_owned()], &projects);
                entities.append(&mut query(file, &sql, values, entity_from)?);
            }
            displayed(file, entities, &visible)
        })
    }

    fn named<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>> {
        let projects = self.visible.within(projects);
        self.unit.call(|file| matches(file, "key", keys, &projects))
    }

    fn named_by_words<'a>(
        &'a self,
        words: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>> {
        let projects = self.visible.within(projects);
        self.unit
            .call(|file| matches(file, "words", words, &projects))
    }

    fn near<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
        limit: usize,
    ) -> Stored<'a, Vec<Vec<NameMatch>>> {
        let projects = self.visible.within(projects);
        self.unit.call(|file| {
            let near = keys.iter().map(|key| near(file, key, &projects, limit));
            near.collect()
        })
    }

    fn names<'a>(&'a self, entities: &'a [EntityId]) -> Stored<'a, Vec<EntityName>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| names(file, entities, &projects))
    }

    fn triples<'a>(&'a self, ids: &'a [TripleId]) -> Stored<'a, Vec<Triple>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            let sql = format!(
                "SELECT {TRIPLE} FROM triple WHERE id IN (SELECT value FROM json_each(?)) {}",
                clause("project", &projects)
            );
            query(file, &sql, bound([list(ids)], &projects), triple_from)
        })
    }

    fn triples_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: TripleId,
        limit: usize,
    ) -> Stored<'a, Vec<Triple>> {
        let projects = self.visible.within(projects);
        self.unit.call(|file| {
            let sql = format!(
                "SELECT {TRIPLE} FROM triple WHERE id > ? {} ORDER BY id LIMIT {limit}",
                clause("project", &projects)
            );
            query(file, &sql, bound([after], &projects), triple_from)
        })
    }

    fn entities_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: EntityId,
        limit: usize,
    ) -> Stored<'a, Vec<EntityId>> {
        let projects = self.visible.within(projects);
        self.unit.call(|file| {
            let sql = format!(
                "SELECT DISTINCT entity FROM entity_name WHERE entity > ? {} \
                 ORDER BY entity LIMIT {limit}",
                clause("project", &projects)
            );
            query(file, &sql, bound([after], &projects), |row| row.get(0))
        })
    }

    fn entities_of(&self, memory: MemoryId) -> Stored<'_, Vec<EntityId>> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            let sql = "SELECT project FROM memory WHERE id = ?";
            let project: Option<String> = file
                .prepare_cached(sql)?
                .query_row([memory], |row| row.get(0))
                .optional()?;
            if !project.is_some_and(|project| self.reach.can_read(&project)) {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT e.entity FROM (SELECT entity, entity AS id FROM memory_entity \
                 WHERE memory_id = ?) e WHERE true {} ORDER BY e.entity",
                known_in(&projects)
            );
            query(file, &sql, bound([memory], &projects), |row| row.get(0))
        })
    }

    fn census(&self) -> Stored<'_, GraphCensus> {
        let projects = self.visible.within(None);
        self.unit.call(|file| {
            let sql = match &projects {
                None => {
                    "SELECT (SELECT entities FROM entity_count), \
                         (SELECT ifnull(sum(triples), 0) FROM triple_count), \
                         (SELECT ifnull(sum(closed), 0) FROM triple_count), \
                         (SELECT count(*) FROM graph_word WHERE uses > 0)"
                }
                Some(_) => {
                    "SELECT (SELECT count(DISTINCT entity) FROM entity_name \
                            WHERE project IN (SELECT value FROM json_each(?1))), \
                            ifnull(sum(triples), 0), ifnull(sum(closed), 0), \
                            count(DISTINCT predicate) FROM triple_count \
                            WHERE project IN (SELECT value FROM json_each(?1))"
                }
            };
            let values = params_from_iter(projects.as_deref().map(list));
            let census = file.query_row(sql, values, |row| {
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
        })
    }
}

/// `AND column IN (?, ?)` with a place for each project.
pub(super) fn clause(column: &str, projects: &Projects) -> String {
    match projects {
        None => String::new(),
        Some(projects) => {
            let places = vec!["?"; projects.len()].join(", ");
            format!("AND {column} IN ({places})")
        }
    }
}

/// The same for the projects in which the entity `e` has a name.
fn known_in(projects: &Projects) -> String {
    match projects {
        None => String::new(),
        Some(_) => format!(
            "AND EXISTS (SELECT 1 FROM entity_name n WHERE n.entity = e.id {})",
            clause("n.project", projects)
        ),
    }
}

/// `values`, then the projects of one `clause`.
pub(super) fn bound<V: Into<Value>, const N: usize>(
    values: [V; N],
    projects: &Projects,
) -> impl Params {
    let projects = projects.iter().flat_map(|projects| projects.iter());
    let projects: Vec<Value> = projects.map(|id| Value::Integer(*id)).collect();
    params_from_iter(values.into_iter().map(Into::into).chain(projects))
}

/// Ids as a JSON list.
pub(super) fn list(ids: &[i64]) -> String {
    format!("{ids:?}")
}

pub(super) fn query<T>(
    file: &Connection,
    sql: &str,
    values: impl Params,
    from: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = file.prepare_cached(sql)?;
    let rows = statement.query_map(values, from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn word_ids(
    file: &Connection,
    words: &[&str],
) -> Result<Vec<Option<WordId>>, StoreError> {
    let mut statement = file.prepare_cached("SELECT id FROM graph_word WHERE word = ?")?;
    let id = |word: &&str| statement.query_row([word], |row| row.get(0)).optional();
    Ok(words.iter().map(id).collect::<Result<_, _>>()?)
}

pub(super) fn words(file: &Connection, ids: &[WordId]) -> Result<Vec<String>, StoreError> {
    let mut statement = file.prepare_cached("SELECT word FROM graph_word WHERE id = ?")?;
    let word = |id: &WordId| statement.query_row([id], |row| row.get(0));
    Ok(ids.iter().map(word).collect::<Result<_, _>>()?)
}

fn names(
    file: &Connection,
    entities: &[EntityId],
    projects: &Projects,
) -> Result<Vec<EntityName>, StoreError> {
    let sql = format!(
        "SELECT n.entity, n.project, n.key, n.name FROM json_each(?) asked \
         CROSS JOIN entity_name n ON n.entity = asked.value {}",
        clause("n.project", projects)
    );
    query(file, &sql, bound([list(entities)], projects), |row| {
        Ok(EntityName {
            entity: row.get(0)?,
            project: row.get(1)?,
            key: row.get(2)?,
            name: row.get(3)?,
        })
    })
}

/// The entities that are known in `projects`, displayed by a name from there.
fn displayed(
    file: &Connection,
    entities: Vec<Entity>,
    projects: &Projects,
) -> Result<Vec<Entity>, StoreError> {
    if projects.is_none() {
        return Ok(entities);
    }
    let ids: Vec<EntityId> = entities.iter().map(|entity| entity.id).collect();
    Ok(display_by_names(entities, names(file, &ids, projects)?))
}

/// The names whose `column` is one of `values`.
fn matches(
    file: &Connection,
    column: &str,
    values: &[&str],
    projects: &Projects,
) -> Result<Vec<NameMatch>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT entity, key FROM entity_name WHERE {column} = ? {} ORDER BY entity",
        clause("project", projects)
    );
    let mut found = Vec::new();
    for value in values {
        let values = bound([(*value).to_owned()], projects);
        found.append(&mut query(file, &sql, values, match_from)?);
    }
    Ok(found)
}

fn near(
    file: &Connection,
    key: &str,
    projects: &Projects,
    limit: usize,
) -> Result<Vec<NameMatch>, StoreError> {
    let backwards: String = key.chars().rev().collect();
    let mut found = matches(file, "words", &[&text::name_words(key)], projects)?;
    found.truncate(limit);
    for (column, key) in [("key", key), ("backwards", &backwards)] {
        for (side, order) in [("<", "DESC"), (">=", "ASC")] {
            let sql = format!(
                "SELECT entity, key FROM entity_name WHERE {column} {side} ? {} \
                 ORDER BY {column} {order} LIMIT {limit}",
                clause("project", projects)
            );
            for name in query(file, &sql, bound([key.to_owned()], projects), match_from)? {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
    }
    Ok(found)
}

fn match_from(row: &Row<'_>) -> rusqlite::Result<NameMatch> {
    Ok(NameMatch {
        entity: row.get(0)?,
        key: row.get(1)?,
    })
}

fn entity_from(row: &Row<'_>) -> rusqlite::Result<Entity> {
    Ok(Entity {
        id: row.get(0)?,
        key: row.get(1)?,
        name: row.get(2)?,
    })
}

pub(super) fn triple_from(row: &Row<'_>) -> rusqlite::Result<Triple> {
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
