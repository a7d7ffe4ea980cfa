//! The latency of storing and of both sides of a search in the PostgreSQL room, in turns
//! with the same questions asked by hand: pgvector's distance over the table of vectors,
//! and the server's own full-text search. The store is asked itself, so encoding and MCP
//! are in no figure. Each figure is one line of JSON, in milliseconds.
//!
//! Measured on 2026-11-27, release profile, at 100,000 memories, p50 in ms: both sides 38
//! and by hand 28, the semantic side 18 and the same index by hand 14, the keyword side
//! 6.8 and BM25 by hand 3.6, storing one 4.7 and its rows by hand 4.2. The two of a pair
//! take turns in coming first: the second finds in the server's memory what the first has
//! read (the index by hand took 31 when it always came after the scan).
//! A search takes longer than by hand because it reads the filter's columns and what the
//! ranking needs of up to 400 candidates, storing because it looks up what the memory may
//! replace and links the entities that it names.
//!
//! `MIMO_DATABASE_URL=postgresql://.. cargo bench --bench postgres`; it makes the schemas
//! `mimo_bench_..` and leaves them. `MIMO_BENCH_MEMORIES=100000` measures that size, at
//! which the semantic side goes through the index, as the same search by hand does.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]

#[path = "support/texts.rs"]
mod texts;

use std::time::{Duration, Instant};

use mimo::caller::Reach;
use mimo::clock::Timestamp;
use mimo::memory::rules::remember::remember;
use mimo::secret::Secret;
use mimo::store::RetentionStore;
use mimo::store::memory::{
    CandidateQuery, ExplicitFields, Filter, IndexedText, MemoryFields, MemoryStore, NewMemory,
};
use mimo::store::postgres::{PostgresSettings, PostgresStore};
use mimo::text;
use serde_json::json;
use texts::{Chance, numbers, sentence, unit};

const SIZES: [usize; 2] = [5_000, 20_000];
const MODEL: &str = "bench";
const TOPICS: usize = 60;
const BATCH: usize = 500;
/// Rounds, of which the first are a warm-up.
const ROUNDS: usize = 60;
const WARM_UP: usize = 10;
/// As a search has them.
const LIMIT: usize = 200;

/// The first number of the memories that are stored by hand.
const BY_HAND: i64 = 1_000_000_000;

/// Vectors that the semantic side compares exactly for that many candidates.
const RESCORED: i64 = 4 * LIMIT as i64;
/// How long one, two and three nodes store, each one memory at a time.
const STORING: Duration = Duration::from_secs(5);

/// Two and two are compared.
const SIDES: [&str; 10] = [
    "both sides",
    "both by hand",
    "semantic",
    "index by hand",
    "keyword",
    "BM25 by hand",
    "store one",
    "store by hand",
    "full text by hand",
    "pgvector by hand",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(url) = std::env::var("MIMO_DATABASE_URL") else {
        println!("MIMO_DATABASE_URL names no database, so nothing is measured");
        return;
    };
    let asked = std::env::var("MIMO_BENCH_MEMORIES");
    let sizes = asked.map_or(SIZES.to_vec(), |text| vec![text.parse().expect("a number")]);
    for size in sizes {
        let mut settings = PostgresSettings::new(Secret::new(url.clone()));
        settings.schema = format!("mimo_bench_{}_{size}", std::process::id());
        let store = PostgresStore::start(settings.clone()).expect("it starts");
        let began = Instant::now();
        fill(&store, size).await;
        let each = began.elapsed() / u32::try_from(size).expect("small");
        println!(
            "{}",
            json!({"bench": "postgres", "memories": size, "side": "fill, each", "ms": each.as_secs_f64() * 1e3})
        );
        // Retention makes the index where there are enough vectors.
        let run = store.begin_run(Timestamp(1), None).await.expect("begun");
        let run = run.expect("nobody else cleans");
        store.end_run(run, Timestamp(2)).await.expect("ended");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .expect("connected");
        tokio::spawn(connection);
        let schema = &settings.schema;
        let prepare = format!(
            "SET search_path = {schema}, public; SET jit = off; \
             CREATE TABLE by_hand AS SELECT id, content, \
             to_tsvector('english', content) AS words FROM memory; \
             CREATE INDEX by_hand_words ON by_hand USING gin (words); VACUUM ANALYZE"
        );
        for sql in prepare.split("; ") {
            client.batch_execute(sql).await.expect("prepared");
        }
        measure(&store, &client, size).await;
        for nodes in 1..=3 {
            let settings = settings.clone();
            let storing = tokio::task::spawn_blocking(move || store_at_once(&settings, nodes));
            let stored = storing.await.expect("stored");
            println!(
                "{}",
                json!({"bench": "postgres", "memories": size, "nodes": nodes,
                    "stored_a_second": stored / STORING.as_secs()})
            );
        }
    }
}

/// How many memories so many nodes store.
fn store_at_once(settings: &PostgresSettings, nodes: u64) -> u64 {
    let node = |number: u64| {
        let settings = settings.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let store = PostgresStore::start(settings).expect("it starts");
                let mut chance = Chance(1_000 * nodes + number);
                let (began, mut count) = (Instant::now(), 0);
                while began.elapsed() < STORING {
                    let content = sentence(&mut chance, 14, 1);
                    let content = format!("{content} {nodes} {number} {count}");
                    let new = vec![memory(&content, unit(numbers(&mut chance)), 0)];
                    let done = remember(&store, &Reach::Everything, MODEL, new, Timestamp(3));
                    done.await.expect("stored");
                    count += 1;
                }
                count
            })
        })
    };
    let all: Vec<_> = (0..nodes).map(node).collect();
    all.into_iter()
        .map(|node| node.join().expect("no panic"))
        .sum()
}

async fn measure(store: &PostgresStore, client: &tokio_postgres::Client, size: usize) {
    let mut chance = Chance(99);
    let mut times: [Vec<Duration>; SIDES.len()] = Default::default();
    for round in 0..ROUNDS + WARM_UP {
        let query = sentence(&mut chance, 6, 50);
        let probe = unit(numbers(&mut chance));
        for nth in 0..SIDES.len() {
            // The second of two finds in memory what the first has read.
            let nth = nth ^ (round % 2);
            let (side, times) = (SIDES[nth], &mut times[nth]);
            let start = Instant::now();
            match side {
                "both sides" => search(store, &query, Some(&probe)).await,
                "semantic" => search(store, "", Some(&probe)).await,
                "keyword" => search(store, &query, None).await,
                "store one" => {
                    let new = vec![memory(&format!("{query} {round}"), probe.clone(), round)];
                    let done = remember(store, &Reach::Everything, MODEL, new, Timestamp(1));
                    done.await.expect("stored");
                }
                "store by hand" => store_by_hand(client, &query, &probe, round).await,
                "pgvector by hand" => {
                    let sql = "SELECT memory_id FROM memory_vector \
                               ORDER BY vector <=> $1::real[]::vector LIMIT 10";
                    assert_eq!(client.query(sql, &[&probe]).await.expect("rows").len(), 10);
                }
                "both by hand" => {
                    by_index(client, size, &probe).await;
                    by_bm25(client, &query).await;
                }
                "index by hand" => by_index(client, size, &probe).await,
                "BM25 by hand" => by_bm25(client, &query).await,
                _ => {
                    let words = query.split(' ').collect::<Vec<_>>().join(" | ");
                    let sql = "SELECT id FROM by_hand, to_tsquery('english', $1) q \
                               WHERE words @@ q ORDER BY ts_rank(words, q) DESC LIMIT 10";
                    client.query(sql, &[&words]).await.expect("rows");
                }
            }
            if round >= WARM_UP {
                times.push(start.elapsed());
            }
        }
    }
    for (side, times) in SIDES.iter().zip(&mut times) {
        times.sort_unstable();
        let shown = |nth: usize| (times[nth].as_secs_f64() * 1e5).round() / 100.0;
        let (middle, last) = (shown(times.len() / 2), shown(times.len() - 1));
        println!(
            "{}",
            json!({"bench": "postgres", "memories": size, "side": side, "p50_ms": middle, "max_ms": last})
        );
    }
}

/// The rows of a memory that a search needs, without what is looked up before (whether the
/// text or its thread is there) and what else is kept (its features, the entities it names).
async fn store_by_hand(
    client: &tokio_postgres::Client,
    content: &str,
    vector: &[f32],
    round: usize,
) {
    let id = BY_HAND + i64::try_from(round).expect("few");
    let key = text::key(&format!("{content} {id}")).to_vec();
    let stems = stems(content);
    let length = i32::try_from(stems.len()).expect("few");
    client.batch_execute("BEGIN").await.expect("begun");
    let memory = "INSERT INTO memory (id, created_at, updated_at, position, importance, project, \
                  category, state, text_key, thread, content) VALUES ($1, 1, 1, $1, 0.5, 'global', \
                  'observation', 'active', $3, 'by hand', $2)";
    let vectors = "INSERT INTO memory_vector (memory_id, model_id, project, \"window\", near, vector) \
                   VALUES ($1, 1, 1, 0, $2::real[]::vector::halfvec, $2::real[]::vector)";
    let words = "INSERT INTO posting (memory, project, length, count, word) \
                 SELECT $1, 1, $2, count(*), word FROM unnest($3::text[]) word GROUP BY word";
    let size = "UPDATE project SET documents = documents + 1, words = words + $1::int WHERE id = 1";
    for done in [
        client.execute(memory, &[&id, &content, &key]).await,
        client.execute(vectors, &[&id, &vector]).await,
        client.execute(words, &[&id, &length, &stems]).await,
        client.execute(size, &[&length]).await,
    ] {
        done.expect("stored");
    }
    client.batch_execute("COMMIT").await.expect("ended");
}

/// The same way as the semantic side: the best by the index, which are compared exactly.
async fn by_index(client: &tokio_postgres::Client, size: usize, probe: &[f32]) {
    let near = match size > 50_000 {
        true => "near::halfvec(384)",
        false => "near",
    };
    let begin = format!(
        "BEGIN; SET LOCAL hnsw.ef_search = {RESCORED}; \
         SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL enable_sort = off"
    );
    client.batch_execute(&begin).await.expect("begun");
    let sql = format!(
        "SELECT memory_id, 1 - (vector <=> $1::real[]::vector) FROM (SELECT memory_id, vector \
         FROM memory_vector WHERE model_id = 1 \
         ORDER BY {near} <=> $1::real[]::vector::halfvec(384) LIMIT {RESCORED}) best"
    );
    let rows = client.query(&sql, &[&probe]).await.expect("rows");
    assert_eq!(i64::try_from(rows.len()).expect("few"), RESCORED);
    client.batch_execute("COMMIT").await.expect("ended");
}

/// The same ranking over the same index, without filters, surroundings or the order of work
/// that keep it fast whatever the server knows of the table.
async fn by_bm25(client: &tokio_postgres::Client, query: &str) {
    let sql = format!(
        "WITH t AS (SELECT id, documents::float8, words::float8 / documents AS length \
         FROM project WHERE name = 'global'), \
         p AS (SELECT word, memory, count, posting.length, t.length AS average, documents \
         FROM posting JOIN t ON project = t.id WHERE word = ANY ($1)), \
         i AS (SELECT word, ln((documents - count(*) + 0.5) / (count(*) + 0.5)) AS idf \
         FROM p GROUP BY word, documents) \
         SELECT memory, sum(idf * count * 2.2 \
         / (count + 1.2 * (0.25 + 0.75 * length / average)))::float8 AS score \
         FROM p JOIN i USING (word) GROUP BY memory ORDER BY score DESC LIMIT {LIMIT}"
    );
    client.query(&sql, &[&stems(query)]).await.expect("rows");
}

/// The stem of a made-up word is the word without an s at its end.
fn stems(text: &str) -> Vec<String> {
    let stem = |word: &str| match word.ends_with("ss") {
        false => word.trim_end_matches('s').to_owned(),
        true => word.to_owned(),
    };
    text.split(' ').map(stem).collect()
}

async fn search(store: &PostgresStore, query: &str, vector: Option<&[f32]>) {
    let query = CandidateQuery {
        filter: Filter::within(&Reach::Everything, Vec::new(), Timestamp(2)),
        words: text::query_words(query),
        vector: vector.map(<[f32]>::to_vec),
        limit: LIMIT,
    };
    store.candidates(MODEL, query).await.expect("found");
}

fn memory(content: &str, vector: Vec<f32>, nth: usize) -> NewMemory {
    NewMemory {
        fields: MemoryFields::new("global", format!("thread {}", nth / 200)),
        text: IndexedText {
            key: text::key(content),
            words: text::words(content),
            vectors: vec![vector],
            content: content.to_owned(),
        },
        explicit: ExplicitFields::default(),
        supersedes: None,
    }
}

async fn fill(store: &PostgresStore, size: usize) {
    let mut chance = Chance(7);
    let topics: Vec<Vec<f32>> = (0..TOPICS).map(|_| numbers(&mut chance)).collect();
    for first in (0..size).step_by(BATCH) {
        let batch = (first..first + BATCH).map(|nth| {
            let topic = &topics[chance.below(TOPICS as u64)];
            let far = numbers(&mut chance);
            let vector = topic.iter().zip(&far).map(|(near, far)| near + 0.8 * far);
            let content = format!("{} {nth}", sentence(&mut chance, 14, 1));
            memory(&content, unit(vector.collect()), nth)
        });
        let stored = remember(
            store,
            &Reach::Everything,
            MODEL,
            batch.collect(),
            Timestamp(0),
        );
        stored.await.expect("stored");
    }
}
