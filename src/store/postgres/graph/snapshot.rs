//! Lookups: words, entities, their names, whole triples.

use futures::try_join;
use tokio_postgres::Row;

use super::scan;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::graph::{
    Closed, Edge, Entity, EntityId, EntityName, GraphCensus, GraphSnapshot, NameMatch, Projects,
    Range, Scan, ScanLimits, Triple, TripleId, View, VisibleProjects, WordId, display_by_names,
};
use crate::store::memory::MemoryId;
use crate::store::postgres::transaction::{Param, Tx};
use crate::store::{StoreError, Stored};
use crate::text;

/// The columns that `triple_from` reads, of the table `t`.
pub(super) const TRIPLE: &str = "t.id, t.subject, t.predicate, t.object, t.project, t.since, \
     t.until, t.confidence, t.source, t.recorded_at, t.closed, t.closed_at";

/// One transaction as its caller sees the graph.
pub(super) struct Snapshot<'t> {
    pub(super) tx: &'t Tx,
    pub(super) reach: Reach,
    pub(super) visible: VisibleProjects,
}

impl<'t> Snapshot<'t> {
    pub(super) async fn open(tx: &'t Tx, reach: Reach) -> Result<Snapshot<'t>, StoreError> {
        let visible = match reach.readable(&[]) {
            None => None,
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let ids = word_ids(tx, &names).await?;
                Some(ids.into_iter().flatten().collect())
            }
        };
        Ok(Snapshot {
            tx,
            reach,
            visible: VisibleProjects::new(visible),
        })
    }
}

/// Whether the entity `e` has a name in one of the projects bound as `place`.
fn known_in(place: &str) -> String {
    format!(
        "({place}::bigint[] IS NULL OR EXISTS (SELECT FROM entity_name n \
         WHERE n.entity = e.id AND n.project = ANY ({place})))"
    )
}

impl GraphSnapshot for Snapshot<'_> {
    fn scan_many<'a>(
        &'a self,
        ranges: &'a [Range],
        after: Option<Edge>,
        limits: ScanLimits,
        view: &'a View,
    ) -> Stored<'a, Scan> {
        Box::pin(async move {
            if ranges.is_empty() {
                return Ok(Scan::default());
            }
            let projects = self.visible.within(view.projects.as_deref());
            scan::scan_many(self.tx, ranges, after, limits, view, projects.as_deref()).await
        })
    }

    fn word_ids<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<Option<WordId>>> {
        Box::pin(word_ids(self.tx, words))
    }

    fn words<'a>(&'a self, ids: &'a [WordId]) -> Stored<'a, Vec<String>> {
        Box::pin(words(self.tx, ids))
    }

    fn predicate_uses<'a>(&'a self, words: &'a [WordId]) -> Stored<'a, Vec<u64>> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            // A predicate that only others use is not in use.
            let sql = "SELECT coalesce(w.uses, 0) FROM unnest($1::bigint[]) WITH ORDINALITY asked (id, nth) \
                 LEFT JOIN graph_word w ON w.id = asked.id AND ($2::bigint[] IS NULL \
                 OR EXISTS (SELECT FROM triple t WHERE t.predicate = asked.id AND t.project = ANY ($2))) \
                 ORDER BY asked.nth";
            let found = self.tx.query(sql, &[&words, &projects.as_deref()]).await?;
            Ok(found.iter().map(|row| count(row, 0)).collect())
        })
    }

    fn entities<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<Entity>> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            let sql = "SELECT id, key, name FROM entity WHERE id = ANY ($1)";
            let bound: &[Param<'_>] = &[&ids];
            let found = self.tx.query(sql, bound);
            if projects.is_none() {
                return Ok(found.await?.iter().map(entity_from).collect());
            }
            let (found, names) = try_join!(found, names(self.tx, ids, &projects))?;
            Ok(display_by_names(
                found.iter().map(entity_from).collect(),
                names,
            ))
        })
    }

    fn keys<'a>(&'a self, ids: &'a [EntityId]) -> Stored<'a, Vec<(EntityId, String)>> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            let sql = format!(
                "SELECT e.id, e.key FROM entity e WHERE e.id = ANY ($1) AND {}",
                known_in("$2")
            );
            let found = self.tx.query(&sql, &[&ids, &projects.as_deref()]).await?;
            Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    fn entities_by_key<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<Entity>> {
        let (projects, visible) = (self.visible.within(projects), self.visible.within(None));
        Box::pin(async move {
            let sql = format!(
                "SELECT e.id, e.key, e.name FROM entity e WHERE e.key = ANY ($1) AND {}",
                known_in("$2")
            );
            let found = self.tx.query(&sql, &[&keys, &projects.as_deref()]).await?;
            let entities: Vec<Entity> = found.iter().map(entity_from).collect();
            if visible.is_none() || entities.is_empty() {
                return Ok(entities);
            }
            let ids: Vec<EntityId> = entities.iter().map(|entity| entity.id).collect();
            Ok(display_by_names(
                entities,
                names(self.tx, &ids, &visible).await?,
            ))
        })
    }

    fn named<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>> {
        Box::pin(matches(self.tx, "key", keys, self.visible.within(projects)))
    }

    fn named_by_words<'a>(
        &'a self,
        words: &'a [&'a str],
        projects: Option<&'a [WordId]>,
    ) -> Stored<'a, Vec<NameMatch>> {
        Box::pin(matches(
            self.tx,
            "words",
            words,
            self.visible.within(projects),
        ))
    }

    fn near<'a>(
        &'a self,
        keys: &'a [&'a str],
        projects: Option<&'a [WordId]>,
        limit: usize,
    ) -> Stored<'a, Vec<Vec<NameMatch>>> {
        Box::pin(near(self.tx, keys, self.visible.within(projects), limit))
    }

    fn names<'a>(&'a self, entities: &'a [EntityId]) -> Stored<'a, Vec<EntityName>> {
        let projects = self.visible.within(None);
        Box::pin(async move { names(self.tx, entities, &projects).await })
    }

    fn triples<'a>(&'a self, ids: &'a [TripleId]) -> Stored<'a, Vec<Triple>> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            let sql = format!(
                "SELECT {TRIPLE} FROM triple t WHERE t.id = ANY ($1) \
                 AND ($2::bigint[] IS NULL OR t.project = ANY ($2))"
            );
            let found = self.tx.query(&sql, &[&ids, &projects.as_deref()]).await?;
            Ok(found.iter().map(triple_from).collect())
        })
    }

    fn triples_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: TripleId,
        limit: usize,
    ) -> Stored<'a, Vec<Triple>> {
        let projects = self.visible.within(projects);
        Box::pin(async move {
            let sql = format!(
                "SELECT {TRIPLE} FROM triple t WHERE t.id > $1 \
                 AND ($2::bigint[] IS NULL OR t.project = ANY ($2)) ORDER BY t.id LIMIT $3"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = self
                .tx
                .query(&sql, &[&after, &projects.as_deref(), &limit])
                .await?;
            Ok(found.iter().map(triple_from).collect())
        })
    }

    fn entities_after<'a>(
        &'a self,
        projects: Option<&'a [WordId]>,
        after: EntityId,
        limit: usize,
    ) -> Stored<'a, Vec<EntityId>> {
        let projects = self.visible.within(projects);
        Box::pin(async move {
            let sql = "SELECT DISTINCT entity FROM entity_name WHERE entity > $1 \
                 AND ($2::bigint[] IS NULL OR project = ANY ($2)) ORDER BY entity LIMIT $3";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = self
                .tx
                .query(sql, &[&after, &projects.as_deref(), &limit])
                .await?;
            Ok(found.iter().map(|row| row.get(0)).collect())
        })
    }

    fn entities_of(&self, memory: MemoryId) -> Stored<'_, Vec<EntityId>> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            let sql = format!(
                "SELECT e.id FROM (SELECT entity AS id, memory_id FROM memory_entity \
                 WHERE memory_id = $1) e JOIN memory m ON m.id = e.memory_id \
                 WHERE ($3::text[] IS NULL OR m.project = ANY ($3)) AND {} ORDER BY e.id",
                known_in("$2")
            );
            let readable = self.reach.readable(&[]);
            let bound: &[Param<'_>] = &[&memory, &projects.as_deref(), &readable];
            let found = self.tx.query(&sql, bound).await?;
            Ok(found.iter().map(|row| row.get(0)).collect())
        })
    }

    fn census(&self) -> Stored<'_, GraphCensus> {
        let projects = self.visible.within(None);
        Box::pin(async move {
            let found = match projects.as_deref() {
                None => {
                    let sql = "SELECT (SELECT count(*) FROM entity), count(*), count(closed), \
                         (SELECT count(*) FROM graph_word WHERE uses > 0) FROM triple";
                    self.tx.query(sql, &[]).await?
                }
                Some(projects) => {
                    let sql = "SELECT (SELECT count(DISTINCT entity) FROM entity_name \
                         WHERE project = ANY ($1)), \
                         count(*), count(closed), count(DISTINCT predicate) FROM triple \
                         WHERE project = ANY ($1)";
                    self.tx.query(sql, &[&projects]).await?
                }
            };
            let row = &found[0];
            Ok(GraphCensus {
                entities: count(row, 0),
                triples: count(row, 1) - count(row, 2),
                closed: count(row, 2),
                predicates: count(row, 3),
            })
        })
    }
}

fn count(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).unsigned_abs()
}

pub(super) async fn word_ids(tx: &Tx, words: &[&str]) -> Result<Vec<Option<WordId>>, StoreError> {
    let sql = "SELECT w.id FROM unnest($1::text[]) WITH ORDINALITY asked (word, nth) \
         LEFT JOIN graph_word w ON w.word = asked.word ORDER BY asked.nth";
    let found = tx.query(sql, &[&words]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn words(tx: &Tx, ids: &[WordId]) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT w.word FROM unnest($1::bigint[]) WITH ORDINALITY asked (id, nth) \
         LEFT JOIN graph_word w ON w.id = asked.id ORDER BY asked.nth";
    let found = tx.query(sql, &[&ids]).await?;
    let word = |row: &Row| row.get::<_, Option<String>>(0);
    let found: Option<Vec<String>> = found.iter().map(word).collect();
    found.ok_or_else(|| StoreError::Defect("a word of the graph is missing".into()))
}

async fn names(
    tx: &Tx,
    entities: &[EntityId],
    projects: &Projects,
) -> Result<Vec<EntityName>, StoreError> {
    let sql = "SELECT entity, project, key, name FROM entity_name \
         WHERE entity = ANY ($1) AND ($2::bigint[] IS NULL OR project = ANY ($2))";
    let found = tx.query(sql, &[&entities, &projects.as_deref()]).await?;
    let name = |row: &Row| EntityName {
        entity: row.get(0),
        project: row.get(1),
        key: row.get(2),
        name: row.get(3),
    };
    Ok(found.iter().map(name).collect())
}

/// The names whose `column` is one of `values`.
async fn matches(
    tx: &Tx,
    column: &str,
    values: &[&str],
    projects: Projects,
) -> Result<Vec<NameMatch>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT asked.nth, n.entity, n.key \
         FROM unnest($1::text[]) WITH ORDINALITY asked (value, nth) \
         JOIN entity_name n ON n.{column} = asked.value \
         AND ($2::bigint[] IS NULL OR n.project = ANY ($2)) ORDER BY asked.nth, n.entity, n.key"
    );
    let found = tx.query(&sql, &[&values, &projects.as_deref()]).await?;
    let name = |row: &Row| NameMatch {
        entity: row.get(1),
        key: row.get(2),
    };
    Ok(found.iter().map(name).collect())
}

/// See `GraphSnapshot::near`: for each key four walks along two indexes, besides
/// the names of the same words.
async fn near(
    tx: &Tx,
    keys: &[&str],
    projects: Projects,
    limit: usize,
) -> Result<Vec<Vec<NameMatch>>, StoreError> {
    let sides = [
        ("words", "=", "entity"),
        ("key", "<", "key DESC"),
        ("key", ">=", "key"),
        ("backwards", "<", "backwards DESC"),
        ("backwards", ">=", "backwards"),
    ];
    let sides = sides.iter().enumerate().map(|(side, (column, is, order))| {
        format!(
            "(SELECT {side} AS side, entity, key FROM entity_name \
             WHERE {column} {is} asked.{column} \
             AND ($4::bigint[] IS NULL OR project = ANY ($4)) ORDER BY {order} LIMIT $5)"
        )
    });
    let sql = format!(
        "SELECT asked.nth, n.entity, n.key \
         FROM unnest($1::text[], $2::text[], $3::text[]) \
         WITH ORDINALITY asked (key, backwards, words, nth) \
         CROSS JOIN LATERAL ({}) n ORDER BY asked.nth, n.side",
        sides.collect::<Vec<_>>().join(" UNION ALL ")
    );
    let backwards: Vec<String> = keys.iter().map(|key| key.chars().rev().collect()).collect();
    let words: Vec<String> = keys.iter().map(|key| text::name_words(key)).collect();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx
        .query(
            &sql,
            &[&keys, &backwards, &words, &projects.as_deref(), &limit],
        )
        .await?;
    let mut near: Vec<Vec<NameMatch>> = vec![Vec::new(); keys.len()];
    for row in found {
        let name = NameMatch {
            entity: row.get(1),
            key: row.get(2),
        };
        let of_key = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(0);
        if !near[of_key].contains(&name) {
            near[of_key].push(name);
        }
    }
    Ok(near)
}

fn entity_from(row: &Row) -> Entity {
    Entity {
        id: row.get(0),
        key: row.get(1),
        name: row.get(2),
    }
}

pub(super) fn triple_from(row: &Row) -> Triple {
    let closed: Option<&str> = row.get(10);
    let closed = closed.and_then(Closed::from_name);
    let closed_at: Option<i64> = row.get(11);
    Triple {
        id: row.get(0),
        subject: row.get(1),
        predicate: row.get(2),
        object: row.get(3),
        project: row.get(4),
        since: Timestamp(row.get(5)),
        until: row.get::<_, Option<i64>>(6).map(Timestamp),
        confidence: row.get(7),
        source: row.get(8),
        recorded_at: Timestamp(row.get(9)),
        closed: closed.zip(closed_at.map(Timestamp)),
    }
}
