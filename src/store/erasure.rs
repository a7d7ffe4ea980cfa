//! The part of the port that erases for good, on request of a person.

use super::Stored;
use super::memory::MemoryId;

/// Every method but `compact` is one transaction.
pub trait ErasureStore: Send + Sync {
    /// The memories in any state whose text, or an earlier text that an edit could
    /// bring back, contains `text`, whatever its ASCII case; by id.
    fn containing(&self, text: String) -> Stored<'_, Vec<MemoryId>>;

    /// Erases these memories with everything kept about them. Returns the texts that
    /// went, with earlier ones.
    fn erase(&self, ids: Vec<MemoryId>) -> Stored<'_, Vec<String>>;

    /// Where else any of these texts is stored, for a person. Recorded calls of skills
    /// that hold one are erased.
    fn erase_traces(&self, texts: Vec<String>) -> Stored<'_, Vec<String>>;

    /// Rewrites the indexes, the file and its log without what was erased. Returns
    /// whether the log was emptied too: a reader elsewhere can prevent it.
    fn compact(&self) -> Stored<'_, bool>;
}
