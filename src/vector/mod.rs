//! Arithmetic on vectors over whatever instruction set the processor has:
//! distances for search, and the layers an encoder is made of. Knows nothing of
//! where vectors come from or are kept.
//!
//! This is the one room for `unsafe` arithmetic. What it offers is safe: every
//! size is checked before a kernel runs, and a [`Level`] exists only for
//! instructions that were found.

#![allow(unsafe_code)]
// A tile counts its rows and vectors: the same number indexes memory and sums.
#![allow(clippy::needless_range_loop)]

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod code;
mod dense;
mod distance;
mod lanes;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod rows;
mod scalar;

pub use attention::{AttentionRoom, HEAD};
pub use code::{Probe, code};
pub use dense::{Dense, PANEL, Rows, Then};
pub use level::Level;

/// The inner product of two f32 vectors of the same length; of unit vectors it
/// is their cosine.
///
/// # Panics
/// When the lengths differ: vectors of different spaces never meet.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Level::best().dot(a, b)
}

/// The inner product of `a` with a vector stored as little-endian f32 bytes, in
/// place and at any alignment (as SQLite hands out a blob); `None` when the
/// bytes are not exactly `a.len()` numbers.
#[inline]
pub fn dot_bytes(a: &[f32], le_bytes: &[u8]) -> Option<f32> {
    Level::best().dot_bytes(a, le_bytes)
}

/// The cosine of the angle between two f32 vectors of the same length, from -1
/// to 1; 0 where one of them has no direction.
///
/// # Panics
/// When the lengths differ.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let level = Level::best();
    let sizes = (level.dot(a, a) * level.dot(b, b)).sqrt();
    if sizes > 0.0 {
        (level.dot(a, b) / sizes).clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

/// The inner product of two int8 vectors of the same length, exactly.
///
/// # Panics
/// When the lengths differ.
#[inline]
pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    Level::best().dot_i8(a, b)
}

/// The number of bits in which two codes of the same length differ.
///
/// # Panics
/// When the lengths differ.
#[inline]
pub fn hamming(a: &[u8], b: &[u8]) -> u32 {
    Level::best().hamming(a, b)
}

/// Adds to `distances` the number of bits in which `query` differs from each of
/// `codes`, which stand one after the other without gaps: what a scan calls once
/// a block.
///
/// # Panics
/// When the query is empty or its length does not divide that of the codes.
pub fn hamming_all(query: &[u8], codes: &[u8], distances: &mut Vec<u32>) {
    Level::best().hamming_all(query, codes, distances);
}
