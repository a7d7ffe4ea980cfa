//! How the CPU time of each kind of call grows with the number of memories, through the
//! real binary over stdio, beside sqlite-vec by hand and faiss in the same run; and a
//! soak: reads and writes of several processes, one of which is killed again and again.
//!
//! `cargo bench --bench growth -- [MOST]` prints the table from 1,000 to MOST memories
//! (10,000 unless given), and `cargo bench --bench growth -- soak MINUTES` soaks. Texts
//! and vectors are made up as in the bench `search`. The guide has the figures
//! of earlier runs.

#![allow(clippy::print_stdout, reason = "the figures are its output")]
#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench starts servers as processes"
)]

#[path = "support/database.rs"]
mod database;
#[path = "../tests/support/machine.rs"]
mod machine;
#[path = "growth/memories.rs"]
mod memories;
#[path = "growth/soak.rs"]
mod soak;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;
#[path = "support/texts.rs"]
mod texts;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use database::{by_sqlite_vec, start};
use mimo::embed::{Embedder, builtin};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::{cpu_time, milliseconds};
use texts::{Chance, sentence};

const SIZES: [usize; 7] = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
const MOST_DEFAULT: usize = 10_000;
/// The words of a query are not among the most frequent ones.
const STOP_WORDS: u64 = 50;
/// Rounds, of which the first is a warm-up.
const ROUNDS: usize = 40;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo itself passes --bench.
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--"))
        .collect();
    match words[..] {
        ["soak", minutes] => soak::soak(minutes.parse().expect("a number of minutes")),
        [most] => grow(most.parse().expect("a number of memories")),
        _ => grow(MOST_DEFAULT),
    }
}

fn grow(most: usize) {
    let encoder = builtin();
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut table: Vec<(usize, Vec<(&str, String)>)> = Vec::new();
    let mut stored = 0;
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        let began = Instant::now();
        memories::add(
            &folder.path().join("mimo.db"),
            encoder.model_id(),
            stored..size,
        );
        let rate = (size - stored) as f64 / began.elapsed().as_secs_f64();
        stored = size;
        let mut figures = measure(folder.path(), &*encoder);
        figures.push(("stored a second", format!("{rate:.0}")));
        for (name, figure) in &figures {
            println!(
                "{}",
                json!({"bench": "growth", "memories": size, "what": name, "figure": figure})
            );
        }
        table.push((size, figures));
    }
    print_table(&table);
}

/// One row for each figure, one column for each size.
fn print_table(table: &[(usize, Vec<(&str, String)>)]) {
    let sizes: Vec<String> = table.iter().map(|(size, _)| size.to_string()).collect();
    println!("| memories | {} |", sizes.join(" | "));
    println!("| --- |{}", " ---: |".repeat(sizes.len()));
    let names = table.first().map_or(&[][..], |(_, figures)| figures);
    for (nth, (name, _)) in names.iter().enumerate() {
        let row: Vec<&str> = table
            .iter()
            .map(|(_, figures)| figures[nth].1.as_str())
            .collect();
        println!("| {name} | {} |", row.join(" | "));
    }
}

/// The calls that are measured in turns; `None` is sqlite-vec by hand.
fn calls(query: &str) -> Vec<(&'static str, Option<(&'static str, Value)>)> {
    let search = |more: Value| {
        let mut arguments = json!({ "query": query });
        for (key, value) in more.as_object().into_iter().flatten() {
            arguments[key] = value.clone();
        }
        Some(("memory_search", arguments))
    };
    let list = |arguments: Value| Some(("memory_search", arguments));
    vec![
        ("hybrid", search(json!({}))),
        ("semantic", search(json!({"mode": "semantic"}))),
        ("keyword", search(json!({"mode": "keyword"}))),
        ("filter: category, 5 %", search(json!({"category": "plan"}))),
        ("filter: tag, 50 %", search(json!({"tags": ["half"]}))),
        ("filter: tag, 5 %", search(json!({"tags": ["twentieth"]}))),
        ("filter: tag, .1 %", search(json!({"tags": ["rare"]}))),
        ("filter: project, 30 %", search(json!({"project": "work"}))),
        ("list: newest", list(json!({}))),
        ("list: category, 5 %", list(json!({"category": "plan"}))),
        (
            "list: category, all old",
            list(json!({"category": "action"})),
        ),
        ("list: tag, .1 %", list(json!({"tags": ["rare"]}))),
        (
            "list: tag, 5,000, all old",
            list(json!({"tags": ["early"]})),
        ),
        (
            "list: two tags that few share",
            list(json!({"tags": ["early", "half"], "project": "work"})),
        ),
        ("list: project, 30 %", list(json!({"project": "work"}))),
        ("status", Some(("mimo_status", json!({})))),
        ("sqlite-vec by hand", None),
    ]
}

fn measure(folder: &Path, encoder: &dyn Embedder) -> Vec<(&'static str, String)> {
    let began = Instant::now();
    let mut client = start(folder);
    client.document("memory_search", &json!({"query": "w k l"}));
    let first = began.elapsed();
    let file = Connection::open(folder.join("mimo.db")).expect("opens");
    let mut chance = Chance(99);
    let mut times: Vec<(&'static str, Vec<Duration>)> = Vec::new();
    for round in 0..=ROUNDS {
        let query = sentence(&mut chance, 6, STOP_WORDS);
        let probe = encoder.embed_query(&query).expect("encoded");
        for (nth, (name, call)) in calls(&query).into_iter().enumerate() {
            let pid = match call {
                Some(_) => client.pid(),
                None => std::process::id(),
            };
            let before = cpu_time(pid);
            match call {
                Some((tool, arguments)) => drop(client.document(tool, &arguments)),
                None => by_sqlite_vec(&file, &probe),
            }
            let took = cpu_time(pid).saturating_sub(before);
            match times.get_mut(nth) {
                _ if round == 0 => times.push((name, Vec::new())),
                Some((_, times)) => times.push(took),
                None => unreachable!("the first round made it"),
            }
        }
    }
    let mut figures = Vec::new();
    for (name, times) in &times {
        let [p50, p99] = [0.5, 0.99].map(|share| milliseconds(times, share));
        figures.push((*name, format!("{p50} ({p99})")));
    }
    figures.push(("faiss, all vectors in memory", by_faiss(folder)));
    let first = (first.as_secs_f64() * 1e4).round() / 10.0;
    figures.push(("start to the first result", format!("{first}")));
    figures.push((
        "memory of its own, MB",
        megabytes(soak::own_bytes(client.pid())),
    ));
    drop(client);
    let bytes = std::fs::metadata(folder.join("mimo.db")).map_or(0, |file| file.len());
    figures.push(("file, MB", megabytes(bytes)));
    figures
}

/// The same figures of faiss over the same vectors.
fn by_faiss(folder: &Path) -> String {
    let python = machine::venv("faiss", &["faiss-cpu==1.15.1", "numpy==2.4.6"]).expect("packages");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/growth/faiss_flat.py");
    let mut faiss = Command::new(python);
    faiss
        .arg(script)
        .arg(folder.join("mimo.db"))
        .arg(ROUNDS.to_string());
    let output = faiss.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
