//! The two sides of a search: BM25 over the keyword index, and the nearest
//! vectors. Both apply the filter inside, so that a memory that it rejects
//! never displaces a better result.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row};

use super::codes::VectorSpace;
use super::features;
use super::nearest::{self, NearestQuery, admit, nearest};
use super::prefilter;
use super::rows::{self, Condition};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::candidates::beside;
use crate::store::memory::{Candidate, CandidateQuery, Candidates, Filter, Hit, MemoryId};
use crate::store::{ProjectSet, StoreError};
use crate::text::QueryWord;

/// See `MemoryStore::candidates`.
pub(super) fn candidates(
    file: &Connection,
    model: &str,
    query: &CandidateQuery,
) -> Result<Candidates, StoreError> {
    let mut threads = Threads::default();
    let among = prefilter::search_ids(file, &query.filter)?;
    let among = among.as_deref();
    let keyword = if query.words.is_empty() {
        Vec::new()
    } else {
        by_keyword(file, query, among, &mut threads)?
    };
    let semantic = match &query.vector {
        Some(vector) => by_vector(file, model, query, vector, among, &mut threads)?,
        None => Vec::new(),
    };
    let mut pool = pool(file, &query.filter, &keyword, &semantic, &threads)?;
    let idf = match_words(file, &query.words, &mut pool)?;
    Ok(Candidates {
        keyword,
        semantic,
        pool,
        idf,
    })
}

/// The memories of both sides, and around the best of each side those beside them in
/// threads that may be conversations.
fn pool(
    file: &Connection,
    filter: &Filter,
    keyword: &[Hit],
    semantic: &[Hit],
    threads: &Threads,
) -> Result<Vec<Candidate>, StoreError> {
    let mut reader = features::Reader::default();
    let hits = keyword.iter().chain(semantic);
    let places = hits
        .map(|hit| (hit.id, (hit.thread, hit.position)))
        .collect();
    let found = reader.of_ids(file, &places)?.into_iter();
    let mut pool: BTreeMap<MemoryId, Candidate> = found.map(|each| (each.id, each)).collect();
    let best = [keyword, semantic].into_iter().flat_map(|hits| {
        let most = limits::CANDIDATES_WITH_NEIGHBOURS_MAX;
        hits.iter().take(most).filter_map(|hit| pool.get(&hit.id))
    });
    let condition = Condition::of(filter);
    for (thread, stretches) in beside(best) {
        let name = threads.name(thread);
        for positions in stretches {
            let found = reader.at_positions(file, &condition, (thread, name), &positions)?;
            for candidate in found {
                pool.entry(candidate.id).or_insert(candidate);
            }
        }
    }
    Ok(pool.into_values().collect())
}

/// Marks which of the words each memory of the pool has; the words' inverse document
/// frequencies.
fn match_words(
    file: &Connection,
    words: &[QueryWord],
    pool: &mut [Candidate],
) -> Result<Vec<f32>, StoreError> {
    let memories = rows::max_id(file)? as f32;
    let mut statement =
        file.prepare_cached("SELECT rowid FROM memory_words WHERE memory_words MATCH ?")?;
    let mut idf = Vec::with_capacity(words.len());
    for (nth, word) in words.iter().enumerate() {
        let mut rows = statement.query([match_expression(std::slice::from_ref(word))])?;
        let mut found: usize = 0;
        while let Some(row) = rows.next()? {
            found += 1;
            let id: MemoryId = row.get(0)?;
            if let Ok(at) = pool.binary_search_by_key(&id, |candidate| candidate.id) {
                pool[at].words |= 1 << nth;
            }
        }
        let found = found as f32;
        idf.push((1.0 + (memories - found + 0.5).max(0.5) / (found + 0.5)).ln());
    }
    Ok(idf)
}

/// Numbers threads in order of appearance: a hit carries a number instead
/// of a name.
#[derive(Default)]
struct Threads(HashMap<String, u32>);

impl Threads {
    fn name(&self, number: u32) -> &str {
        let name = self.0.iter().find(|(_, known)| **known == number);
        name.map_or("", |(name, _)| name)
    }

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
    among: Option<&[MemoryId]>,
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    // Filtering in SQL would look up every memory with one of the words.
    let sql = "SELECT rowid, -bm25(memory_words) FROM memory_words WHERE memory_words MATCH ?";
    let mut statement = file.prepare_cached(sql)?;
    let scores = statement.query_map([match_expression(&query.words)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut scores: Vec<(MemoryId, f32)> = scores.collect::<Result<_, _>>()?;
    let filter = &query.filter;
    // The others need no look-up.
    if let Some(among) = among {
        scores.retain(|(id, _)| among.binary_search(id).is_ok());
    }
    let take = &mut |row: &Row<'_>, score| threads.hit(row, score);
    let best = admit(file, filter, scores, f32::MIN, query.limit, take)?;
    Ok(best.items)
}

/// Matches any of the words. Each is quoted, so none is read as an operator.
fn match_expression(words: &[QueryWord]) -> String {
    let quote = |word: &str| format!("\"{}\"", word.replace('"', "\"\""));
    let quoted = words.iter().flat_map(|asked| {
        let prefix = if asked.prefix { "*" } else { "" };
        let others = asked.forms.iter().filter(|form| **form != asked.word);
        let others = others.map(|form| quote(form));
        std::iter::once(quote(&asked.word) + prefix).chain(others)
    });
    quoted.collect::<Vec<_>>().join(" OR ")
}

fn by_vector(
    file: &Connection,
    model: &str,
    query: &CandidateQuery,
    probe: &[f32],
    among: Option<&[MemoryId]>,
    threads: &mut Threads,
) -> Result<Vec<Hit>, StoreError> {
    let Some(space) = VectorSpace::find(file, model, probe.len())? else {
        return Ok(Vec::new());
    };
    let wanted = [NearestQuery {
        vectors: &[probe.to_vec()],
        filter: &query.filter,
        among,
    }];
    let take = |row: &Row<'_>, cosine| threads.hit(row, cosine);
    let found = nearest(file, &space, &wanted, f32::MIN, query.limit, take)?;
    Ok(found.into_iter().next().unwrap_or_default())
}

pub(super) fn similarities(
    file: &Connection,
    projects: &ProjectSet,
    model: &str,
    ids: &[MemoryId],
    probe: Vec<f32>,
) -> Result<Vec<(MemoryId, f32)>, StoreError> {
    match VectorSpace::find(file, model, probe.len())? {
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
    let Some(space) = VectorSpace::find(file, model, first.map_or(0, Vec::len))? else {
        return Ok(probes.iter().map(|_| Vec::new()).collect());
    };
    let filter = |(project, _): &(String, _)| Filter::within(reach, vec![project.clone()], now);
    let filters: Vec<Filter> = probes.iter().map(filter).collect();
    let wanted = probes.iter().zip(&filters);
    let wanted: Vec<NearestQuery<'_>> = wanted
        .map(|((_, vectors), filter)| NearestQuery {
            vectors,
            filter,
            among: None,
        })
        .collect();
    let take = |row: &Row<'_>, cosine| Ok((row.get(0)?, cosine));
    nearest(file, &space, &wanted, threshold, limit, take)
}
