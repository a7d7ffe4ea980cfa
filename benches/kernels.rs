//! The distance kernels against naive loops, in the same run and in the cache,
//! at every level of this machine: one JSON line a figure.
//!
//! Measured on 2026-11-22, one of two shared EPYC (Zen 5) cores under load, release
//! profile, 768 dimensions, nanoseconds a vector and how many times the naive
//! f32 loop (388 ns):
//!
//! | level | f32 | f32 from bytes | int8 | 1 bit | 1 bit, a block |
//! |---|---|---|---|---|---|
//! | scalar | 108.9, 3.6x | 108.1, 3.6x | 118.1, 3.3x | 8.7, 45x | 7.9, 49x |
//! | avx2 | 32.8, 11.8x | 32.7, 11.9x | 18.8, 20.7x | 5.1, 76x | 6.0, 68x |
//! | avx512-vnni | 25.9, 15.4x | 25.0, 16.0x | 8.7, 46x | 4.9, 81x | 2.7, 147x |
//!
//! Goals: 10x f32, 35x int8, 100x 1 bit. A single 1-bit distance is so short
//! that the call costs half of it: a scan hands over whole blocks.

mod measure;

use std::hint::black_box;

use mimo::vector::Level;
use serde_json::json;

use measure::{print, side_by_side};

const DIMENSIONS: [usize; 2] = [384, 768];
/// Vectors compared with the query in turn; as f32 they are 24 KB at 768.
const VECTORS: usize = 8;
const ROUNDS: usize = 41;

fn keep<T>(_: T) {}

#[inline(never)]
fn naive(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for at in 0..a.len() {
        sum += a[at] * b[at];
    }
    sum
}

fn main() {
    for dimensions in DIMENSIONS {
        let number = |at: usize| ((at * 7919) % 255) as f32 / 127.0 - 1.0;
        let rows: Vec<Vec<f32>> = (0..VECTORS + 1)
            .map(|row| (row..row + dimensions).map(number).collect())
            .collect();
        let blobs: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| row.iter().flat_map(|x| x.to_le_bytes()).collect())
            .collect();
        let small: Vec<Vec<i8>> = rows
            .iter()
            .map(|row| row.iter().map(|x| (x * 127.0) as i8).collect())
            .collect();
        let codes: Vec<Vec<u8>> = small
            .iter()
            .map(|row| row[..dimensions / 8].iter().map(|x| *x as u8).collect())
            .collect();
        let block = codes[1..].concat();
        for level in Level::available() {
            let mut distances = Vec::new();
            let times = side_by_side(
                ROUNDS,
                &mut [
                    &mut || {
                        rows[1..]
                            .iter()
                            .for_each(|row| keep(black_box(naive(black_box(&rows[0]), row))))
                    },
                    &mut || {
                        rows[1..]
                            .iter()
                            .for_each(|row| keep(black_box(level.dot(black_box(&rows[0]), row))))
                    },
                    &mut || {
                        blobs[1..].iter().for_each(|blob| {
                            keep(black_box(level.dot_bytes(black_box(&rows[0]), blob)))
                        })
                    },
                    &mut || {
                        small[1..].iter().for_each(|row| {
                            keep(black_box(level.dot_i8(black_box(&small[0]), row)))
                        })
                    },
                    &mut || {
                        codes[1..].iter().for_each(|code| {
                            keep(black_box(level.hamming(black_box(&codes[0]), code)))
                        })
                    },
                    &mut || {
                        distances.clear();
                        level.hamming_all(black_box(&codes[0]), black_box(&block), &mut distances);
                        keep(black_box(&distances));
                    },
                ],
            );
            for (kernel, time) in [
                "naive f32",
                "f32",
                "f32 from bytes",
                "int8",
                "1 bit",
                "1 bit, a block",
            ]
            .into_iter()
            .zip(&times)
            {
                print(&json!({
                    "bench": "kernels", "kernel": kernel, "level": level.name(), "dimensions": dimensions,
                    "nanoseconds": (time / VECTORS as f64 * 1e10).round() / 10.0,
                    "times_naive": (times[0] / time * 10.0).round() / 10.0,
                }));
            }
        }
    }
}
