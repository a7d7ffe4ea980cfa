//! The two sides of a search: BM25 over the keyword index, and the nearest
//! vectors. Both apply the filter inside, so that a memory that it rejects
//! never displaces a better result.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::codes::Space;
use super::nearest::{self, Wanted, admit, nearest};
use super::rows;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::memory::{CandidateQuery, Candidates, Filter, Hit, MemoryId};
use crate::store::{ProjectSet, StoreError};
use crate::text::QueryWord;

/// See `MemoryStore::candidates`.
pub(super) fn candidates(
    file: &Connection,
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

/// Numbers threads in order of appearance: a hit carries a number instead
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
    file: &Connection,
    query: &CandidateQuery,
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    // Filtering in SQL would look up every memory with one of the words.
    let sql = "SELECT rowid, -bm25(memory_words) FROM memory_words WHERE memory_words MATCH ?";
    let mut statement = file.prepare_cached(sql)?;
    let scores = statement.query_map([match_expression(&query.words)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let scores: Vec<(MemoryId, f32)> = scores.collect::<Result<_, _>>()?;
    let take = &mut |row: &Row<'_>, score| threads.hit(row, score);
    let best = admit(file, &query.filter, scores, f32::MIN, query.limit, take)?;
    Ok(best.items)
}

/// Matches any of the words. Each is quoted, so none is read as an operator.
fn match_expression(words: &[QueryWord]) -> String {
    let quoted = words.iter().map(|QueryWord { word, prefix }| {
        let word = word.replace('"', "\"\"");
        format!("\"{word}\"{}", if *prefix { "*" } else { "" })
    });
    quoted.collect::<Vec<_>>().join(" OR ")
}

fn by_vector(
    file: &Connection,
    model: &str,
    query: &CandidateQuery,
    probe: &[f32],
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    let Some(space) = Space::find(file, model, probe.len())? else {
        return Ok(Vec::new());
    };
    let wanted = [Wanted {
        vectors: &[probe.to_vec()],
        filter: &query.filter,
    }];
    let take = |row: &Row<'_>, cosine| threads.hit(row, cosine);
    let found = nearest(file, &space, &wanted, query.threshold, query.limit, take)?;
    Ok(found.into_iter().next().unwrap_or_default())
}

pub(super) fn similarities(
    file: &Connection,
    projects: &ProjectSet,
    model: &str,
    ids: &[MemoryId],
    probe: Vec<f32>,
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    match Space::find(file, model, probe.len())? {
        Some(space) => {
            let ids = rows::ids_within(file, ids, projects)?;
            nearest::similarities(file, &space, &ids, &[probe])
        }
        None => Ok(Vec::new()),
    }
}

/// See `MemoryStore::similar`.
pub(super) fn similar(
    file: &Connection,
    reach: &Reach,
    model: &str,
    probes: &[(String, Vec<Vec<f32>>)],
    threshold: f32,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Vec<(MemoryId, f32)>>, StoreError> {
    let first = probes.iter().find_map(|(_, vectors)| vectors.first());
    let Some(space) = Space::find(file, model, first.map_or(0, Vec::len))? else {
        return Ok(probes.iter().map(|_| Vec::new()).collect());
    };
    let filter = |(project, _): &(String, _)| Filter::within(reach, vec![project.clone()], now);
    let filters: Vec<Filter> = probes.iter().map(filter).collect();
    let wanted = probes.iter().zip(&filters);
    let wanted: Vec<Wanted<'_>> = wanted
        .map(|((_, vectors), filter)| Wanted { vectors, filter })
        .collect();
    let take = |row: &Row<'_>, cosine| Ok((row.get(0)?, cosine));
    nearest(file, &space, &wanted, threshold, limit, take)
}
