//! The part of the port that gives memories vectors of another model.

use super::Stored;
use super::memory::{IndexedText, MemoryId};

/// Every method is one transaction.
pub trait EncodingStore: Send + Sync {
    /// The names of the models that memories have vectors of, the first used first.
    fn models(&self) -> Stored<'_, Vec<String>>;

    /// Memories in any state that have no vector of `model`, by id from after `after`,
    /// with their texts.
    fn unencoded(
        &self,
        model: &str,
        after: MemoryId,
        limit: usize,
    ) -> Stored<'_, Vec<(MemoryId, String)>>;

    /// Adds vectors of `model` to memories, unless they have some already or their text
    /// has changed.
    fn add_vectors(&self, model: &str, texts: Vec<(MemoryId, IndexedText)>) -> Stored<'_, ()>;

    /// Removes vectors of all models but this one, up to a bound; returns whether more
    /// are left.
    fn remove_other_vectors(&self, model: &str) -> Stored<'_, bool>;
}
