//! The memory part of the port. The `memory` room decides which memories merge,
//! supersede each other or may be edited; a store keeps and finds them.

use std::collections::{BTreeSet, HashMap};

use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::graph::EntityId;
use super::{
    EncodingStore, ErasureStore, InventoryStore, NameStore, ProjectSet, RetentionStore, StoreError,
    Stored,
};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::text::QueryWord;

pub use super::MemoryId;
pub(crate) use super::candidates::{Candidate, Surroundings};
pub use super::candidates::{Candidates, Hit};
pub use super::category::Category;
pub(super) use super::columns::{COLUMNS, WHEN, replaced_by};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryState {
    /// Current.
    #[default]
    Active,
    /// Replaced by a later version.
    Superseded,
    /// Forgotten, and out of every search until it is restored.
    Archived,
}

impl MemoryState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            MemoryState::Active => "active",
            MemoryState::Superseded => "superseded",
            MemoryState::Archived => "archived",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<MemoryState> {
        [
            MemoryState::Active,
            MemoryState::Superseded,
            MemoryState::Archived,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// The hash of a normalised text (`text::key`): equal texts have equal keys.
pub(crate) type TextKey = [u8; 32];

/// The metadata of a memory. A field added here is stored, edited, exported and
/// imported.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFields {
    pub project: String,
    pub category: Category,
    /// 0 to 1.
    pub importance: f64,
    pub tags: BTreeSet<String>,
    /// Unique among the active memories of a project: storing under it again
    /// replaces the memory.
    pub topic_key: Option<String>,
    /// The conversation or document it belongs to.
    pub thread: String,
    pub valid_until: Option<Timestamp>,
    /// When it was said or happened, where that is not when it was recorded.
    pub said_at: Option<Timestamp>,
}

impl MemoryFields {
    /// Defaults for everything but the project and the thread.
    pub fn new(project: impl Into<String>, thread: impl Into<String>) -> MemoryFields {
        MemoryFields {
            project: project.into(),
            category: Category::default(),
            importance: 0.5,
            tags: BTreeSet::new(),
            topic_key: None,
            thread: thread.into(),
            valid_until: None,
            said_at: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    pub id: MemoryId,
    pub fields: MemoryFields,
    pub content: String,
    pub(crate) text_key: TextKey,
    /// Entities of the graph that its text names (`type:id`), in byte order, up to a
    /// bound. Kept by the graph, not with the memory.
    pub(crate) entities: Vec<String>,
    pub state: MemoryState,
    /// Neither edited nor forgotten while set.
    pub protected: bool,
    /// The older version it replaced.
    pub supersedes: Option<MemoryId>,
    /// Its place in its thread, from 1.
    pub(crate) position: i64,
    /// When this version was recorded.
    pub created_at: Timestamp,
    /// When it was first recorded, where edits of its text came later.
    pub(crate) recorded_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    /// When a later version replaced it.
    pub retired_at: Option<Timestamp>,
    pub recalled_at: Option<Timestamp>,
    pub(crate) recall_count: u64,
    /// Counts changes, so that an undo notices later ones.
    pub(crate) revision: i64,
}

impl Memory {
    /// When it was said or happened, else when this version was recorded: its age in
    /// listings and for filters.
    pub(crate) fn when(&self) -> Timestamp {
        self.fields.said_at.unwrap_or(self.created_at)
    }

    /// When it was said or happened, else when it was first recorded: its date for readers.
    pub(crate) fn date(&self) -> Timestamp {
        self.fields.said_at.unwrap_or(self.first_recorded())
    }

    /// When it was recorded, whatever edits came later.
    pub(crate) fn first_recorded(&self) -> Timestamp {
        self.recorded_at.unwrap_or(self.created_at)
    }
}

/// A text and its index entries, made by `memory` before any transaction begins.
#[derive(Clone, Debug)]
pub struct IndexedText {
    pub content: String,
    pub key: TextKey,
    /// The words of the keyword index (`text::index_words`), separated by spaces.
    pub words: String,
    /// One vector for each window of the text, all of one length.
    pub vectors: Vec<Vec<f32>>,
}

/// Which fields the caller named; the others are defaults. A merge applies those, and
/// never lets a default replace what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExplicitFields {
    pub project: bool,
    pub category: bool,
    pub importance: bool,
    pub thread: bool,
}

/// A memory to be stored. `Text` is its plain text, or the text prepared for the
/// indexes.
#[derive(Clone, Debug)]
pub struct NewMemory<Text = IndexedText> {
    pub fields: MemoryFields,
    pub explicit: ExplicitFields,
    /// Not blank, within its bound.
    pub text: Text,
    /// Retires this memory and keeps it as the older version.
    pub supersedes: Option<MemoryId>,
}

/// Everything a transaction reads before it decides.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    pub(crate) ids: Vec<MemoryId>,
    /// Projects and keys of texts that an active memory may have.
    pub(crate) texts: Vec<(String, TextKey)>,
    /// Projects and topic keys that an active memory may hold.
    pub(crate) topics: Vec<(String, String)>,
    pub(crate) identities: Vec<Identity>,
    /// Threads that are to be continued.
    pub(crate) threads: Vec<String>,
}

/// The answer to a [`Lookup`].
#[derive(Clone, Debug)]
pub struct LookupResult {
    /// The matching memories within reach, each once, by id.
    pub(crate) memories: Vec<Memory>,
    /// The last position of each thread that has one.
    pub(crate) positions: HashMap<String, i64>,
    /// The next unused id.
    pub(crate) next_id: MemoryId,
}

/// One change of what is stored.
#[derive(Clone, Debug)]
pub enum Write {
    /// A memory under an id that was never used.
    Insert {
        memory: Memory,
        index: Index,
    },
    /// Replaces every field of a memory, and its text if one is given.
    Update {
        memory: Memory,
        text: Option<IndexedText>,
    },
    LogEdit(EditRecord),
    /// Erases records of edits made before this moment.
    ForgetEdits(Timestamp),
}

/// Where the index entries of a new memory come from.
#[derive(Clone, Debug)]
pub enum Index {
    Text(IndexedText),
    /// Takes over the entries of this memory, whose text is replaced next.
    MovedFrom(MemoryId),
}

/// The state of a memory before an edit.
#[derive(Clone, Debug, PartialEq)]
pub struct EditRecord {
    pub(crate) undo_id: String,
    pub(crate) memory: MemoryId,
    /// The memory's revision after the edit.
    pub(crate) revision: i64,
    pub(crate) edited_at: Timestamp,
    pub(crate) text_changed: bool,
    pub(crate) importance: f64,
    pub(crate) state: MemoryState,
    pub(crate) protected: bool,
    pub(crate) reason: Option<String>,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) content: String,
    /// Where it was; `None` in records of earlier versions, which moved nothing.
    pub(crate) project: Option<String>,
    pub(crate) said_at: Option<Timestamp>,
}

/// Recognizes a memory that is imported again.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub project: String,
    pub thread: String,
    pub position: i64,
    pub key: TextKey,
    /// If known.
    pub created_at: Option<Timestamp>,
}

impl Identity {
    pub(crate) fn is_of(&self, memory: &Memory) -> bool {
        self.position == memory.position
            && self.key == memory.text_key
            && self.thread == memory.fields.thread
            && self.project == memory.fields.project
            && self.created_at.is_none_or(|time| time == memory.created_at)
    }
}

/// A transaction on memories. It sees and changes only what is within its
/// reach: a write beyond it is `NoAccess`.
pub trait MemoryTransaction: Sync {
    fn look_up<'a>(&'a self, lookup: &'a Lookup) -> Stored<'a, LookupResult>;

    /// The records of an edit, by memory; empty if one of its memories is beyond
    /// reach.
    fn edit_records<'a>(&'a self, undo_id: &'a str) -> Stored<'a, Vec<EditRecord>>;

    /// Applies the changes in this order.
    fn apply(&self, writes: Vec<Write>) -> Stored<'_, ()>;
}

/// Work in a transaction; an error rolls everything back.
pub(crate) type MemoryWork = Box<
    dyn for<'a> FnOnce(&'a dyn MemoryTransaction) -> BoxFuture<'a, Result<(), StoreError>> + Send,
>;

/// Which memories a query may see. Filters are exact, never approximate.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Nothing beyond the caller's reach is ever found.
    pub reach: Reach,
    /// Only these projects; empty means all within reach.
    pub projects: Vec<String>,
    pub category: Option<Category>,
    /// Only memories with every one of these tags, each in one of its spellings.
    pub tags: Vec<Vec<String>>,
    /// Only memories of this conversation or document.
    pub thread: Option<String>,
    /// Only versions said or recorded at or after this.
    pub since: Option<Timestamp>,
    /// Only versions said or recorded before this.
    pub until: Option<Timestamp>,
    /// Memories that were current at this time instead of now.
    pub as_of: Option<Timestamp>,
    /// Older versions and expired memories too (but never archived ones).
    pub include_superseded: bool,
    /// The time of the query, compared with `valid_until`.
    pub now: Timestamp,
}

impl Filter {
    /// Memories current at `now` in `projects` (empty: in all) within reach.
    pub fn within(reach: &Reach, projects: Vec<String>, now: Timestamp) -> Filter {
        Filter {
            reach: reach.clone(),
            projects,
            category: None,
            tags: Vec::new(),
            thread: None,
            since: None,
            until: None,
            as_of: None,
            include_superseded: false,
            now,
        }
    }

    /// The states of the memories that may pass.
    pub(in crate::store) fn states(&self) -> &'static [MemoryState] {
        match self.as_of.is_some() || self.include_superseded {
            true => &[MemoryState::Active, MemoryState::Superseded],
            false => &[MemoryState::Active],
        }
    }

    /// Whether it names which memories are wanted, rather than only where and when
    /// they hold.
    pub(crate) fn is_narrow(&self) -> bool {
        self.category.is_some()
            || self.thread.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || !self.tags.is_empty()
    }

    /// The same without its narrowing conditions.
    pub(crate) fn without_narrowing(&self) -> Filter {
        Filter {
            as_of: self.as_of,
            include_superseded: self.include_superseded,
            ..Filter::within(&self.reach, self.projects.clone(), self.now)
        }
    }

    pub(crate) fn project_set(&self) -> ProjectSet {
        ProjectSet::readable(&self.reach, &self.projects)
    }
}

/// A search of both sides on one snapshot.
#[derive(Clone, Debug)]
pub struct CandidateQuery {
    pub filter: Filter,
    /// Words of the keyword side (as `text::query_words` makes them); empty: not asked.
    pub words: Vec<QueryWord>,
    /// The query's vector; `None`: the semantic side is not asked.
    pub vector: Option<Vec<f32>>,
    /// For each of the two sides.
    pub limit: usize,
}

/// An export in portions, each read when the previous one was consumed.
pub(crate) type Export = BoxStream<'static, Result<ExportPage, StoreError>>;

#[derive(Clone, Debug)]
pub struct ExportPage {
    /// How many memories the whole export has.
    pub total: u64,
    pub memories: Vec<Memory>,
}

/// The counts of `mimo_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryCensus {
    /// Current memories.
    pub active: u64,
    /// Older versions.
    pub(crate) superseded: u64,
    pub(crate) archived: u64,
    /// Projects with at least one active memory.
    pub projects: u64,
    /// Bytes on disk, the write-ahead log included.
    pub(crate) file_bytes: u64,
    /// Whether nothing can be stored, only read.
    pub(crate) read_only: bool,
    /// The free space for the database; `None` if unknown here.
    pub(crate) free_bytes: Option<u64>,
}

/// Every method is one transaction. A change whose future resolves to `Ok`
/// survives the end of the process.
pub trait MemoryStore:
    RetentionStore + InventoryStore + ErasureStore + EncodingStore + NameStore
{
    /// Runs `work` in one transaction. New vectors belong to the space called
    /// `model`.
    fn write_memories(&self, reach: &Reach, model: &str, work: MemoryWork) -> Stored<'_, ()>;

    /// For each probe (project, vectors of one text) the active memories of that
    /// project whose cosine is at least `threshold`, with it, best first, at most
    /// `limit`.
    fn similar(
        &self,
        reach: &Reach,
        model: &str,
        probes: Vec<(String, Vec<Vec<f32>>)>,
        threshold: f32,
        limit: usize,
        now: Timestamp,
    ) -> Stored<'_, Vec<Vec<(MemoryId, f32)>>>;

    fn candidates(&self, model: &str, query: CandidateQuery) -> Stored<'_, Candidates>;

    /// The newest memories older than `after` (exclusive), newest first.
    fn newest(
        &self,
        filter: Filter,
        after: Option<(Timestamp, MemoryId)>,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>>;

    /// The memories with these ids in the order given, in any state. Ids without a
    /// memory within reach are skipped.
    fn fetch(&self, reach: &Reach, ids: Vec<MemoryId>) -> Stored<'_, Vec<Memory>>;

    /// Like `fetch`, restricted to the memories that `filter` lets through.
    fn fetch_matching(&self, ids: Vec<MemoryId>, filter: Filter) -> Stored<'_, Vec<Memory>>;

    /// Of the latest memories that name one of these entities, those that
    /// `filter` lets through, newest first. At most `limit` of each entity are
    /// considered, and at most `limit` returned.
    fn mentioning(
        &self,
        entities: Vec<EntityId>,
        filter: Filter,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>>;

    /// The cosine between each of these memories and `probe`, by its nearest
    /// window; those without a vector of `model` are missing.
    fn similarities(
        &self,
        reach: &Reach,
        model: &str,
        ids: Vec<MemoryId>,
        probe: Vec<f32>,
    ) -> Stored<'_, Vec<(MemoryId, f32)>>;

    /// See [`MemoryTransaction::edit_records`].
    fn edit_records(&self, reach: &Reach, undo_id: String) -> Stored<'_, Vec<EditRecord>>;

    /// In the order of the identities; `None` where no memory has it.
    fn identify(&self, reach: &Reach, who: Vec<Identity>) -> Stored<'_, Vec<Option<MemoryId>>>;

    /// Every memory of `projects` in any state, by id, from one snapshot.
    fn export(&self, projects: ProjectSet) -> Export;

    fn record_recalls(&self, ids: Vec<MemoryId>, at: Timestamp) -> Stored<'_, ()>;

    /// Counts for a status, of what is within reach.
    fn census(&self, reach: &Reach) -> Stored<'_, MemoryCensus>;
}
