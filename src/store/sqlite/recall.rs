//! The two sides of a search: BM25 over the keyword index, and an exact scan of
//! the vectors. Both apply the filter inside the query, so that what a filter
//! leaves out never takes a place among the best.

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
    let mut near = Near::new(query.threshold);
    scan(file, model, probe.len(), |id, blob| {
        if let Some(cosine) = vector::dot_bytes(probe, blob) {
            near.offer(id, cosine);
        }
    })?;
    near.admit(file, &query.filter, query.limit, |row, cosine| {
        threads.hit(row, cosine)
    })
}

/// See `MemoryStore::likeness`.
pub fn likeness(
    file: &Transaction<'_>,
    model: &str,
    ids: &[MemoryId],
    probe: &[f32],
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    let Some(model_id) = model_id(file, model, probe.len())? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT vector FROM memory_vector WHERE memory_id = ? AND model_id = ?";
    let mut statement = file.prepare_cached(sql)?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query((id, model_id))?;
        let mut nearest: Option<f32> = None;
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
            if let Some(cosine) = vector::dot_bytes(probe, blob) {
                nearest = Some(nearest.map_or(cosine, |best| best.max(cosine)));
            }
        }
        found.extend(nearest.map(|cosine| (*id, cosine)));
    }
    Ok(found)
}

/// The number of the model with this name and so many dimensions, if any text
/// was encoded by it.
fn model_id(
    file: &Transaction<'_>,
    model: &str,
    dimensions: usize,
) -> Result<Option<i64>, StoreError> {
    let dimensions = i64::try_from(dimensions).unwrap_or(0);
    let id = file
        .prepare_cached("SELECT id FROM embedding_model WHERE name = ? AND dimensions = ?")?
        .query_row((model, dimensions), |row| row.get(0))
        .optional()?;
    Ok(id)
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
    let mut nears: Vec<Near> = probes.iter().map(|_| Near::new(threshold)).collect();
    let dimensions = probes
        .iter()
        .find_map(|(_, vectors)| vectors.first())
        .map_or(0, Vec::len);
    scan(file, model, dimensions, |id, blob| {
        for ((_, vectors), near) in probes.iter().zip(&mut nears) {
            for vector in vectors {
                if let Some(cosine) = vector::dot_bytes(vector, blob) {
                    near.offer(id, cosine);
                }
            }
        }
    })?;
    let admit = |((project, _), near): (&(String, _), Near)| {
        let filter = Filter {
            projects: vec![project.clone()],
            now,
            ..Filter::default()
        };
        near.admit(file, &filter, limit, |row, _| row.get(0))
    };
    probes.iter().zip(nears).map(admit).collect()
}

/// Visits every vector of `model`; the windows of one memory come one after
/// the other. Without the filter, which would cost a look-up for each: whom it
/// leaves out is found out best first, so that mostly a few hundred are looked
/// at (`Near::admit`).
fn scan(
    file: &Transaction<'_>,
    model: &str,
    dimensions: usize,
    mut visit: impl FnMut(MemoryId, &[u8]),
) -> Result<(), StoreError> {
    let Some(model_id) = model_id(file, model, dimensions)? else {
        return Ok(());
    };
    let sql = "SELECT memory_id, vector FROM memory_vector WHERE model_id = ?";
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query([model_id])?;
    while let Some(row) = rows.next()? {
        if let Ok(blob) = row.get_ref(1)?.as_blob() {
            visit(row.get(0)?, blob);
        }
    }
    Ok(())
}

/// The memories of a scan that are near enough, each by its nearest window:
/// sixteen bytes a memory while the scan lasts.
struct Near {
    threshold: f32,
    found: Vec<Ranked>,
    /// The memory whose windows are being visited, with its best so far.
    current: Option<Ranked>,
}

/// How many of the best are held against the filter at once, at least.
const LOOK_UPS: usize = 64;

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

impl Near {
    fn new(threshold: f32) -> Near {
        Near {
            threshold,
            found: Vec::new(),
            current: None,
        }
    }

    /// One window of memory `id` has this cosine. Windows of one memory must
    /// be offered one after the other.
    fn offer(&mut self, id: MemoryId, cosine: f32) {
        match &mut self.current {
            Some(Ranked(best, current)) if *current == id => *best = best.max(cosine),
            _ => {
                self.settle();
                self.current = Some(Ranked(cosine, id));
            }
        }
    }

    fn settle(&mut self) {
        let near = |ranked: &Ranked| ranked.0 >= self.threshold;
        self.found.extend(self.current.take().filter(near));
    }

    /// What `take` makes of the best that `filter` lets through, best first;
    /// it is given rows of (id, thread, position).
    fn admit<T>(
        mut self,
        file: &Transaction<'_>,
        filter: &Filter,
        limit: usize,
        mut take: impl FnMut(&Row<'_>, f32) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.settle();
        let mut best = BinaryHeap::from(self.found);
        let condition = Condition::of(filter);
        let sql = format!(
            "SELECT m.id, m.thread, m.position FROM memory m \
             WHERE m.id IN (SELECT value FROM json_each(?)) AND {}",
            condition.sql()
        );
        let mut statement = file.prepare_cached(&sql)?;
        let mut admitted = Vec::new();
        while admitted.len() < limit && !best.is_empty() {
            let next = (0..limit.max(LOOK_UPS)).map_while(|_| best.pop());
            let next: Vec<(MemoryId, f32)> = next.map(|Ranked(score, id)| (id, score)).collect();
            let scores: HashMap<MemoryId, f32> = next.iter().copied().collect();
            let ids: Vec<&MemoryId> = scores.keys().collect();
            let ids = [Value::Text(format!("{ids:?}"))];
            let mut rows =
                statement.query(params_from_iter(ids.iter().chain(condition.values())))?;
            let mut found: HashMap<MemoryId, T> = HashMap::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                found.insert(id, take(row, scores[&id])?);
            }
            admitted.extend(next.iter().filter_map(|(id, _)| found.remove(id)));
        }
        admitted.truncate(limit);
        Ok(admitted)
    }
}
