//! The memory part of the port: the words (a memory, a filter, an edit) and
//! the trait. Holds no rule of search or of text; those are `memory`'s.

use std::collections::BTreeSet;

use super::graph::EntityId;
use super::{InventoryStore, PortableStore, ProjectSet, RetentionStore, Stored};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::text::QueryWord;

pub use super::MemoryId;

/// What kind of statement a memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Category {
    /// Something that is so.
    #[default]
    Fact,
    /// Something that was done.
    Action,
    /// Something that was seen or said.
    Observation,
    /// Something that is intended.
    Plan,
}

impl Category {
    /// Every category, in the contract's order.
    pub const ALL: [Category; 4] = [
        Category::Fact,
        Category::Action,
        Category::Observation,
        Category::Plan,
    ];

    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            Category::Fact => "fact",
            Category::Action => "action",
            Category::Observation => "observation",
            Category::Plan => "plan",
        }
    }

    /// The category that `name` stands for.
    pub fn from_name(name: &str) -> Option<Category> {
        Category::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }
}

/// Where a memory is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Believed now.
    #[default]
    Active,
    /// Replaced by a later version.
    Superseded,
    /// Forgotten, and out of every search until it is restored.
    Archived,
}

impl State {
    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Superseded => "superseded",
            State::Archived => "archived",
        }
    }

    /// The state that `name` stands for.
    pub fn from_name(name: &str) -> Option<State> {
        [State::Active, State::Superseded, State::Archived]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A memory as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// The namespace it belongs to.
    pub project: String,
    /// The text, as it was given.
    pub content: String,
    /// What kind of statement it is.
    pub category: Category,
    /// 0 to 1.
    pub importance: f64,
    /// In byte order, without doubles.
    pub tags: BTreeSet<String>,
    /// Entities of the graph that its text names (`type:id`), in byte order; of
    /// very many the first.
    pub entities: Vec<String>,
    /// The stable key it is upserted by.
    pub topic_key: Option<String>,
    /// The conversation or document it belongs to.
    pub thread: String,
    /// Where it is in its life.
    pub state: State,
    /// Never forgotten while set.
    pub protected: bool,
    /// The older version it replaced.
    pub supersedes: Option<MemoryId>,
    /// When it stops being true.
    pub valid_until: Option<Timestamp>,
    /// When this version was recorded.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// A text together with what the indexes need of it, made by `memory` before
/// any transaction begins.
#[derive(Clone, Debug)]
pub struct IndexedText {
    /// The text itself.
    pub content: String,
    /// SHA-256 of the normalised text: equal texts have equal keys.
    pub key: [u8; 32],
    /// The words of the keyword index, separated by spaces.
    pub words: String,
    /// One vector for each window of the text, all of one length.
    pub vectors: Vec<Vec<f32>>,
}

/// A memory to be stored; its text is prepared for the indexes by the time it
/// gets to the store.
#[derive(Clone, Debug)]
pub struct NewMemory<Text = IndexedText> {
    /// The namespace it will belong to.
    pub project: String,
    /// Its text; not blank, within its bound.
    pub text: Text,
    /// What kind of statement it is.
    pub category: Category,
    /// 0 to 1.
    pub importance: f64,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Replaces the active memory with this key, if there is one.
    pub topic_key: Option<String>,
    /// Retires this memory and keeps it as the older version.
    pub supersedes: Option<MemoryId>,
    /// When it stops being true.
    pub valid_until: Option<Timestamp>,
    /// The conversation or document it belongs to.
    pub thread: String,
}

impl NewMemory<String> {
    /// The same memory with its text prepared.
    pub fn with_text(self, text: IndexedText) -> NewMemory {
        NewMemory {
            project: self.project,
            text,
            category: self.category,
            importance: self.importance,
            tags: self.tags,
            topic_key: self.topic_key,
            supersedes: self.supersedes,
            valid_until: self.valid_until,
            thread: self.thread,
        }
    }
}

/// What storing one memory came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// Its text was there already; tags and importance were joined.
    Merged,
    /// It took the place of the memory with its topic key, under the same id.
    Upserted,
    /// It replaced the memory it named.
    Superseded,
}

impl Outcome {
    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Merged => "merged",
            Outcome::Upserted => "upserted",
            Outcome::Superseded => "superseded",
        }
    }
}

/// Which memories a query may see. Filters hold exactly.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What the caller may read; nothing else is ever found.
    pub reach: Reach,
    /// Only these projects; empty means all within reach.
    pub projects: Vec<String>,
    /// Only this category.
    pub category: Option<Category>,
    /// Only memories that carry every one of these.
    pub tags: Vec<String>,
    /// Only versions recorded at or after this.
    pub since: Option<Timestamp>,
    /// What was believed at this moment instead of what is believed now.
    pub as_of: Option<Timestamp>,
    /// Older versions and expired memories too (but never archived ones).
    pub include_superseded: bool,
    /// The moment the query is asked: judges `valid_until`.
    pub now: Timestamp,
}

impl Filter {
    /// What is believed at `now` in these projects (none: in all) within reach.
    pub fn within(reach: &Reach, projects: Vec<String>, now: Timestamp) -> Filter {
        Filter {
            reach: reach.clone(),
            projects,
            category: None,
            tags: Vec::new(),
            since: None,
            as_of: None,
            include_superseded: false,
            now,
        }
    }

    pub fn project_set(&self) -> ProjectSet {
        ProjectSet::readable(&self.reach, &self.projects)
    }
}

/// A candidate of one side of a search, best first in its list.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The memory.
    pub id: MemoryId,
    /// Higher is better: BM25 on the keyword side, cosine on the semantic one.
    pub score: f32,
    /// Which thread it belongs to; equal numbers, same thread, within one answer.
    pub thread: u32,
    /// Its place in the thread, counted from 1.
    pub position: i64,
}

/// What both sides of a search are asked at one moment of the store.
#[derive(Clone, Debug)]
pub struct CandidateQuery {
    /// Which memories count.
    pub filter: Filter,
    /// Words of the keyword side (as `text::query_words` makes them); empty: not asked.
    pub words: Vec<QueryWord>,
    /// The query's vector; `None`: the semantic side is not asked.
    pub vector: Option<Vec<f32>>,
    /// The least cosine a memory of the semantic side may have.
    pub threshold: f32,
    /// How many of each side are wanted.
    pub limit: usize,
}

/// The best of each side, best first.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// By BM25.
    pub keyword: Vec<Hit>,
    /// By cosine.
    pub semantic: Vec<Hit>,
}

/// A change to stored memories: all of them or none.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Which memories, each with what becomes of it.
    pub changes: Vec<(MemoryId, Change)>,
    /// Why, in the caller's words; kept with the record of the edit.
    pub reason: Option<String>,
    /// The name under which the edit can be undone.
    pub undo_id: String,
    /// The earlier edit this one undoes: refused if any of its memories has
    /// changed since.
    pub undoes: Option<String>,
    /// Only find out what would change.
    pub dry_run: bool,
}

/// What becomes of one memory.
#[derive(Clone, Debug)]
pub enum Change {
    /// The given fields take new values; a new text keeps the old one as an
    /// older version.
    Update {
        /// The new text.
        text: Option<IndexedText>,
        /// The new importance.
        importance: Option<f64>,
        /// The new tags, replacing the old ones.
        tags: Option<BTreeSet<String>>,
    },
    /// Active or superseded becomes archived.
    Forget,
    /// Archived becomes what it was before.
    Restore,
    /// Sets or clears the protection.
    Protect(bool),
}

/// How one memory was before an edit, to undo it with.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// The memory as it was.
    pub memory: Memory,
    /// Whether the edit changed its text.
    pub text_changed: bool,
}

/// Counts for `mimo_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryCensus {
    /// Memories believed now.
    pub active: u64,
    /// Older versions.
    pub superseded: u64,
    /// Forgotten ones.
    pub archived: u64,
    /// Projects with at least one active memory.
    pub projects: u64,
    /// Bytes on disk, the write-ahead log included.
    pub file_bytes: u64,
}

/// Durable memories. Every method is one transaction; a future that resolves
/// to `Ok` means that the change survives the end of the process.
pub trait MemoryStore: RetentionStore + PortableStore + InventoryStore {
    /// Stores all of `batch` or nothing; answers in the order given. The
    /// vectors belong to the space called `model`.
    fn remember(
        &self,
        reach: &Reach,
        model: &str,
        batch: Vec<NewMemory>,
        at: Timestamp,
    ) -> Stored<'_, Vec<(MemoryId, Outcome)>>;

    /// For each probe (project, vectors of one text) the ids of active
    /// memories of that project whose cosine is at least `threshold`, best
    /// first, at most `limit`.
    fn similar(
        &self,
        reach: &Reach,
        model: &str,
        probes: Vec<(String, Vec<Vec<f32>>)>,
        threshold: f32,
        limit: usize,
        now: Timestamp,
    ) -> Stored<'_, Vec<Vec<MemoryId>>>;

    /// The best of both sides of a search.
    fn candidates(&self, model: &str, query: CandidateQuery) -> Stored<'_, Candidates>;

    /// The newest memories older than `after` (exclusive), newest first.
    fn newest(
        &self,
        filter: Filter,
        after: Option<(Timestamp, MemoryId)>,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>>;

    /// The memories with these ids in the order given, in whatever state. Ids of
    /// no memory within reach are missing.
    fn fetch(&self, reach: &Reach, ids: Vec<MemoryId>) -> Stored<'_, Vec<Memory>>;

    /// The same of those that `filter` lets through.
    fn fetch_matching(&self, ids: Vec<MemoryId>, filter: Filter) -> Stored<'_, Vec<Memory>>;

    /// Of the latest memories that name one of these entities, those that
    /// `filter` lets through, newest first. At most `limit` of each entity are
    /// looked at, and at most `limit` answered with.
    fn naming(
        &self,
        entities: Vec<EntityId>,
        filter: Filter,
        limit: usize,
    ) -> Stored<'_, Vec<Memory>>;

    /// The cosine between each of these memories and `probe`, by its nearest
    /// window; those without a vector of `model` are missing.
    fn likeness(
        &self,
        reach: &Reach,
        model: &str,
        ids: Vec<MemoryId>,
        probe: Vec<f32>,
    ) -> Stored<'_, Vec<(MemoryId, f32)>>;

    /// Makes an edit; answers with the ids that it changed.
    fn edit(
        &self,
        reach: &Reach,
        model: &str,
        edit: Edit,
        at: Timestamp,
    ) -> Stored<'_, Vec<MemoryId>>;

    /// How the memories of an edit were before it. A conflict, if any of them
    /// has changed since; an edit of memories beyond reach is no such edit.
    fn before(&self, reach: &Reach, undo_id: String) -> Stored<'_, Vec<Before>>;

    /// Counts a recall of each memory.
    fn recalled(&self, ids: Vec<MemoryId>, at: Timestamp) -> Stored<'_, ()>;

    /// Counts for a status, of what is within reach.
    fn census(&self, reach: &Reach) -> Stored<'_, MemoryCensus>;
}
