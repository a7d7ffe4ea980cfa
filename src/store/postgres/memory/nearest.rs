//! The memories nearest to a text: a shortlist by vectors of half the bytes, then exact
//! cosines. The filter is applied to the best candidates only. If it rejects many of
//! them, a longer shortlist follows, or, if few memories pass the filter, the cosines
//! of all that do.

use std::collections::HashMap;

use pgvector::Vector;
use tokio_postgres::Row;

use super::rows::count;
use crate::limits;
use crate::meter::store::NEAREST_WIDENED;
use crate::store::candidates::next_depth;
use crate::store::memory::{Filter, MemoryId};
use crate::store::postgres::transaction::Tx;
use crate::store::postgres::values::Values;
use crate::store::{ProjectSet, StoreError};

/// A text and the memories that are compared with it.
pub(super) struct NearestQuery<'a> {
    /// The text's windows, of which the nearest counts; all of one length.
    pub(crate) vectors: &'a [Vec<f32>],
    pub(crate) filter: &'a Filter,
    /// The least cosine.
    pub(crate) threshold: f32,
    pub(crate) limit: usize,
}

/// A memory that was found, and its position in its thread.
pub(super) struct NearMemory {
    pub(crate) id: MemoryId,
    /// The cosine of its nearest window.
    pub(crate) score: f32,
    pub(crate) thread: String,
    pub(crate) position: i64,
}

/// The nearest memories that pass the filter, of those with the nearest vectors.
struct Shortlist {
    found: Vec<NearMemory>,
    /// Vectors that were compared exactly.
    compared: usize,
    /// Their memories.
    memories: usize,
    /// How many of these were considered: up to the last one found, or, if there are fewer
    /// than wanted, all that reach the threshold.
    depth: usize,
}

/// The vectors of one model.
#[derive(Clone, Copy, Debug)]
pub(super) struct VectorSpace {
    model: i32,
    dimensions: i32,
}

impl VectorSpace {
    /// The space of the model with this name and number of dimensions, if any text was
    /// encoded by it.
    pub(super) async fn find(
        tx: &Tx,
        model: &str,
        dimensions: usize,
    ) -> Result<Option<VectorSpace>, StoreError> {
        let dimensions = i32::try_from(dimensions).unwrap_or(0);
        let sql = "SELECT id FROM embedding_model WHERE name = $1 AND dimensions = $2";
        let found = tx.query_opt(sql, &[&model, &dimensions]).await?;
        Ok(found.map(|row| VectorSpace {
            model: row.get(0),
            dimensions,
        }))
    }

    pub(super) fn new(model: i32, dimensions: i32) -> VectorSpace {
        VectorSpace { model, dimensions }
    }

    /// The name of this space's index.
    pub(super) fn index(&self) -> String {
        format!("memory_vector_near_{}", self.model)
    }

    pub(super) fn make_index(&self) -> String {
        let (index, expression) = (self.index(), self.indexed());
        let model = self.model;
        format!(
            "CREATE INDEX CONCURRENTLY {index} ON memory_vector \
             USING hnsw (({expression}) halfvec_cosine_ops) WHERE model_id = {model}"
        )
    }

    /// A statement must repeat it for the server to use the index.
    fn indexed(&self) -> String {
        format!("near::halfvec({})", self.dimensions)
    }

    pub(super) async fn is_indexed(&self, tx: &Tx) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT FROM pg_index \
                   WHERE indexrelid = to_regclass($1) AND indisvalid)";
        Ok(tx.query_one(sql, &[&self.index()]).await?.get(0))
    }
}

/// Projects and model of a search in the numbers of the indexes.
pub(super) struct Scope {
    /// `None` if no text was encoded by the model.
    space: Option<VectorSpace>,
    pub(crate) projects: Vec<i32>,
    /// Memories in any state, and words in them.
    pub(crate) documents: i64,
    pub(crate) words: i64,
}

impl Scope {
    /// Of a search for `vectors`, which may be none, by `model`.
    pub(super) async fn of(
        tx: &Tx,
        projects: &ProjectSet,
        model: &str,
        vectors: &[Vec<f32>],
    ) -> Result<Scope, StoreError> {
        let sql = "SELECT id, documents, words, (SELECT id FROM embedding_model \
                   WHERE name = $3 AND dimensions = $4) FROM project WHERE $1 OR name = ANY ($2)";
        let dimensions = vectors.first().map_or(0, Vec::len);
        let dimensions = i32::try_from(dimensions).unwrap_or(0);
        let (all, names) = match projects {
            ProjectSet::All => (true, &[][..]),
            ProjectSet::Only(names) => (false, names.as_slice()),
        };
        let rows = tx.query(sql, &[&all, &names, &model, &dimensions]).await?;
        let model: Option<i32> = rows.first().and_then(|row| row.get(3));
        Ok(Scope {
            space: model.map(|model| VectorSpace { model, dimensions }),
            projects: rows.iter().map(|row| row.get(0)).collect(),
            documents: rows.iter().map(|row| row.get::<_, i64>(1)).sum(),
            words: rows.iter().map(|row| row.get::<_, i64>(2)).sum(),
        })
    }
}

/// How the shortlist is made.
#[derive(Clone, Copy, PartialEq)]
enum Path {
    /// Every vector of the projects is compared.
    Exact,
    /// By the HNSW index, which may miss some.
    Index,
}

/// The nearest memories, best first: at most `limit`, and none with a cosine below the
/// threshold.
pub(super) async fn nearest(
    tx: &Tx,
    scope: &Scope,
    wanted: &NearestQuery<'_>,
) -> Result<Vec<NearMemory>, StoreError> {
    let Some(space) = &scope.space else {
        return Ok(Vec::new());
    };
    let least = limits::NEAREST_RESCORED_MIN.max(wanted.limit * limits::NEAREST_RESCORED_FACTOR);
    let mut path = path(tx, space, scope, least).await?;
    let mut keep = least;
    loop {
        let list = shortlist(tx, space, wanted, scope, keep, path).await?;
        let is_short = list.compared < keep;
        // The index gives up before it has seen every vector.
        if is_short && path == Path::Index {
            path = Path::Exact;
            continue;
        }
        // Twice as many were compared as the results needed, so a memory beyond the
        // shortlist is unlikely to be nearer.
        if is_short || list.depth * 2 <= list.memories {
            return Ok(list.found);
        }
        if keep == least
            && let Some(few) = passing(tx, wanted.filter).await?
        {
            return cosines(tx, space, wanted, &few).await;
        }
        NEAREST_WIDENED.add((), 1);
        let next = next_depth(list.found.len(), list.depth, wanted.limit).saturating_mul(keep);
        keep = (next / list.memories.max(1)).clamp(
            keep + 1,
            keep.saturating_mul(limits::NEAREST_RESCORED_GROWTH),
        );
        path = Path::Exact;
    }
}

async fn path(
    tx: &Tx,
    space: &VectorSpace,
    scope: &Scope,
    keep: usize,
) -> Result<Path, StoreError> {
    if scope.documents <= limits::NEAREST_EXACT_MEMORIES_MAX {
        return Ok(Path::Exact);
    }
    match space.is_indexed(tx).await? {
        true => {
            let search = keep.clamp(
                limits::NEAREST_INDEX_SEARCHED_MIN,
                limits::NEAREST_INDEX_SEARCHED_MAX,
            );
            // Without statistics the server would rather sort all of them.
            tx.batch(&format!(
                "SET LOCAL hnsw.ef_search = {search}; \
                 SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL enable_sort = off"
            ))
            .await?;
            Ok(Path::Index)
        }
        false => Ok(Path::Exact),
    }
}

/// The nearest memories of the `keep` vectors nearest to each window. The figures are those
/// of the window that found least.
async fn shortlist(
    tx: &Tx,
    space: &VectorSpace,
    wanted: &NearestQuery<'_>,
    scope: &Scope,
    keep: usize,
    path: Path,
) -> Result<Shortlist, StoreError> {
    let VectorSpace { model, dimensions } = space;
    // The expression decides whether the index can be used.
    let near = match path {
        Path::Exact => "v.near".to_owned(),
        Path::Index => format!("v.{}", space.indexed()),
    };
    let mut best = HashMap::new();
    let mut list = Shortlist {
        found: Vec::new(),
        compared: usize::MAX,
        memories: usize::MAX,
        depth: 0,
    };
    for vector in wanted.vectors {
        let mut values = Values::default();
        let probe = values.bind(Vector::from(vector.clone()));
        let projects = values.bind(scope.projects.clone());
        let keep = values.bind(count(keep));
        let threshold = values.bind(wanted.threshold);
        let limit = values.bind(count(wanted.limit));
        // As in `recall.rs`, each OFFSET keeps the order of the work: no more memories are
        // looked up than it takes to find enough that pass.
        let sql = format!(
            "WITH near AS MATERIALIZED (SELECT v.memory_id, v.vector FROM memory_vector v \
             WHERE v.model_id = {model} AND v.project = ANY ({projects}) \
             ORDER BY {near} <=> {probe}::vector::halfvec({dimensions}) LIMIT {keep}), \
             best AS MATERIALIZED (SELECT memory_id, score, \
             row_number() OVER (ORDER BY score DESC, memory_id) AS rank \
             FROM (SELECT memory_id, max(1 - (vector <=> {probe}))::real AS score FROM near \
             GROUP BY memory_id) each WHERE score <> 'NaN'), \
             reached AS (SELECT * FROM best WHERE score >= {threshold}) \
             (SELECT b.memory_id, b.score, m.thread, m.position, b.rank \
             FROM (SELECT * FROM reached ORDER BY rank OFFSET 0) b, \
             LATERAL (SELECT m.thread, m.position \
             FROM (SELECT * FROM memory WHERE id = b.memory_id OFFSET 0) m \
             WHERE {passes} OFFSET 0) m ORDER BY b.rank LIMIT {limit}) \
             UNION ALL SELECT (SELECT count(*) FROM near), NULL, NULL, \
             (SELECT count(*) FROM reached), (SELECT count(*) FROM best)",
            passes = values.passing(wanted.filter)
        );
        let rows = tx.query(&sql, &values.params()).await?;
        let number = |value: i64| usize::try_from(value).unwrap_or(0);
        let (found, counts): (Vec<&Row>, Vec<&Row>) = rows
            .iter()
            .partition(|row| row.get::<_, Option<f32>>(1).is_some());
        let Some(counts) = counts.first() else {
            return Err(StoreError::Abandoned);
        };
        let depth = match found.last() {
            Some(last) if found.len() == wanted.limit => last.get(4),
            _ => counts.get(3),
        };
        list.compared = list.compared.min(number(counts.get(0)));
        list.memories = list.memories.min(number(counts.get(4)));
        list.depth = list.depth.max(number(depth));
        keep_best(&mut best, found.into_iter().map(near_from));
    }
    list.found = sorted(best);
    list.found.truncate(wanted.limit);
    Ok(list)
}

fn near_from(row: &Row) -> NearMemory {
    NearMemory {
        id: row.get(0),
        score: row.get(1),
        thread: row.get(2),
        position: row.get(3),
    }
}

fn keep_best(best: &mut HashMap<MemoryId, NearMemory>, found: impl Iterator<Item = NearMemory>) {
    for near in found {
        match best.get_mut(&near.id) {
            Some(known) if known.score >= near.score => {}
            Some(known) => *known = near,
            None => {
                best.insert(near.id, near);
            }
        }
    }
}

/// Best first; of equal scores the older memory comes first.
fn sorted(best: HashMap<MemoryId, NearMemory>) -> Vec<NearMemory> {
    let mut all: Vec<NearMemory> = best.into_values().collect();
    all.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    all
}

/// The memories that `filter` lets through, if they are few.
async fn passing(tx: &Tx, filter: &Filter) -> Result<Option<Vec<MemoryId>>, StoreError> {
    let most = limits::NEAREST_COMPARED_MAX;
    let mut values = Values::default();
    let passes = values.passing(filter);
    let limit = values.bind(count(most + 1));
    let sql = format!("SELECT m.id FROM memory m WHERE {passes} LIMIT {limit}");
    let ids: Vec<MemoryId> = tx
        .query(&sql, &values.params())
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect();
    Ok((ids.len() <= most).then_some(ids))
}

/// The nearest of these memories, which all pass the filter.
async fn cosines(
    tx: &Tx,
    space: &VectorSpace,
    wanted: &NearestQuery<'_>,
    ids: &[MemoryId],
) -> Result<Vec<NearMemory>, StoreError> {
    let sql = "SELECT m.id, b.score::real, m.thread, m.position FROM \
               (SELECT memory_id, max(1 - (vector <=> $1)) AS score FROM memory_vector \
               WHERE memory_id = ANY ($2) AND model_id = $3 GROUP BY memory_id) b \
               JOIN memory m ON m.id = b.memory_id WHERE b.score <> 'NaN'";
    let mut best = HashMap::new();
    for vector in wanted.vectors {
        let probe = Vector::from(vector.clone());
        let rows = tx.query(sql, &[&probe, &ids, &space.model]).await?;
        keep_best(&mut best, rows.iter().map(near_from));
    }
    let mut found = sorted(best);
    found.retain(|near| near.score >= wanted.threshold);
    found.truncate(wanted.limit);
    Ok(found)
}

/// See `MemoryStore::similarities`.
pub(super) async fn similarities(
    tx: &Tx,
    projects: &ProjectSet,
    model: &str,
    ids: &[MemoryId],
    probe: &[f32],
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    let Some(space) = VectorSpace::find(tx, model, probe.len()).await? else {
        return Ok(Vec::new());
    };
    let mut values = Values::default();
    let sql = format!(
        "SELECT id, score::real FROM (SELECT m.id, max(1 - (v.vector <=> {})) AS score \
         FROM memory_vector v JOIN memory m ON m.id = v.memory_id \
         WHERE m.id = ANY ({}) AND v.model_id = {} AND {} GROUP BY m.id) s WHERE score <> 'NaN'",
        values.bind(Vector::from(probe.to_vec())),
        values.bind(ids.to_vec()),
        space.model,
        values.within(projects)
    );
    let rows = tx.query(&sql, &values.params()).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
