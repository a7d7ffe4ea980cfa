//! The part of the port that erases permanently, at the request of a person.

use memchr::memmem::Finder;

use super::Stored;
use super::memory::MemoryId;
use crate::text::folded;

/// Every method but `compact` is one transaction.
pub trait ErasureStore: Send + Sync {
    /// The memories in any state whose text, or an earlier text that an edit could
    /// bring back, contains `text` in any case; by id.
    fn containing(&self, text: String) -> Stored<'_, Vec<MemoryId>>;

    /// Erases these memories and everything kept about them. Returns the erased texts,
    /// including earlier ones.
    fn erase(&self, ids: Vec<MemoryId>) -> Stored<'_, Vec<String>>;

    /// Other places that contain one of these texts, for a person. Recorded calls of
    /// skills that contain one are erased.
    fn erase_traces(&self, wanted: Traces) -> Stored<'_, Vec<String>>;

    /// Rewrites the indexes, the file and its log without what was erased. Returns
    /// whether the log was emptied too: a reader elsewhere can prevent it.
    fn compact(&self) -> Stored<'_, bool>;
}

/// The texts to look for in everything that is stored.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Whole texts, as they were stored.
    pub texts: Vec<String>,
    /// A text that a person typed, found in any case.
    pub typed: Option<String>,
    /// Whether recorded calls are named with the rest instead of erased.
    pub dry_run: bool,
}

/// The columns that may repeat a memory's text, by the name that a person knows.
pub(super) const TRACES: [(&str, &str); 9] = [
    ("memory", "SELECT CAST(id AS text), content FROM memory"),
    (
        "an earlier text of memory",
        "SELECT CAST(memory_id AS text), content FROM memory_edit",
    ),
    (
        "a tag of memory",
        "SELECT CAST(memory_id AS text), tag FROM memory_tag",
    ),
    (
        "the topic, thread or project of memory",
        "SELECT CAST(id AS text), COALESCE(topic_key, '') || ' ' || thread || ' ' || project \
         FROM memory",
    ),
    (
        "the reason or the tags of an edit of memory",
        "SELECT CAST(memory_id AS text), COALESCE(reason, '') || ' ' || tags FROM memory_edit",
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
#[derive(Default)]
pub(super) struct TraceFinder {
    exact: Vec<Finder<'static>>,
    folded: Vec<Finder<'static>>,
}

impl TraceFinder {
    pub(super) fn of(wanted: &Traces) -> TraceFinder {
        let typed = wanted.typed.as_deref().map(folded);
        TraceFinder {
            exact: wanted.texts.iter().flat_map(|text| finders(text)).collect(),
            folded: typed.iter().flat_map(|text| finders(text)).collect(),
        }
    }

    /// Finds the texts that contain `text` in any case.
    pub(super) fn containing(text: &str) -> TraceFinder {
        TraceFinder {
            exact: Vec::new(),
            folded: vec![Finder::new(&folded(text)).into_owned()],
        }
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        let holds = |all: &[Finder<'_>], bytes: &[u8]| {
            all.iter().any(|finder| finder.find(bytes).is_some())
        };
        let is_folded_in = || {
            let text = folded(&String::from_utf8_lossy(bytes));
            holds(&self.folded, text.as_bytes())
        };
        holds(&self.exact, bytes) || (!self.folded.is_empty() && is_folded_in())
    }
}

fn finders(text: &str) -> [Finder<'static>; 2] {
    let json = serde_json::json!(text).to_string();
    let json = Finder::new(json.trim_matches('"')).into_owned();
    [Finder::new(text).into_owned(), json]
}
