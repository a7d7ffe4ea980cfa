//! One-bit codes of vectors, at 1/32 of their size, to shortlist a few hundred of
//! many vectors for an exact comparison.
//!
//! A stored vector keeps the sign of each number. A query, which is coded once and
//! compared with all of them, keeps each number as one of 16 levels, in four
//! bit planes. Of the best 10 of 43,000 vectors of the built-in
//! model (sentences of documentation and of conversations), all were among the
//! 200 nearest by code, of the best 200 .92 among 400 and .98 among 800; with one
//! bit for the query too, .99, .79 and .91. A rotation before taking the signs,
//! which helps models with uneven dimensions, changed none of these.

use super::hamming_all;

/// Bit planes of a query: the bits of a level.
const PLANES: usize = 4;
/// The highest level.
const TOP: f32 = 15.0;

/// The code of a vector: bit `i % 8` of byte `i / 8` is set where number `i` is
/// above zero. Its length is that of the vector over 8, rounded up.
pub fn code(vector: &[f32]) -> Vec<u8> {
    bits(vector, |number| *number > 0.0)
}

/// A query to compare codes with.
#[derive(Clone, Debug)]
pub struct Probe {
    planes: [Vec<u8>; PLANES],
}

impl Probe {
    pub fn of(vector: &[f32]) -> Probe {
        let levels = levels(vector);
        let plane = |nth: usize| bits(&levels, |level| level >> nth & 1 == 1);
        Probe {
            planes: std::array::from_fn(plane),
        }
    }

    /// Puts the distance of each of the contiguous `codes` into `distances`. A
    /// smaller distance means a probably greater inner product.
    ///
    /// The distance of a set bit is the number's level below the highest, that of an
    /// unset bit the level itself. Their sum equals the Hamming distances to the
    /// planes, weighted by each plane's place value.
    ///
    /// # Panics
    /// If the query is empty or its code's length does not divide `codes`.
    pub fn distances(&self, codes: &[u8], distances: &mut Vec<u32>) {
        distances.clear();
        let mut differ = Vec::new();
        for (nth, plane) in self.planes.iter().enumerate().rev() {
            differ.clear();
            hamming_all(plane, codes, &mut differ);
            if distances.is_empty() {
                distances.resize(differ.len(), 0);
            }
            for (distance, bits) in distances.iter_mut().zip(&differ) {
                *distance += bits << nth;
            }
        }
    }
}

/// Each number from the least, -m, to the greatest, m, as one of 16 levels.
fn levels(vector: &[f32]) -> Vec<u8> {
    let most = vector.iter().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
    let level = |x: &f32| ((x / most + 1.0) * (TOP + 1.0) / 2.0).clamp(0.0, TOP) as u8;
    vector.iter().map(level).collect()
}

fn bits<T>(values: &[T], is_set: impl Fn(&T) -> bool) -> Vec<u8> {
    let byte = |eight: &[T]| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |byte, (nth, value)| {
            byte | u8::from(is_set(value)) << nth
        })
    };
    values.chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudorandom numbers from -1 to 1.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn distances_match_their_definition() {
        for dimensions in [1, 7, 8, 9, 64, 256, 384, 385, 768] {
            let query = numbers(dimensions, 1);
            let stored: Vec<Vec<f32>> = (2..9).map(|seed| numbers(dimensions, seed)).collect();
            let codes: Vec<u8> = stored.iter().flat_map(|vector| code(vector)).collect();
            let mut found = vec![99];
            Probe::of(&query).distances(&codes, &mut found);
            let far = |vector: &Vec<f32>| -> u32 {
                let levels = levels(&query);
                let each = levels.iter().zip(vector).map(|(level, number)| {
                    u32::from(if *number > 0.0 { 15 - level } else { *level })
                });
                each.sum()
            };
            assert_eq!(found, stored.iter().map(far).collect::<Vec<_>>());
        }
    }

    #[test]
    fn levels_span_the_range() {
        assert_eq!(
            levels(&[-2.0, -1.9, -0.01, 0.01, 1.9, 2.0]),
            [0, 0, 7, 8, 15, 15]
        );
        assert_eq!(levels(&[0.0, 0.0]), [8, 8]);
        assert_eq!(levels(&[]), [0u8; 0]);
    }

    #[test]
    fn nearest_by_code_is_the_vector_itself() {
        let all: Vec<Vec<f32>> = (0..200).map(|seed| numbers(384, seed * 77)).collect();
        let codes: Vec<u8> = all.iter().flat_map(|vector| code(vector)).collect();
        let mut distances = Vec::new();
        for (nth, vector) in all.iter().enumerate() {
            Probe::of(vector).distances(&codes, &mut distances);
            let best = (0..all.len()).min_by_key(|other| distances[*other]);
            assert_eq!(best, Some(nth));
        }
    }
}
