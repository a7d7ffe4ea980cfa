//! The memories nearest to a text: a shortlist by one-bit codes, then exact
//! cosines by sqlite-vec. Where indexes lead to the memories that can pass the filter,
//! the shortlist has no others. The rest of it is applied to the best candidates only, so
//! that usually a few hundred memories are looked up. If it rejects many of them, a
//! longer shortlist follows, or, if few memories pass the filter, the cosines of
//! all that do.
//!
//! sqlite-vec is no slower than reading each vector and comparing it with the
//! kernels in `vector`: for 800 cosines `cargo bench --bench search` measured 29,
//! 51 and 36 ms with sqlite-vec, and 40, 52 and 44 ms with the kernels, at 5,000,
//! 20,000 and 100,000 memories (2026-11-25, alternating, p50, on two busy cores:
//! only the ratio is meaningful).

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::codes::{VectorId, VectorSpace};
use super::prefilter;
use super::rows::Condition;
use crate::limits;
use crate::meter::store::NEAREST_WIDENED;
use crate::store::candidates::next_depth;
use crate::store::memory::{Filter, MemoryId};
use crate::store::{ProjectSet, StoreError};
use crate::vector::Probe;

/// A text and the memories that are compared with it.
pub(super) struct NearestQuery<'a> {
    /// The text's windows, of which the nearest counts. Not empty, of the space's
    /// dimensions.
    pub(crate) vectors: &'a [Vec<f32>],
    pub(crate) filter: &'a Filter,
    /// The only memories that can pass the filter, ascending, if that is known.
    pub(crate) among: Option<&'a [MemoryId]>,
}

/// For each of `wanted` the nearest memories, best first: at most `limit`, and
/// none with a cosine below `threshold`. `take` is given rows of (id, thread,
/// position) with their cosines.
pub(super) fn nearest<T>(
    file: &Connection,
    space: &VectorSpace,
    wanted: &[NearestQuery<'_>],
    threshold: f32,
    limit: usize,
    mut take: impl FnMut(&Row<'_>, f32) -> rusqlite::Result<T>,
) -> Result<Vec<Vec<T>>, StoreError> {
    let least = limits::NEAREST_RESCORED_MIN.max(limit * limits::NEAREST_RESCORED_FACTOR);
    let mut answers: Vec<Vec<T>> = wanted.iter().map(|_| Vec::new()).collect();
    // More exact cosines take no longer than the codes that they save comparing.
    let codes = usize::try_from(space.coded).unwrap_or(0);
    let compared = least + codes / limits::NEAREST_CODES_A_COSINE;
    let compared = compared.min(limits::NEAREST_COMPARED_MAX.max(least));
    let uncoded = space.uncoded(file)?;
    let mut open: Vec<usize> = Vec::new();
    // The vectors of the memories that can pass, where that is known.
    let mut among: Vec<Option<Vec<VectorId>>> = Vec::new();
    for (nth, each) in wanted.iter().enumerate() {
        if let Some(few) = each.among
            && few.len() <= compared
        {
            let scores = similarities(file, space, few, each.vectors)?;
            answers[nth] = admit(file, each.filter, scores, threshold, limit, &mut take)?.items;
            among.push(None);
        } else {
            let vectors = each.among.map(|ids| space.vectors_of(file, ids));
            among.push(vectors.transpose()?);
            open.push(nth);
        }
    }
    // Where many pass and many do not, the least is too short half of the time.
    let rejects = |nth: &usize| among[*nth].is_none() && wanted[*nth].filter.is_narrow();
    let first = if open.iter().any(rejects) {
        2 * least
    } else {
        least
    };
    let mut keep = first;
    while !open.is_empty() {
        let lists = shortlists(file, space, wanted, &among, &open, keep)?;
        let (mut again, mut wider) = (Vec::new(), keep);
        for (nth, (mut list, of)) in open.into_iter().zip(lists) {
            let NearestQuery {
                vectors, filter, ..
            } = &wanted[nth];
            let is_all = list.len() < keep;
            list.extend(uncoded.iter().filter(|id| is_among(&among[nth], id)));
            let scores = cosines(file, &list, vectors)?;
            let memories = scores.len();
            let found = admit(file, filter, scores, threshold, limit, &mut take)?;
            // Twice as many were compared as the results needed, so a memory beyond
            // the shortlist is unlikely to be nearer.
            if is_all || found.depth * 2 <= memories {
                answers[nth] = found.items;
            } else if keep == first
                && few_may_pass(&found, of)
                && let Some(few) = prefilter::all_ids(file, filter, limits::NEAREST_COMPARED_MAX)?
            {
                let scores = similarities(file, space, &few, vectors)?;
                let found = admit(file, filter, scores, threshold, limit, &mut take)?;
                answers[nth] = found.items;
            } else {
                let next = next_depth(found.items.len(), found.depth, limit).saturating_mul(keep);
                wider = wider.max(next / memories.max(1));
                again.push(nth);
            }
        }
        NEAREST_WIDENED.add((), again.len() as u64);
        open = again;
        keep = wider.clamp(
            keep + 1,
            keep.saturating_mul(limits::NEAREST_RESCORED_GROWTH),
        );
    }
    Ok(answers)
}

/// For each of the `open` texts the `keep` vectors nearest by code, and of how many. A
/// chain of blocks is read once for all texts of its project.
fn shortlists(
    file: &Connection,
    space: &VectorSpace,
    wanted: &[NearestQuery<'_>],
    among: &[Option<Vec<VectorId>>],
    open: &[usize],
    keep: usize,
) -> Result<Vec<(Vec<VectorId>, usize)>, StoreError> {
    let mut lists: Vec<Shortlist<'_>> = open
        .iter()
        .map(|nth| Shortlist::new(wanted[*nth].vectors, &among[*nth], keep))
        .collect();
    let mut by_projects: BTreeMap<ProjectSet, Vec<usize>> = BTreeMap::new();
    for (place, nth) in open.iter().enumerate() {
        let projects = wanted[*nth].filter.project_set();
        by_projects.entry(projects).or_default().push(place);
    }
    let mut buffers = Buffers::default();
    for (projects, places) in by_projects {
        space.scan(file, &projects, |ids, codes| {
            for place in &places {
                lists[*place].offer(ids, codes, &mut buffers);
            }
        })?;
    }
    Ok(lists.into_iter().map(Shortlist::vectors).collect())
}

/// The nearest vectors by code so far.
struct Shortlist<'a> {
    probes: Vec<Probe>,
    among: &'a Option<Vec<VectorId>>,
    keep: usize,
    /// Only vectors before this one can still be among the nearest.
    end: (u32, VectorId),
    found: Vec<(u32, VectorId)>,
    offered: usize,
}

impl Shortlist<'_> {
    fn new<'a>(
        vectors: &[Vec<f32>],
        among: &'a Option<Vec<VectorId>>,
        keep: usize,
    ) -> Shortlist<'a> {
        Shortlist {
            probes: vectors.iter().map(|vector| Probe::of(vector)).collect(),
            among,
            keep,
            end: (u32::MAX, VectorId::MAX),
            found: Vec::new(),
            offered: 0,
        }
    }

    /// Takes the vectors of a block that may be among the nearest.
    fn offer(&mut self, ids: &[[u8; 8]], codes: &[u8], buffers: &mut Buffers) {
        self.offered += ids.len();
        buffers.nearest.clear();
        buffers.nearest.resize(ids.len(), u32::MAX);
        for probe in &self.probes {
            probe.distances(codes, &mut buffers.distances);
            for (nearest, distance) in buffers.nearest.iter_mut().zip(&buffers.distances) {
                *nearest = (*nearest).min(*distance);
            }
        }
        let all = buffers.nearest.iter().copied();
        let all = all.zip(ids.iter().map(|id| VectorId::from_le_bytes(*id)));
        let near = all.filter(|near| *near < self.end && is_among(self.among, &near.1));
        self.found.extend(near);
        // Truncating the list whenever it doubles is cheaper than a heap.
        if self.found.len() >= self.keep.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.found.len() > self.keep {
            let (_, end, _) = self.found.select_nth_unstable(self.keep);
            self.end = *end;
            self.found.truncate(self.keep);
        }
    }

    fn vectors(mut self) -> (Vec<VectorId>, usize) {
        self.cut();
        let ids = self.found.into_iter().map(|(_, id)| id);
        let among = self.among.as_ref().map_or(usize::MAX, Vec::len);
        (ids.collect(), self.offered.min(among))
    }
}

fn is_among(among: &Option<Vec<VectorId>>, id: &VectorId) -> bool {
    among
        .as_ref()
        .is_none_or(|ids| ids.binary_search(id).is_ok())
}

/// Distances to the codes of one block.
#[derive(Default)]
struct Buffers {
    distances: Vec<u32>,
    nearest: Vec<u32>,
}

/// The memories of these vectors, each with the cosine of its nearest one.
fn cosines(
    file: &Connection,
    list: &[VectorId],
    probes: &[Vec<f32>],
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    nearest_window(
        file,
        "id IN (SELECT value FROM json_each(?2))",
        list,
        &[],
        probes,
    )
}

/// These memories, each with the cosine between its nearest vector and the
/// nearest of `probes`; those without a vector in the space are missing.
pub(super) fn similarities(
    file: &Connection,
    space: &VectorSpace,
    ids: &[MemoryId],
    probes: &[Vec<f32>],
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    let of_space = "memory_id IN (SELECT value FROM json_each(?2)) AND model_id = ?3";
    nearest_window(file, of_space, ids, &[space.model], probes)
}

/// Each memory of the vectors that `condition` chooses among `ids`, with the
/// greatest cosine between one of them and one of `probes`. One statement of
/// sqlite-vec's for each probe; a vector of another length has no cosine.
fn nearest_window(
    file: &Connection,
    condition: &str,
    ids: &[i64],
    others: &[i64],
    probes: &[Vec<f32>],
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    // Grouping by memory would make SQLite sort the vectors.
    let sql = format!(
        "SELECT memory_id, 1 - vec_distance_cosine(vector, ?1) FROM memory_vector \
         WHERE {condition} AND length(vector) = length(?1)"
    );
    let mut statement = file.prepare_cached(&sql)?;
    let ids = Value::Text(serde_json::json!(ids).to_string());
    let mut best: HashMap<MemoryId, f32> = HashMap::new();
    for probe in probes {
        let probe = probe.iter().flat_map(|number| number.to_le_bytes());
        let values = [Value::Blob(probe.collect()), ids.clone()];
        let others = others.iter().copied().map(Value::Integer);
        let mut rows = statement.query(params_from_iter(values.into_iter().chain(others)))?;
        while let Some(row) = rows.next()? {
            // The cosine of a zero vector is NULL.
            if let Some(cosine) = row.get::<_, Option<f32>>(1)? {
                let nearest = best.entry(row.get(0)?).or_insert(cosine);
                *nearest = nearest.max(cosine);
            }
        }
    }
    Ok(best.into_iter().collect())
}

/// Whether the filter may let few of `all` vectors through, by the share of the nearest
/// ones that it let through: finding out takes long where it does not.
fn few_may_pass<T>(found: &TopPassing<T>, all: usize) -> bool {
    let most = found.depth.saturating_mul(2 * limits::NEAREST_COMPARED_MAX);
    found.items.len().saturating_mul(all) <= most
}

/// The best that a filter lets through.
pub(super) struct TopPassing<T> {
    /// Best first.
    pub(crate) items: Vec<T>,
    /// How many scores were considered: up to the last item, or, if there are fewer
    /// items than wanted, all that reach the threshold.
    pub(crate) depth: usize,
}

/// Maps `take` over the best of `scores` that `filter` lets through, best first;
/// of equal scores the older memory comes first.
pub(super) fn admit<T>(
    file: &Connection,
    filter: &Filter,
    mut scores: Vec<(MemoryId, f32)>,
    threshold: f32,
    limit: usize,
    take: &mut impl FnMut(&Row<'_>, f32) -> rusqlite::Result<T>,
) -> Result<TopPassing<T>, StoreError> {
    scores.retain(|(_, score)| *score >= threshold);
    scores.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    let condition = Condition::of(filter);
    let sql = format!(
        "SELECT m.id, m.thread, m.position FROM memory m WHERE m.id = ? AND {}",
        condition.sql()
    );
    let mut statement = file.prepare_cached(&sql)?;
    let mut items = Vec::new();
    let mut depth = 0;
    for (id, score) in scores {
        if items.len() == limit {
            break;
        }
        depth += 1;
        let id = [Value::Integer(id)];
        let values = params_from_iter(id.iter().chain(condition.values()));
        let item = statement.query_row(values, |row| take(row, score));
        items.extend(item.optional()?);
    }
    Ok(TopPassing { items, depth })
}
