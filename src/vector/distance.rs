//! Distances between two vectors over the lanes of any instruction set; their
//! lengths have been compared by `level.rs`.

use super::lanes::{Lanes, WIDEST};

/// The inner product of `length` f32 at `a` and at `b`.
///
/// # Safety
/// Both are readable to `length`; any alignment will do.
#[inline(always)]
pub(super) unsafe fn dot<L: Lanes>(lanes: L, a: *const f32, b: *const f32, length: usize) -> f32 {
    // SAFETY: the caller's promise; the tail is copied, not read over.
    unsafe {
        let mut sums = [lanes.splat(0.0); 4];
        let mut done = 0;
        while done + 4 * L::WIDTH <= length {
            for (part, sum) in sums.iter_mut().enumerate() {
                let at = done + part * L::WIDTH;
                *sum = lanes.fma(lanes.load(a.add(at)), lanes.load(b.add(at)), *sum);
            }
            done += 4 * L::WIDTH;
        }
        while done + L::WIDTH <= length {
            sums[0] = lanes.fma(lanes.load(a.add(done)), lanes.load(b.add(done)), sums[0]);
            done += L::WIDTH;
        }
        if done < length {
            let tail = |from: *const f32| {
                let mut all = [0.0f32; WIDEST];
                let bytes = 4 * (length - done);
                from.add(done)
                    .cast::<u8>()
                    .copy_to_nonoverlapping(all.as_mut_ptr().cast(), bytes);
                lanes.load(all.as_ptr())
            };
            sums[1] = lanes.fma(tail(a), tail(b), sums[1]);
        }
        let [a, b, c, d] = sums;
        lanes.total(lanes.add(lanes.add(a, b), lanes.add(c, d)))
    }
}

/// The inner product of `a` with as many little-endian f32 in `bytes`.
#[inline(always)]
pub(super) fn dot_bytes<L: Lanes>(lanes: L, a: &[f32], bytes: &[u8]) -> f32 {
    assert_eq!(bytes.len(), 4 * a.len());
    if cfg!(target_endian = "little") {
        // SAFETY: the assertion; these bytes are f32 as this machine has them.
        unsafe { dot(lanes, a.as_ptr(), bytes.as_ptr().cast(), a.len()) }
    } else {
        let numbers = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes));
        a.iter().zip(numbers).map(|(a, b)| a * b).sum()
    }
}

/// The inner product of two f32 vectors of the same length.
#[inline(always)]
pub(super) fn dot_slices<L: Lanes>(lanes: L, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    // SAFETY: the assertion.
    unsafe { dot(lanes, a.as_ptr(), b.as_ptr(), a.len()) }
}

/// The inner product of two int8 vectors of the same length.
#[inline(always)]
pub(super) fn dot_i8<L: Lanes>(lanes: L, a: &[i8], b: &[i8]) -> i32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    // SAFETY: the assertion.
    unsafe { lanes.dot_i8(a.as_ptr(), b.as_ptr(), a.len()) }
}

/// Bits that differ between two codes of the same length.
#[inline(always)]
pub(super) fn hamming<L: Lanes>(lanes: L, a: &[u8], b: &[u8]) -> u32 {
    assert_eq!(a.len(), b.len(), "codes of different lengths");
    // SAFETY: the assertion.
    unsafe { lanes.hamming(a.as_ptr(), b.as_ptr(), a.len()) }
}

/// Adds the distance of `query` to each of `codes`, which are stored one after the
/// other, to `distances`.
#[inline(always)]
pub(super) fn hamming_all<L: Lanes>(
    lanes: L,
    query: &[u8],
    codes: &[u8],
    distances: &mut Vec<u32>,
) {
    distances.reserve(codes.len() / query.len());
    // A loop, not `extend`: what a closure in there calls would be compiled
    // without the features of this function.
    for code in codes.chunks_exact(query.len()) {
        distances.push(hamming(lanes, query, code));
    }
}
