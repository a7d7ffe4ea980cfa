//! The two sides of a search: BM25 over the keyword index, and the nearest vectors. Both
//! apply the filter inside, so that a memory that it rejects never displaces a better
//! result. What is counted for the keyword side is that of the projects searched.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use super::nearest::{self, NearestQuery, Scope};
use super::rows::count;
use super::surroundings;
use crate::limits;
use crate::store::StoreError;
use crate::store::candidates::{ThreadPosition, beside};
use crate::store::memory::{Candidate, CandidateQuery, Candidates, Filter, Hit, MemoryId};
use crate::store::postgres::transaction::Tx;
use crate::store::postgres::values::Values;
use crate::text::{self, QueryWord};

/// See `MemoryStore::candidates`.
pub(super) async fn candidates(
    tx: &Tx,
    model: &str,
    query: &CandidateQuery,
) -> Result<Candidates, StoreError> {
    let mut threads = Threads::default();
    let phrases = Phrases::of(&query.words);
    let vectors = query.vector.as_slice();
    let scope = Scope::of(tx, &query.filter.project_set(), model, vectors).await?;
    let by_word = by_keyword(tx, query, &scope, &phrases).await?;
    let keyword = threads.hits(by_word.hits);
    let wanted = NearestQuery {
        vectors,
        filter: &query.filter,
        threshold: f32::MIN,
        limit: query.limit,
    };
    let found = nearest::nearest(tx, &scope, &wanted).await?.into_iter();
    let found = found.map(|near| (near.id, near.score, near.thread, near.position));
    let semantic = threads.hits(found.collect());
    let mut pool = pool(tx, &query.filter, &keyword, &semantic, &threads).await?;
    mark_words(tx, &scope, &phrases, &mut pool).await?;
    let idf = by_word.found.iter().map(|found| {
        let (memories, found) = (scope.documents as f32, *found as f32);
        (1.0 + (memories - found + 0.5).max(0.5) / (found + 0.5)).ln()
    });
    Ok(Candidates {
        keyword,
        semantic,
        pool,
        idf: idf.collect(),
    })
}

/// Numbers threads in order of appearance: a hit carries a number instead of a name.
#[derive(Default)]
struct Threads {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Threads {
    fn hits(&mut self, found: Vec<(MemoryId, f32, String, i64)>) -> Vec<Hit> {
        let hit = |(id, score, thread, position): (MemoryId, f32, String, i64)| Hit {
            id,
            score,
            thread: self.number(thread),
            position,
        };
        found.into_iter().map(hit).collect()
    }

    fn number(&mut self, thread: String) -> u32 {
        if let Some(known) = self.numbers.get(&thread) {
            return *known;
        }
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(thread.clone());
        self.numbers.insert(thread, next);
        next
    }
}

/// The texts that the words of a query match: a word and its other forms, each by
/// itself, so that two forms of one stem count twice as in FTS5.
#[derive(Default)]
struct Phrases {
    all: Vec<Phrase>,
    /// Number of words.
    count: usize,
}

struct Phrase {
    /// The place of its word in the query.
    word: i32,
    stem: String,
    /// Whether longer words match too.
    prefix: bool,
}

impl Phrases {
    fn of(words: &[QueryWord]) -> Phrases {
        let mut all = Vec::new();
        for (word, asked) in (0_i32..).zip(words) {
            let mut push = |form: &str, prefix| {
                let stem = text::stem(form);
                all.push(Phrase { word, stem, prefix });
            };
            push(&asked.word, asked.prefix);
            let forms = asked.forms.iter().filter(|form| **form != asked.word);
            forms.for_each(|form| push(form, false));
        }
        Phrases {
            all,
            count: words.len(),
        }
    }

    /// SQL for the rows of the index that match: phrase, the word asked for, memory, how
    /// often, and the length of the text. `condition` restricts rows of `posting o`.
    fn matches(&self, values: &mut Values, scope: &Scope, condition: &str) -> String {
        let projects = values.bind(scope.projects.clone());
        // Equality apart from ranges, or the index is read wider than needed.
        let exact = ("o.count::bigint", "o.word = q.stem", "");
        let range = (
            "sum(o.count)::bigint",
            "o.word >= q.stem AND o.word < q.stem || chr(1114111)",
            "GROUP BY o.memory, o.length",
        );
        let mut branches = Vec::new();
        for (prefix, (count, word, group)) in [(false, exact), (true, range)] {
            let numbered = (0_i32..).zip(&self.all);
            let wanted = numbered.filter(|(_, phrase)| phrase.prefix == prefix);
            let wanted: Vec<(i32, &Phrase)> = wanted.collect();
            if wanted.is_empty() {
                continue;
            }
            let numbers: Vec<i32> = wanted.iter().map(|(nth, _)| *nth).collect();
            let words: Vec<i32> = wanted.iter().map(|(_, phrase)| phrase.word).collect();
            let stems = wanted.iter().map(|(_, phrase)| phrase.stem.clone());
            // OFFSET keeps the subquery as it is: one read of the index for each phrase,
            // whatever the server knows of the table.
            branches.push(format!(
                "SELECT q.phrase, q.asked, o.memory, o.count, o.length \
                 FROM unnest({}::int[], {}::int[], {}::text[]) q (phrase, asked, stem), \
                 LATERAL (SELECT o.memory, {count} AS count, o.length FROM posting o \
                 WHERE o.project = ANY ({projects}) AND {word} AND {condition} {group} OFFSET 0) o",
                values.bind(numbers),
                values.bind(words),
                values.bind(stems.collect::<Vec<String>>())
            ));
        }
        branches.join(" UNION ALL ")
    }
}

/// The result of the keyword side.
#[derive(Default)]
struct KeywordHits {
    hits: Vec<(MemoryId, f32, String, i64)>,
    /// How many memories have each word.
    found: Vec<i64>,
}

async fn by_keyword(
    tx: &Tx,
    query: &CandidateQuery,
    scope: &Scope,
    phrases: &Phrases,
) -> Result<KeywordHits, StoreError> {
    let mut by_word = KeywordHits {
        hits: Vec::new(),
        found: vec![0; phrases.count],
    };
    if phrases.count == 0 || scope.documents == 0 {
        return Ok(by_word);
    }
    let mut values = Values::default();
    let matches = phrases.matches(&mut values, scope, "TRUE");
    let documents = values.bind(scope.documents as f64);
    let average = values.bind(scope.words as f64 / scope.documents as f64);
    let limit = values.bind(count(query.limit));
    // A text has a word once, however many forms of it.
    let counted = match phrases.all.len() == phrases.count {
        true => "count(*)",
        false => "count(DISTINCT memory)",
    };
    // Each OFFSET keeps the order of the work: the best memories are looked up first, by
    // their ids (without statistics, the server would read all memories of a project for
    // each), and no more of them than it takes to find enough that pass the filter.
    let sql = format!(
        "WITH p AS MATERIALIZED ({matches}), \
         i AS (SELECT phrase, greatest(ln(greatest({documents}::float8 - count(*) + 0.5, 1e-300) \
         / (count(*) + 0.5)), 1e-6) AS idf FROM p GROUP BY phrase), \
         s AS (SELECT p.memory, sum(i.idf * p.count * 2.2 \
         / (p.count + 1.2 * (0.25 + 0.75::float8 * p.length / {average}::float8)))::real AS score \
         FROM p JOIN i USING (phrase) GROUP BY p.memory) \
         (SELECT s.memory, s.score, m.thread, m.position \
         FROM (SELECT memory, score FROM s ORDER BY score DESC, memory OFFSET 0) s, \
         LATERAL (SELECT m.thread, m.position \
         FROM (SELECT * FROM memory WHERE id = s.memory OFFSET 0) m \
         WHERE {passes} OFFSET 0) m \
         ORDER BY s.score DESC, s.memory LIMIT {limit}) \
         UNION ALL SELECT {counted}, NULL, NULL, asked FROM p GROUP BY asked",
        passes = values.passing(&query.filter)
    );
    for row in tx.query(&sql, &values.params()).await? {
        match row.get::<_, Option<f32>>(1) {
            Some(score) => by_word
                .hits
                .push((row.get(0), score, row.get(2), row.get(3))),
            None => {
                let word = usize::try_from(row.get::<_, i64>(3)).unwrap_or(usize::MAX);
                if let Some(found) = by_word.found.get_mut(word) {
                    *found = row.get(0);
                }
            }
        }
    }
    Ok(by_word)
}

/// The memories of both sides, and around the best of each side those beside them in
/// threads that may be conversations.
async fn pool(
    tx: &Tx,
    filter: &Filter,
    keyword: &[Hit],
    semantic: &[Hit],
    threads: &Threads,
) -> Result<Vec<Candidate>, StoreError> {
    let hits = keyword.iter().chain(semantic);
    let places: BTreeMap<MemoryId, ThreadPosition> = hits
        .map(|hit| (hit.id, (hit.thread, hit.position)))
        .collect();
    let places: Vec<(MemoryId, ThreadPosition)> = places.into_iter().collect();
    let mut pool: BTreeMap<MemoryId, Candidate> = BTreeMap::new();
    for candidate in surroundings::candidates(tx, &places).await? {
        pool.insert(candidate.id, candidate);
    }
    let best = [keyword, semantic].into_iter().flat_map(|hits| {
        let most = limits::CANDIDATES_WITH_NEIGHBOURS_MAX;
        hits.iter().take(most).filter_map(|hit| pool.get(&hit.id))
    });
    let stretches = beside(best);
    if !stretches.is_empty() {
        let mut found = at_positions(tx, filter, threads, &stretches).await?;
        found.retain(|(id, _)| !pool.contains_key(id));
        for candidate in surroundings::candidates(tx, &found).await? {
            pool.insert(candidate.id, candidate);
        }
    }
    Ok(pool.into_values().collect())
}

/// The memories in these stretches of threads that `filter` lets through.
async fn at_positions(
    tx: &Tx,
    filter: &Filter,
    threads: &Threads,
    stretches: &BTreeMap<u32, Vec<RangeInclusive<i64>>>,
) -> Result<Vec<(MemoryId, ThreadPosition)>, StoreError> {
    let (mut numbers, mut names) = (Vec::new(), Vec::new());
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (thread, stretches) in stretches {
        for stretch in stretches {
            numbers.push(i64::from(*thread));
            names.push(threads.names[*thread as usize].as_str());
            starts.push(*stretch.start());
            ends.push(*stretch.end());
        }
    }
    let mut values = Values::default();
    let sql = format!(
        "SELECT m.id, u.number, m.position \
         FROM unnest({}::text[], {}::bigint[], {}::bigint[], {}::bigint[]) \
         u (thread, number, first, last), \
         LATERAL (SELECT * FROM memory WHERE thread = u.thread \
         AND position BETWEEN u.first AND u.last OFFSET 0) m WHERE {}",
        values.bind(names.into_iter().map(str::to_owned).collect::<Vec<_>>()),
        values.bind(numbers),
        values.bind(starts),
        values.bind(ends),
        values.passing(filter)
    );
    let rows = tx.query(&sql, &values.params()).await?;
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(rows
        .iter()
        .map(|row| (row.get(0), (number(row.get(1)), row.get(2))))
        .collect())
}

/// Marks which of the words each memory of the pool has.
async fn mark_words(
    tx: &Tx,
    scope: &Scope,
    phrases: &Phrases,
    pool: &mut [Candidate],
) -> Result<(), StoreError> {
    if phrases.count == 0 || pool.is_empty() {
        return Ok(());
    }
    let mut values = Values::default();
    let ids: Vec<MemoryId> = pool.iter().map(|candidate| candidate.id).collect();
    let among = format!("o.memory = ANY ({})", values.bind(ids));
    let matches = phrases.matches(&mut values, scope, &among);
    let sql = format!("SELECT DISTINCT asked, memory FROM ({matches}) p");
    for row in tx.query(&sql, &values.params()).await? {
        let (word, id): (i32, MemoryId) = (row.get(0), row.get(1));
        if let Ok(at) = pool.binary_search_by_key(&id, |candidate| candidate.id) {
            pool[at].words |= 1_u128.checked_shl(word.unsigned_abs()).unwrap_or(0);
        }
    }
    Ok(())
}
