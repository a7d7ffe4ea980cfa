//! Writes to the graph, in a transaction that holds its lock exclusively.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::links;
use super::snapshot::{Snapshot, TRIPLE, triple_from, word_ids, words};
use crate::caller::Reach;
use crate::store::graph::{
    EntityId, EntityName, GraphTransaction, NewEntity, Statement, TYPE_SHIFT, Triple, TripleId,
    WordId,
};
use crate::store::postgres::transaction::{Param, Tx};
use crate::store::{StoreError, Stored};
use crate::text;

impl GraphTransaction for Snapshot<'_> {
    fn intern<'a>(&'a self, words: &'a [&'a str]) -> Stored<'a, Vec<WordId>> {
        Box::pin(async move {
            let found = word_ids(self.tx, words).await?;
            let mut ids: HashMap<&str, WordId> = HashMap::new();
            let mut new: Vec<&str> = Vec::new();
            for (word, id) in words.iter().zip(found) {
                match id {
                    Some(id) => drop(ids.insert(word, id)),
                    None if !new.contains(word) => new.push(word),
                    None => {}
                }
            }
            if !new.is_empty() {
                // The ids of new words grow in their order.
                let sql = "INSERT INTO graph_word (word) SELECT word FROM unnest($1::text[]) \
                     WITH ORDINALITY new (word, nth) ORDER BY nth RETURNING id";
                let added = self.tx.query(sql, &[&new]).await?;
                let mut added: Vec<WordId> = added.iter().map(|row| row.get(0)).collect();
                added.sort_unstable();
                ids.extend(new.into_iter().zip(added));
            }
            self.visible.see(&self.reach, &ids);
            Ok(words.iter().map(|word| ids[word]).collect())
        })
    }

    fn create<'a>(&'a self, entities: &'a [NewEntity]) -> Stored<'a, Vec<EntityId>> {
        Box::pin(create(self.tx, entities, &self.reach))
    }

    fn rekey<'a>(&'a self, entity: EntityId, new: &'a NewEntity) -> Stored<'a, EntityId> {
        Box::pin(async move {
            let sql = "SELECT id FROM entity WHERE key = $1";
            let known = self.tx.query(sql, &[&new.key]).await?;
            let known: Option<EntityId> = known.first().map(|row| row.get(0));
            if known == Some(entity) {
                let sql = "UPDATE entity SET name = $1 WHERE id = $2";
                self.tx.execute(sql, &[&new.name, &entity]).await?;
                return Ok(entity);
            }
            let id = match known {
                Some(id) => id,
                None => create(self.tx, std::slice::from_ref(new), &self.reach).await?[0],
            };
            let own = self.writable().await?;
            for sql in MOVES {
                self.tx.execute(sql, &[&id, &entity, &own]).await?;
            }
            let sql = "DELETE FROM entity WHERE id = $1 \
                 AND NOT EXISTS (SELECT FROM entity_name WHERE entity = $1)";
            self.tx.execute(sql, &[&entity]).await?;
            Ok(id)
        })
    }

    fn add_names<'a>(&'a self, names: &'a [EntityName]) -> Stored<'a, ()> {
        Box::pin(async move {
            self.check_access(names.iter().map(|name| name.project))
                .await?;
            let column = |of: fn(&EntityName) -> i64| names.iter().map(of).collect::<Vec<_>>();
            let (projects, entities) = (column(|n| n.project), column(|n| n.entity));
            let keys: Vec<&str> = names.iter().map(|name| name.key.as_str()).collect();
            let backwards: Vec<String> =
                keys.iter().map(|key| key.chars().rev().collect()).collect();
            let words: Vec<String> = names.iter().map(|n| text::name_words(&n.name)).collect();
            let displayed: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
            let sql = "INSERT INTO entity_name (key, project, entity, backwards, words, name) \
                 SELECT key, project, entity, backwards, words, name FROM unnest($1::text[], \
                 $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY \
                 new (key, project, entity, backwards, words, name, nth) ORDER BY nth \
                 ON CONFLICT DO NOTHING RETURNING entity, project, words";
            let bound: &[Param<'_>] =
                &[&keys, &projects, &entities, &backwards, &words, &displayed];
            let added = self.tx.query(sql, bound).await?;
            let added: HashSet<links::KnownName> = added
                .iter()
                .map(|row| links::KnownName {
                    entity: row.get(0),
                    project: row.get(1),
                    words: row.get(2),
                })
                .collect();
            links::link_entities(self.tx, added).await
        })
    }

    fn stating<'a>(
        &'a self,
        statements: &'a [Statement],
        project: WordId,
    ) -> Stored<'a, Vec<Triple>> {
        Box::pin(async move {
            // Each kind of statement gets the index condition that it can have.
            let sql = format!(
                "WITH asked AS MATERIALIZED (SELECT * FROM \
                 unnest($1::bigint[], $2::bigint[], $3::bigint[]) s (subject, predicate, object)) \
                 SELECT {TRIPLE} FROM asked JOIN triple t ON t.subject = asked.subject \
                 AND t.predicate = asked.predicate AND t.object = asked.object \
                 AND t.project = $4 \
                 UNION SELECT {TRIPLE} FROM asked JOIN triple t ON asked.object IS NULL \
                 AND t.subject = asked.subject AND t.predicate = asked.predicate \
                 AND t.project = $4"
            );
            let subjects: Vec<EntityId> = statements.iter().map(|said| said.subject).collect();
            let predicates: Vec<WordId> = statements.iter().map(|said| said.predicate).collect();
            let objects: Vec<Option<EntityId>> =
                statements.iter().map(|said| said.object).collect();
            let bound: &[Param<'_>] = &[&subjects, &predicates, &objects, &project];
            let found = self.tx.query(&sql, bound).await?;
            Ok(found.iter().map(triple_from).collect())
        })
    }

    fn insert<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, Vec<TripleId>> {
        Box::pin(async move {
            self.check_access(triples.iter().map(|triple| triple.project))
                .await?;
            let columns = Columns::of(triples);
            let sql = "INSERT INTO triple (subject, predicate, object, project, since, until, \
                 confidence, source, recorded_at, closed, closed_at) \
                 SELECT subject, predicate, object, project, since, until, confidence, source, \
                 recorded_at, closed, closed_at FROM unnest($1::bigint[], $2::bigint[], \
                 $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::float8[], \
                 $8::bigint[], $9::bigint[], $10::text[], $11::bigint[]) WITH ORDINALITY \
                 new (subject, predicate, object, project, since, until, confidence, source, \
                 recorded_at, closed, closed_at, nth) ORDER BY nth RETURNING id";
            let bound: &[Param<'_>] = &[
                &columns.subjects,
                &columns.predicates,
                &columns.objects,
                &columns.projects,
                &columns.sinces,
                &columns.untils,
                &columns.confidences,
                &columns.sources,
                &columns.recorded_ats,
                &columns.closed,
                &columns.closed_ats,
            ];
            let inserted = self.tx.query(sql, bound).await?;
            let sql = "UPDATE graph_word w SET uses = uses + added.count FROM \
                 (SELECT id, count(*) FROM unnest($1::bigint[]) id GROUP BY id) added \
                 WHERE w.id = added.id";
            self.tx.execute(sql, &[&columns.predicates]).await?;
            // Ids are taken in the order of the triples, however the rows return.
            let mut ids: Vec<TripleId> = inserted.iter().map(|row| row.get(0)).collect();
            ids.sort_unstable();
            Ok(ids)
        })
    }

    fn update<'a>(&'a self, triples: &'a [Triple]) -> Stored<'a, ()> {
        Box::pin(async move {
            self.check_access(triples.iter().map(|triple| triple.project))
                .await?;
            // One statement changes a row once: the last of several changes counts.
            let last: HashMap<TripleId, &Triple> =
                triples.iter().map(|triple| (triple.id, triple)).collect();
            let columns = Columns::of(last.into_values());
            let sql = "UPDATE triple t SET confidence = new.confidence, since = new.since, \
                 until = new.until, closed = new.closed, closed_at = new.closed_at \
                 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], \
                 $5::float8[], $6::text[], $7::bigint[]) \
                 new (id, project, since, until, confidence, closed, closed_at) \
                 WHERE t.id = new.id AND t.project = new.project";
            let bound: &[Param<'_>] = &[
                &columns.ids,
                &columns.projects,
                &columns.sinces,
                &columns.untils,
                &columns.confidences,
                &columns.closed,
                &columns.closed_ats,
            ];
            self.tx.execute(sql, bound).await.map(drop)
        })
    }
}

/// Moves the rows of the entity `$2` in the projects `$3` (null: in all) to the entity
/// `$1`, whose own row stays if both have one.
const MOVES: [&str; 6] = [
    "UPDATE triple SET subject = $1 WHERE subject = $2 \
     AND ($3::bigint[] IS NULL OR project = ANY ($3))",
    "UPDATE triple SET object = $1 WHERE object = $2 \
     AND ($3::bigint[] IS NULL OR project = ANY ($3))",
    "UPDATE entity_name old SET entity = $1 WHERE entity = $2 \
     AND ($3::bigint[] IS NULL OR project = ANY ($3)) AND NOT EXISTS (SELECT FROM entity_name new \
     WHERE new.key = old.key AND new.project = old.project AND new.entity = $1)",
    "DELETE FROM entity_name WHERE entity = $2 AND entity <> $1 \
     AND ($3::bigint[] IS NULL OR project = ANY ($3))",
    "INSERT INTO memory_entity (memory_id, entity) SELECT l.memory_id, $1 FROM memory_entity l \
     WHERE l.entity = $2 AND ($3::bigint[] IS NULL OR EXISTS (SELECT FROM memory m \
     JOIN graph_word w ON w.word = m.project \
     WHERE m.id = l.memory_id AND w.id = ANY ($3))) ON CONFLICT DO NOTHING",
    "DELETE FROM memory_entity l WHERE entity = $2 AND entity <> $1 \
     AND ($3::bigint[] IS NULL OR EXISTS (SELECT FROM memory m \
     JOIN graph_word w ON w.word = m.project \
     WHERE m.id = l.memory_id AND w.id = ANY ($3)))",
];

/// Triples as the arrays of one statement.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<i64>,
    subjects: Vec<i64>,
    predicates: Vec<i64>,
    objects: Vec<i64>,
    projects: Vec<i64>,
    sinces: Vec<i64>,
    untils: Vec<Option<i64>>,
    confidences: Vec<f64>,
    sources: Vec<Option<i64>>,
    recorded_ats: Vec<i64>,
    closed: Vec<Option<&'a str>>,
    closed_ats: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(triples: impl IntoIterator<Item = &'a Triple>) -> Columns<'a> {
        let mut columns = Columns::default();
        for triple in triples {
            columns.ids.push(triple.id);
            columns.subjects.push(triple.subject);
            columns.predicates.push(triple.predicate);
            columns.objects.push(triple.object);
            columns.projects.push(triple.project);
            columns.sinces.push(triple.since.0);
            columns.untils.push(triple.until.map(|time| time.0));
            columns.confidences.push(triple.confidence);
            columns.sources.push(triple.source);
            columns.recorded_ats.push(triple.recorded_at.0);
            let closed = triple.closed.map(|(closed, _)| closed.name());
            columns.closed.push(closed);
            columns.closed_ats.push(triple.closed.map(|(_, at)| at.0));
        }
        columns
    }
}

impl Snapshot<'_> {
    /// The projects that the caller may write; `None` is all.
    async fn writable(&self) -> Result<Option<Vec<WordId>>, StoreError> {
        let Some(visible) = self.visible.within(None) else {
            return Ok(None);
        };
        let names = words(self.tx, &visible).await?;
        let writable = visible.iter().zip(names);
        let writable = writable.filter(|(_, name)| self.reach.can_write(name));
        Ok(Some(writable.map(|(id, _)| *id).collect()))
    }

    /// Fails where the caller may not write one of `projects`.
    async fn check_access(
        &self,
        projects: impl Iterator<Item = WordId> + Send,
    ) -> Result<(), StoreError> {
        let mut projects = projects;
        let Some(writable) = self.writable().await? else {
            return Ok(());
        };
        match projects.find(|project| !writable.contains(project)) {
            Some(project) => {
                let name = words(self.tx, &[project]).await?.concat();
                Err(StoreError::NoAccess(name))
            }
            None => Ok(()),
        }
    }
}

/// See `GraphTransaction::create`. Ids of one type follow each other.
async fn create(
    tx: &Tx,
    entities: &[NewEntity],
    reach: &Reach,
) -> Result<Vec<EntityId>, StoreError> {
    let mut known: HashMap<String, EntityId> = HashMap::new();
    // Only a caller whose reach ends can have missed one.
    if *reach != Reach::Everything {
        let keys: Vec<&str> = entities.iter().map(|new| new.key.as_str()).collect();
        let sql = "SELECT key, id FROM entity WHERE key = ANY ($1)";
        let found = tx.query(sql, &[&keys]).await?;
        known.extend(found.iter().map(|row| (row.get(0), row.get(1))));
    }
    let kinds: BTreeSet<WordId> = entities.iter().map(|new| new.kind).collect();
    let kinds: Vec<WordId> = kinds.into_iter().collect();
    let firsts: Vec<EntityId> = kinds.iter().map(|kind| kind << TYPE_SHIFT).collect();
    let ends: Vec<EntityId> = kinds.iter().map(|kind| (kind + 1) << TYPE_SHIFT).collect();
    let sql = "SELECT of.kind, coalesce((SELECT max(id) FROM entity \
         WHERE id >= of.first AND id < of.past), of.first) \
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) of (kind, first, past)";
    let newest = tx.query(sql, &[&kinds, &firsts, &ends]).await?;
    let mut newest: HashMap<WordId, EntityId> =
        newest.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut ids = Vec::with_capacity(entities.len());
    let (mut new_ids, mut keys, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for new in entities {
        if let Some(id) = known.get(&new.key) {
            ids.push(*id);
            continue;
        }
        let id = newest.entry(new.kind).or_insert(new.kind << TYPE_SHIFT);
        *id += 1;
        ids.push(*id);
        new_ids.push(*id);
        keys.push(new.key.as_str());
        names.push(new.name.as_str());
        known.insert(new.key.clone(), *id);
    }
    let sql = "INSERT INTO entity (id, key, name) \
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])";
    tx.execute(sql, &[&new_ids, &keys, &names]).await?;
    Ok(ids)
}
