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
    passes: bool,
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
        let (compared, all) = shortlist(tx, space, wanted, scope, keep, path).await?;
        let is_short = compared < keep;
        // The index gives up before it has seen every vector.
        if is_short && path == Path::Index {
            path = Path::Exact;
            continue;
        }
        let memories = all.len();
        let (found, depth) = admit(all, wanted);
        // Twice as many were compared as the results needed, so a memory beyond the
        // shortlist is unlikely to be nearer.
        if is_short || depth * 2 <= memories {
            return Ok(found);
        }
        if keep == least
            && let Some(few) = passing(tx, wanted.filter).await?
        {
            let scores = cosines(tx, space, wanted, &few).await?;
            return Ok(admit(scores, wanted).0);
        }
        NEAREST_WIDENED.add((), 1);
        let next = next_depth(found.len(), depth, wanted.limit).saturating_mul(keep);
        keep = (next / memories.max(1)).clamp(
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

/// The `keep` vectors nearest to each window, and the memories of all of them, best
/// first. Also the least number of vectors that a window found.
async fn shortlist(
    tx: &Tx,
    space: &VectorSpace,
    wanted: &NearestQuery<'_>,
    scope: &Scope,
    keep: usize,
    path: Path,
) -> Result<(usize, Vec<NearMemory>), StoreError> {
    let VectorSpace { model, dimensions } = space;
    // The expression decides whether the index can be used.
    let near = match path {
        Path::Exact => "v.near".to_owned(),
        Path::Index => format!("v.{}", space.indexed()),
    };
    let (mut fewest, mut best) = (usize::MAX, HashMap::new());
    for vector in wanted.vectors {
        let mut values = Values::default();
        let probe = values.bind(Vector::from(vector.clone()));
        let projects = values.bind(scope.projects.clone());
        let keep = values.bind(count(keep));
        let sql = format!(
            "WITH near AS MATERIALIZED (SELECT v.memory_id, v.vector FROM memory_vector v \
             WHERE v.model_id = {model} AND v.project = ANY ({projects}) \
             ORDER BY {near} <=> {probe}::vector::halfvec({dimensions}) LIMIT {keep}), \
             best AS (SELECT memory_id, max(1 - (vector <=> {probe})) AS score FROM near \
             GROUP BY memory_id) \
             SELECT m.id, b.score::real, m.thread, m.position, {passes}, \
             (SELECT count(*) FROM near) FROM best b JOIN memory m ON m.id = b.memory_id \
             WHERE b.score <> 'NaN'",
            passes = values.passing(wanted.filter)
        );
        let rows = tx.query(&sql, &values.params()).await?;
        let compared = rows.first().map_or(0, |row| row.get::<_, i64>(5));
        fewest = fewest.min(usize::try_from(compared).unwrap_or(0));
        keep_best(&mut best, rows.iter().map(near_from));
    }
    Ok((fewest, sorted(best)))
}

fn near_from(row: &Row) -> NearMemory {
    NearMemory {
        id: row.get(0),
        score: row.get(1),
        thread: row.get(2),
        position: row.get(3),
        passes: row.get(4),
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

/// Those that the filter lets through, up to the limit, and how many were considered:
/// up to the last one, or, if there are fewer than wanted, all that reach the threshold.
fn admit(all: Vec<NearMemory>, wanted: &NearestQuery<'_>) -> (Vec<NearMemory>, usize) {
    let mut items = Vec::new();
    let mut depth = 0;
    let near = all
        .into_iter()
        .take_while(|near| near.score >= wanted.threshold);
    for near in near {
        if items.len() == wanted.limit {
            break;
        }
        depth += 1;
        if near.passes {
            items.push(near);
        }
    }
    (items, depth)
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

/// These memories, which all pass the filter, best first.
async fn cosines(
    tx: &Tx,
    space: &VectorSpace,
    wanted: &NearestQuery<'_>,
    ids: &[MemoryId],
) -> Result<Vec<NearMemory>, StoreError> {
    let sql = "SELECT m.id, b.score::real, m.thread, m.position, true FROM \
               (SELECT memory_id, max(1 - (vector <=> $1)) AS score FROM memory_vector \
               WHERE memory_id = ANY ($2) AND model_id = $3 GROUP BY memory_id) b \
               JOIN memory m ON m.id = b.memory_id WHERE b.score <> 'NaN'";
    let mut best = HashMap::new();
    for vector in wanted.vectors {
        let probe = Vector::from(vector.clone());
        let rows = tx.query(sql, &[&probe, &ids, &space.model]).await?;
        keep_best(&mut best, rows.iter().map(near_from));
    }
    Ok(sorted(best))
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
