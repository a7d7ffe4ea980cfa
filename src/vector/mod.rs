//! Arithmetic on vectors with the best instruction set of the CPU: distances for
//! search, and the layers of an encoder.
//!
//! Only this room has `unsafe` arithmetic. Its interface is safe: sizes are checked
//! before a kernel runs, and a [`Level`] exists only for instructions that the CPU
//! has.

#![allow(unsafe_code)]
// The index of a row or vector of a tile indexes both memory and sums.
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

pub use attention::{AttentionBuffers, HEAD};
pub use code::{Probe, code};
pub use dense::{Dense, Epilogue, PANEL, Rows};
pub use level::Level;

/// The inner product of two f32 vectors of the same length; for unit vectors, their
/// cosine.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Level::best().dot(a, b)
}

/// The inner product of `a` with a vector of little-endian f32 bytes, in place and
/// at any alignment, such as a blob of SQLite; `None` unless the bytes are exactly
/// `a.len()` numbers.
#[inline]
pub fn dot_bytes(a: &[f32], le_bytes: &[u8]) -> Option<f32> {
    Level::best().dot_bytes(a, le_bytes)
}

/// The cosine of the angle between two f32 vectors of the same length, from -1
/// to 1; 0 if one of them is zero.
///
/// # Panics
/// If the lengths differ.
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
/// If the lengths differ.
#[inline]
pub(crate) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    Level::best().dot_i8(a, b)
}

/// Appends to `distances` the number of bits in which `query` differs from each of
/// the contiguous `codes`.
///
/// # Panics
/// If the query is empty or its length does not divide that of the codes.
pub(crate) fn hamming_all(query: &[u8], codes: &[u8], distances: &mut Vec<u32>) {
    Level::best().hamming_all(query, codes, distances);
}
