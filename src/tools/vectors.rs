//! Vectors of texts that are met again and again: a procedure, a tool or a
//! triple says the same whenever it is found, and encoding it takes a
//! millisecond or two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::text;

/// A bounded number of vectors by their text. Those not asked for while half as
/// many others came go.
pub struct Vectors {
    most: usize,
    kept: Mutex<Generations>,
}

/// By `text::key`.
type Generation = HashMap<[u8; 32], Arc<[f32]>>;

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl Vectors {
    /// None yet, and never more than `most`.
    pub fn at_most(most: usize) -> Vectors {
        Vectors {
            most,
            kept: Mutex::default(),
        }
    }

    /// The vector of `text`, if it is kept.
    pub fn of(&self, text: &str) -> Option<Arc<[f32]>> {
        let key = text::key(text);
        let mut kept = self.kept();
        if let Some(vector) = kept.young.get(&key) {
            return Some(vector.clone());
        }
        let vector = kept.old.remove(&key)?;
        self.put(&mut kept, key, vector.clone());
        Some(vector)
    }

    /// Keeps the vector of `text`.
    pub fn keep(&self, text: &str, vector: Arc<[f32]>) {
        self.put(&mut self.kept(), text::key(text), vector);
    }

    fn put(&self, kept: &mut Generations, key: [u8; 32], vector: Arc<[f32]>) {
        if kept.young.len() >= self.most / 2 {
            kept.old = std::mem::take(&mut kept.young);
        }
        kept.young.insert(key, vector);
    }

    fn kept(&self) -> MutexGuard<'_, Generations> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes_in_time() {
        const MOST: usize = 64;
        let vectors = Vectors::at_most(MOST);
        let vector = |n: usize| -> Arc<[f32]> { [n as f32].into() };
        vectors.keep("often", vector(0));
        for nth in 0..4 * MOST {
            vectors.keep(&nth.to_string(), vector(nth));
            assert_eq!(vectors.of("often"), Some(vector(0)), "{nth}");
        }
        assert_eq!(vectors.of("0"), None);
        let last = 4 * MOST - 1;
        assert_eq!(vectors.of(&last.to_string()), Some(vector(last)));
        let kept = vectors.kept();
        assert!(kept.young.len() + kept.old.len() <= MOST);
    }
}
