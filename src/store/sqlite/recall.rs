//! The two sides of a search: BM25 over the keyword index, and an exact scan of
//! the vectors. Both apply the filter inside the query, so that what a filter
//! leaves out never takes a place among the best.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};

use super::rows::Condition;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::memory::{CandidateQuery, Candidates, Filter, Hit, MemoryId};
use crate::text::QueryWord;
use crate::vector;

/// See `MemoryStore::candidates`.
pub fn candidates(
    file: &Transaction<'_>,
    model: &str,
    query: &CandidateQuery,
) -> Result<Candidates, StoreError> {
    let mut threads = Threads::default();
    let keyword = if query.words.is_empty() {
        Vec::new()
    } else {
        by_keyword(file, query, &mut threads)?
    };
    let semantic = match &query.vector {
        Some(vector) => by_vector(file, model, query, vector, &mut threads)?,
        None => Vec::new(),
    };
    Ok(Candidates { keyword, semantic })
}

/// Numbers threads in the order they are met: a hit carries a number instead
/// of a name.
#[derive(Default)]
struct Threads(HashMap<String, u32>);

impl Threads {
    /// A hit from a row of (id, thread, position).
    fn hit(&mut self, row: &Row<'_>, score: f32) -> rusqlite::Result<Hit> {
        let name: String = row.get(1)?;
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        Ok(Hit {
            id: row.get(0)?,
            score,
            thread: *self.0.entry(name).or_insert(next),
            position: row.get(2)?,
        })
    }
}

fn by_keyword(
    file: &Transaction<'_>,
    query: &CandidateQuery,
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    let condition = Condition::of(&query.filter);
    let sql = format!(
        "SELECT m.id, m.thread, m.position, -bm25(memory_words) AS score \
         FROM memory_words JOIN memory m ON m.id = memory_words.rowid \
         WHERE memory_words MATCH ? AND {} ORDER BY score DESC, m.id LIMIT {}",
        condition.sql(),
        query.limit
    );
    let expression = [Value::Text(match_expression(&query.words))];
    let values = expression.iter().chain(condition.values());
    let mut statement = file.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut hits = Vec::new();
    while let Some(row) = rows.next()? {
        hits.push(threads.hit(row, row.get(3)?)?);
    }
    Ok(hits)
}

/// Any of the words. Each stands in quotes, so none is an operator.
fn match_expression(words: &[QueryWord]) -> String {
    let quoted = words.iter().map(|QueryWord { word, prefix }| {
        let word = word.replace('"', "\"\"");
        format!("\"{word}\"{}", if *prefix { "*" } else { "" })
    });
    quoted.collect::<Vec<_>>().join(" OR ")
}

fn by_vector(
    file: &Transaction<'_>,
    model: &str,
    query: &CandidateQuery,
    probe: &[f32],
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    let mut best = Best::new(query.limit, query.threshold);
    scan(file, model, &query.filter, probe.len(), |id, blob| {
        if let Some(cosine) = vector::dot_bytes(probe, blob) {
            best.offer(id, cosine);
        }
    })?;
    let best = best.into_sorted();
    let mut place = file.prepare_cached("SELECT id, thread, position FROM memory WHERE id = ?")?;
    best.into_iter()
        .map(|(id, cosine)| Ok(place.query_row([id], |row| threads.hit(row, cosine))?))
        .collect()
}

/// See `MemoryStore::similar`.
pub fn similar(
    file: &Transaction<'_>,
    model: &str,
    probes: &[(String, Vec<Vec<f32>>)],
    threshold: f32,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Vec<MemoryId>>, StoreError> {
    let mut bests: Vec<Best> = probes.iter().map(|_| Best::new(limit, threshold)).collect();
    let mut projects: Vec<&String> = probes.iter().map(|(project, _)| project).collect();
    projects.sort_unstable();
    projects.dedup();
    for project in projects {
        let filter = Filter {
            projects: vec![project.clone()],
            now,
            ..Filter::default()
        };
        let mine: Vec<(usize, &Vec<f32>)> = probes
            .iter()
            .enumerate()
            .filter(|(_, (of, _))| of == project)
            .flat_map(|(nth, (_, vectors))| vectors.iter().map(move |vector| (nth, vector)))
            .collect();
        let dimensions = mine.first().map_or(0, |(_, vector)| vector.len());
        scan(file, model, &filter, dimensions, |id, blob| {
            for (nth, vector) in &mine {
                if let Some(cosine) = vector::dot_bytes(vector, blob) {
                    bests[*nth].offer(id, cosine);
                }
            }
        })?;
    }
    let ids = |best: Best| best.into_sorted().into_iter().map(|(id, _)| id).collect();
    Ok(bests.into_iter().map(ids).collect())
}

/// Visits every vector of `model` that belongs to a memory of `filter`; the
/// windows of one memory come one after the other.
fn scan(
    file: &Transaction<'_>,
    model: &str,
    filter: &Filter,
    dimensions: usize,
    mut visit: impl FnMut(MemoryId, &[u8]),
) -> Result<(), StoreError> {
    let model_id: Option<i64> = file
        .prepare_cached("SELECT id FROM embedding_model WHERE name = ? AND dimensions = ?")?
        .query_row((model, i64::try_from(dimensions).unwrap_or(0)), |row| {
            row.get(0)
        })
        .optional()?;
    let Some(model_id) = model_id else {
        return Ok(());
    };
    let condition = Condition::of(filter);
    // In the order of the vectors' own table, which is nearly that of the
    // memories: one walk through each.
    let sql = format!(
        "SELECT v.memory_id, v.vector FROM memory_vector v CROSS JOIN memory m \
         ON m.id = v.memory_id WHERE v.model_id = ? AND {}",
        condition.sql()
    );
    let model_id = [Value::Integer(model_id)];
    let mut statement = file.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(model_id.iter().chain(condition.values())))?;
    while let Some(row) = rows.next()? {
        if let Ok(blob) = row.get_ref(1)?.as_blob() {
            visit(row.get(0)?, blob);
        }
    }
    Ok(())
}

/// Keeps the best memories of a scan, each by its best window.
struct Best {
    limit: usize,
    threshold: f32,
    heap: BinaryHeap<Reverse<Ranked>>,
    /// The memory whose windows are being visited, with its best so far.
    current: Option<(MemoryId, f32)>,
}

/// Ordered by score; of equal scores the older memory is the better one.
#[derive(PartialEq)]
struct Ranked(f32, MemoryId);

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

impl Best {
    fn new(limit: usize, threshold: f32) -> Best {
        Best {
            limit,
            threshold,
            heap: BinaryHeap::new(),
            current: None,
        }
    }

    /// One window of memory `id` has this cosine. Windows of one memory must
    /// be offered one after the other.
    fn offer(&mut self, id: MemoryId, cosine: f32) {
        match &mut self.current {
            Some((current, best)) if *current == id => *best = best.max(cosine),
            _ => {
                self.settle();
                self.current = Some((id, cosine));
            }
        }
    }

    fn settle(&mut self) {
        let Some((id, cosine)) = self.current.take() else {
            return;
        };
        if cosine.is_nan() || cosine < self.threshold {
            return;
        }
        self.heap.push(Reverse(Ranked(cosine, id)));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Best first.
    fn into_sorted(mut self) -> Vec<(MemoryId, f32)> {
        self.settle();
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(Ranked(cosine, id))| (id, cosine))
            .collect()
    }
}
