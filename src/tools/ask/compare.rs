//! Vectors of what results say, kept for the next question: a procedure, a tool
//! or a triple says the same whenever it is found, and encoding it takes a
//! millisecond or two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, timeout_at};

use crate::ask::{Gathered, Hit, beginning};
use crate::limits;
use crate::memory::Memories;

/// A bounded number of vectors by their text. Those not asked for while as many
/// others came go.
#[derive(Default)]
pub struct Vectors(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<String, Arc<[f32]>>,
    old: HashMap<String, Arc<[f32]>>,
}

impl Vectors {
    /// Compares the best of each store with the question, where the store keeps
    /// no vectors. Those that are not encoded in time are compared by their words.
    pub async fn compare(
        &self,
        memories: &Memories,
        gathered: &mut Gathered,
        question: &[f32],
        deadline: Instant,
    ) {
        let mut hits: Vec<(usize, &mut Hit)> = Vec::new();
        for list in gathered.found.values_mut() {
            for (rank, hit) in list.iter_mut().enumerate() {
                if hit.item.likeness.is_some() {
                    continue;
                }
                match self.of(encoded(hit)) {
                    Some(vector) => hit.item.likeness = Some(cosine(&vector, question)),
                    None => hits.push((rank, hit)),
                }
            }
        }
        hits.sort_by_key(|(rank, _)| *rank);
        hits.truncate(limits::ASK_VECTORS_MAX);
        let texts = hits.iter().map(|(_, hit)| encoded(hit).to_owned());
        let why = match timeout_at(deadline, memories.encode(texts.collect())).await {
            Ok(Ok(vectors)) => {
                for ((_, hit), vector) in hits.into_iter().zip(vectors) {
                    hit.item.likeness = Some(cosine(&vector, question));
                    self.keep(encoded(hit).to_owned(), vector.into());
                }
                return;
            }
            Ok(Err(failure)) => failure.message,
            Err(_) => "there was no time".to_owned(),
        };
        let why = format!("compared by words only: the results could not be encoded ({why})");
        gathered.degraded.push(why);
    }

    /// The vector of `text`, if it is kept.
    fn of(&self, text: &str) -> Option<Arc<[f32]>> {
        let mut kept = self.kept();
        if let Some(vector) = kept.young.get(text) {
            return Some(vector.clone());
        }
        let (text, vector) = kept.old.remove_entry(text)?;
        kept.put(text, vector.clone());
        Some(vector)
    }

    /// Keeps the vector of `text`.
    fn keep(&self, text: String, vector: Arc<[f32]>) {
        self.kept().put(text, vector);
    }

    fn kept(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, text: String, vector: Arc<[f32]>) {
        if self.young.len() >= limits::ASK_VECTORS_KEPT_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text, vector);
    }
}

/// What of a result is encoded.
fn encoded(hit: &Hit) -> &str {
    beginning(&hit.item.text, limits::ASK_VECTOR_BYTES_MAX)
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes_in_time() {
        let vectors = Vectors::default();
        let vector = |n: usize| -> Arc<[f32]> { [n as f32].into() };
        vectors.keep("often".to_owned(), vector(0));
        for nth in 0..4 * limits::ASK_VECTORS_KEPT_MAX {
            vectors.keep(nth.to_string(), vector(nth));
            assert_eq!(vectors.of("often"), Some(vector(0)), "{nth}");
        }
        assert_eq!(vectors.of("0"), None);
        let last = 4 * limits::ASK_VECTORS_KEPT_MAX - 1;
        assert_eq!(vectors.of(&last.to_string()), Some(vector(last)));
        let kept = vectors.kept();
        assert!(kept.young.len() + kept.old.len() <= limits::ASK_VECTORS_KEPT_MAX);
    }
}
