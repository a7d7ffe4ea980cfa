//! The latency of searching and storing among many memories, through the real
//! binary over stdio. Compared with the same file used without Mimo, by sqlite-vec's
//! distance over a table of vectors and by FTS5, and with a lower bound: comparing
//! the query with codes in memory. All in turns in one run; each figure is one line
//! of JSON, in milliseconds.
//!
//! Vectors and texts are made up (60 topics, words as rare as words are), since
//! the encoder's are made at a thousand a second; queries are encoded as always,
//! and that is in their time.
//!
//! Measured on 2026-11-23, two shared EPYC (Zen 5) cores, release profile, p50 at
//! 5,000, 20,000 and 100,000 memories: `memory_search` 4.9, 6.3 and 10.7 (p99 21;
//! goals 12 and 50), its semantic half alone 3.8, 4.4 and 6.4, of which 1.4 is
//! the encoding, its keyword half 1.2, 2.1 and 3.9; `memory_store` 2.6, 3.5 and
//! 5.1. By hand: sqlite-vec 4.2, 16 and 81, FTS5 .5, .9 and 3.0. Codes in memory
//! .07, .3 and 1.4. The server's own memory was 9, 12 and 16 MB.
//!
//! What is left over the floor is SQLite reading pages: the blocks of codes, and
//! the 800 vectors that are compared exactly. Before there were codes, and while
//! ten results were looked up by way of their whole project, 43,000 memories
//! took 45 ms.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench starts servers as processes"
)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[path = "support/database.rs"]
mod database;
#[path = "support/texts.rs"]
mod texts;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use database::{by_sqlite_vec, start};
use mimo::embed::{Embedder, builtin};
use mimo::store::memory::MemoryFields;
use mimo::vector::{self, Probe};
use rusqlite::Connection;
use serde_json::json;
use support::{Client, milliseconds};
use texts::{Chance, DIMENSIONS, sentence};

const SIZES: [usize; 3] = [5_000, 20_000, 100_000];
/// The words of a query are not among the most frequent ones: those of real
/// queries are left out as stop words.
const STOP_WORDS: u64 = 50;
/// About the number of codes in one block of the store.
const CODES_OF_A_BLOCK: usize = 141;
/// Rounds, of which the first is a warm-up.
const ROUNDS: usize = 60;

fn main() {
    let encoder = builtin();
    for size in SIZES {
        let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let fields = |nth: usize| MemoryFields::new("global", format!("thread {}", nth / 200));
        let file = folder.path().join("mimo.db");
        database::add(&file, encoder.model_id(), 0..size, fields);
        measure(folder.path(), &*encoder, size);
    }
}

/// The calls measured in turns.
const SIDES: [&str; 9] = [
    "memory_search",
    "memory_search semantic",
    "memory_search keyword",
    "memory_store",
    "sqlite-vec",
    "800 cosines by sqlite-vec",
    "800 cosines by Mimo",
    "fts5",
    "codes in memory",
];

fn measure(folder: &Path, encoder: &dyn Embedder, size: usize) {
    let mut client = start(folder);
    let file = Connection::open(folder.join("mimo.db")).expect("opens");
    let codes = codes(&file);
    let mut distances = Vec::new();
    let shortlist: Vec<i64> = (0..800).map(|nth| 1 + nth * size as i64 / 800).collect();
    let mut chance = Chance(99);
    let mut times: [Vec<Duration>; SIDES.len()] = Default::default();
    for round in 0..=ROUNDS {
        let query = sentence(&mut chance, 6, STOP_WORDS);
        let probe = encoder.embed_query(&query).expect("encoded");
        for (side, times) in SIDES.iter().zip(&mut times) {
            let start = Instant::now();
            match *side {
                "memory_search" => search(&mut client, &query, "hybrid"),
                "memory_search semantic" => search(&mut client, &query, "semantic"),
                "memory_search keyword" => search(&mut client, &query, "keyword"),
                "memory_store" => {
                    let content = format!("{query} {round}");
                    client.document("memory_store", &json!({ "content": content }));
                }
                "sqlite-vec" => by_sqlite_vec(&file, &probe),
                "800 cosines by sqlite-vec" => cosines_in_sql(&file, &probe, &shortlist),
                "800 cosines by Mimo" => cosines_by_mimo(&file, &probe, &shortlist),
                "fts5" => by_fts5(&file, &query),
                _ => {
                    let probe = Probe::of(&probe);
                    for block in codes.chunks(CODES_OF_A_BLOCK * DIMENSIONS / 8) {
                        probe.distances(block, black_box(&mut distances));
                    }
                }
            }
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    }
    for (side, times) in SIDES.iter().zip(&mut times) {
        let shown = |share| milliseconds(times, share);
        println!(
            "{}",
            json!({"bench": "search", "memories": size, "side": side, "p50_ms": shown(0.5), "p99_ms": shown(0.99)})
        );
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.pid()));
    let own = status.unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    println!(
        "{}",
        json!({"bench": "search", "memories": size, "own_memory": own.map(str::trim)})
    );
}

fn search(client: &mut Client, query: &str, mode: &str) {
    let found = client.document("memory_search", &json!({"query": query, "mode": mode}));
    assert!(found["items"].is_array(), "{found}");
}

/// As `store/sqlite/nearest.rs` has them.
fn cosines_in_sql(file: &Connection, probe: &[f32], shortlist: &[i64]) {
    let bytes: Vec<u8> = probe.iter().flat_map(|x| x.to_le_bytes()).collect();
    let sql = "SELECT memory_id, 1 - min(vec_distance_cosine(vector, ?1)) FROM memory_vector \
               WHERE id IN (SELECT value FROM json_each(?2)) \
               AND length(vector) = length(?1) GROUP BY memory_id";
    let mut statement = file.prepare_cached(sql).expect("SQL");
    let cosines = statement.query_map((bytes, json!(shortlist).to_string()), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, f32>(1)?))
    });
    assert_eq!(cosines.expect("rows").count(), shortlist.len());
}

/// The cosines by reading each vector and comparing it with the kernels.
fn cosines_by_mimo(file: &Connection, probe: &[f32], shortlist: &[i64]) {
    let sql = "SELECT memory_id, vector FROM memory_vector WHERE id = ?";
    let mut statement = file.prepare_cached(sql).expect("SQL");
    let cosine = |row: &rusqlite::Row<'_>| {
        let bytes = row.get_ref(1)?.as_blob()?;
        Ok((row.get::<_, i64>(0)?, vector::dot_bytes(probe, bytes)))
    };
    for id in shortlist {
        black_box(statement.query_row([id], cosine).expect("a row"));
    }
}

fn by_fts5(file: &Connection, query: &str) {
    let sql = "SELECT rowid FROM memory_words WHERE memory_words MATCH ? ORDER BY rank LIMIT 10";
    let words = query.split(' ').collect::<Vec<_>>().join(" OR ");
    let mut statement = file.prepare_cached(sql).expect("SQL");
    let ids = statement.query_map([words], |row| row.get::<_, i64>(0));
    black_box(ids.expect("rows").count());
}

/// Every vector's code, one after the other.
fn codes(file: &Connection) -> Vec<u8> {
    let mut statement = file
        .prepare("SELECT vector FROM memory_vector")
        .expect("SQL");
    let vectors = statement.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let numbers = |bytes: Vec<u8>| -> Vec<f32> {
        let numbers = bytes.as_chunks().0.iter().copied();
        numbers.map(f32::from_le_bytes).collect()
    };
    let vectors = vectors.expect("rows").map(|row| row.expect("a vector"));
    vectors
        .flat_map(|bytes| vector::code(&numbers(bytes)))
        .collect()
}
