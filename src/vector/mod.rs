//! Distances between vectors: the arithmetic, and nothing of where vectors
//! come from or are kept.

/// The inner product of two f32 vectors of the same length; of unit vectors it
/// is their cosine.
///
/// # Panics
/// When the lengths differ: vectors of different spaces never meet.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The inner product of `a` with a vector stored as little-endian f32 bytes, in
/// place and at any alignment (as SQLite hands out a blob); `None` when the
/// bytes are not exactly `a.len()` numbers.
pub fn dot_bytes(a: &[f32], le_bytes: &[u8]) -> Option<f32> {
    let (numbers, rest) = le_bytes.as_chunks::<4>();
    if numbers.len() != a.len() || !rest.is_empty() {
        return None;
    }
    Some(
        a.iter()
            .zip(numbers)
            .map(|(a, b)| a * f32::from_le_bytes(*b))
            .sum(),
    )
}

/// The inner product of two int8 vectors of the same length, exactly.
///
/// # Panics
/// When the lengths differ.
pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    a.iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a) * i32::from(*b))
        .sum()
}

/// The number of bits in which two codes of the same length differ.
///
/// # Panics
/// When the lengths differ.
pub fn hamming(a: &[u8], b: &[u8]) -> u32 {
    assert_eq!(a.len(), b.len(), "codes of different lengths");
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}
