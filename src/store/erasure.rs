//! The part of the port that erases for good, on request of a person.

use memchr::memmem::Finder;

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

/// The columns that may repeat a memory's text, by the name that a person knows.
pub(super) const TRACES: [(&str, &str); 6] = [
    ("memory", "SELECT CAST(id AS text), content FROM memory"),
    (
        "an earlier text of memory",
        "SELECT CAST(memory_id AS text), content FROM memory_edit",
    ),
    ("entity", "SELECT key, key || ' ' || name FROM entity"),
    (
        "a predicate, project or source of the graph:",
        "SELECT word, word FROM graph_word",
    ),
    ("procedure", "SELECT name, definition FROM procedure"),
    (
        "execution",
        "SELECT e.id, j.entry FROM journal j JOIN execution e ON e.number = j.execution",
    ),
];

/// Texts that are looked for as they are, and as they are written in JSON.
pub(super) struct TraceFinder(Vec<Finder<'static>>);

impl TraceFinder {
    pub(super) fn of(texts: &[String]) -> TraceFinder {
        let each = texts.iter().flat_map(|text| {
            let json = serde_json::json!(text).to_string();
            let json = Finder::new(json.trim_matches('"')).into_owned();
            [Finder::new(text).into_owned(), json]
        });
        TraceFinder(each.collect())
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        let mut all = self.0.iter();
        all.any(|finder| finder.find(bytes).is_some())
    }
}
