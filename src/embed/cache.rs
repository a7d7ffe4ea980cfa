//! A cache of vectors. The texts of procedures, tools and triples are the same whenever
//! they are found, and encoding one takes a millisecond or two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::text;

/// Vectors by their text, in two generations: an entry that is not used while half
/// the capacity fills with others is dropped.
pub(crate) struct VectorCache {
    capacity: usize,
    generations: Mutex<Generations>,
}

/// By [`text::key`].
type Generation = HashMap<[u8; 32], Arc<[f32]>>;

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl VectorCache {
    pub(crate) fn new(capacity: usize) -> VectorCache {
        VectorCache {
            capacity,
            generations: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, text: &str) -> Option<Arc<[f32]>> {
        let key = text::key(text);
        let mut generations = self.lock();
        if let Some(vector) = generations.young.get(&key) {
            return Some(vector.clone());
        }
        let vector = generations.old.remove(&key)?;
        self.put(&mut generations, key, vector.clone());
        Some(vector)
    }

    pub(crate) fn insert(&self, text: &str, vector: Arc<[f32]>) {
        self.put(&mut self.lock(), text::key(text), vector);
    }

    fn put(&self, generations: &mut Generations, key: [u8; 32], vector: Arc<[f32]>) {
        if generations.young.len() >= self.capacity / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, vector);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_use_stay_and_others_are_dropped() {
        const CAPACITY: usize = 64;
        let vectors = VectorCache::new(CAPACITY);
        let vector = |n: usize| -> Arc<[f32]> { [n as f32].into() };
        vectors.insert("often", vector(0));
        for nth in 0..4 * CAPACITY {
            vectors.insert(&nth.to_string(), vector(nth));
            assert_eq!(vectors.get("often"), Some(vector(0)), "{nth}");
        }
        assert_eq!(vectors.get("0"), None);
        let last = 4 * CAPACITY - 1;
        assert_eq!(vectors.get(&last.to_string()), Some(vector(last)));
        let generations = vectors.lock();
        assert!(generations.young.len() + generations.old.len() <= CAPACITY);
    }
}
