//! The part of the port that memories leave and enter by as a whole, with
//! everything that is kept of them.

use std::collections::BTreeSet;

use super::memory::{Category, IndexedText, Memory, MemoryId, State};
use super::{ProjectSet, Stored};
use crate::clock::Timestamp;
use crate::failure::Failure;

/// A memory with what is kept of it beside.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The memory.
    pub memory: Memory,
    /// Its place in its thread, from 1.
    pub position: i64,
    /// When a later version replaced it.
    pub retired_at: Option<Timestamp>,
    /// When it was last recalled.
    pub recalled_at: Option<Timestamp>,
    /// How often it was.
    pub recall_count: u64,
}

/// What a memory is known by that comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Its namespace.
    pub project: String,
    /// What it belongs to.
    pub thread: String,
    /// Its place there.
    pub position: i64,
    /// The key of its text (`text::key`).
    pub key: [u8; 32],
    /// When it was recorded, where that is known.
    pub created_at: Option<Timestamp>,
}

/// A memory that comes from elsewhere. `Text` is the text itself, or what the
/// indexes need of it.
#[derive(Clone, Debug)]
pub struct Arriving<Text = IndexedText> {
    /// The id it had; it keeps it where no memory ever had it here.
    pub id: Option<MemoryId>,
    /// The namespace it belongs to.
    pub project: String,
    /// Its text; not blank, within its bound.
    pub text: Text,
    /// What kind of statement it is.
    pub category: Category,
    /// 0 to 1.
    pub importance: f64,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// The stable key it is upserted by.
    pub topic_key: Option<String>,
    /// The conversation or document it belongs to.
    pub thread: String,
    /// Its place there.
    pub position: i64,
    /// Where it is in its life.
    pub state: State,
    /// Never forgotten while set.
    pub protected: bool,
    /// When it stops being true.
    pub valid_until: Option<Timestamp>,
    /// When it was recorded, where that is known.
    pub created_at: Option<Timestamp>,
    /// When anything about it last changed, where that is known.
    pub updated_at: Option<Timestamp>,
    /// When a later version replaced it.
    pub retired_at: Option<Timestamp>,
    /// When it was last recalled.
    pub recalled_at: Option<Timestamp>,
    /// How often it was.
    pub recall_count: u64,
}

impl<Text> Arriving<Text> {
    /// The same memory with its text made into another form.
    pub fn with_text<New>(self, text: New) -> Arriving<New> {
        Arriving {
            id: self.id,
            project: self.project,
            text,
            category: self.category,
            importance: self.importance,
            tags: self.tags,
            topic_key: self.topic_key,
            thread: self.thread,
            position: self.position,
            state: self.state,
            protected: self.protected,
            valid_until: self.valid_until,
            created_at: self.created_at,
            updated_at: self.updated_at,
            retired_at: self.retired_at,
            recalled_at: self.recalled_at,
            recall_count: self.recall_count,
        }
    }

    /// What it is known by; `key` is its text's.
    pub fn identity(&self, key: [u8; 32]) -> Identity {
        Identity {
            project: self.project.clone(),
            thread: self.thread.clone(),
            position: self.position,
            key,
            created_at: self.created_at,
        }
    }
}

/// What became of a memory that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new here.
    Created,
    /// Another said the same, and has what this one added.
    Merged,
    /// It was here already, and nothing changed.
    Known,
}

/// What is told of all memories: first how many they are, then each.
#[derive(Clone, Debug)]
pub enum Told {
    /// So many follow.
    Count(u64),
    /// One of them.
    Record(Box<Record>),
}

/// Takes what is told.
pub type Take = Box<dyn FnMut(Told) -> Result<(), Failure> + Send>;

/// A store whose memories can be carried elsewhere. Every method is one
/// transaction.
pub trait PortableStore: Send + Sync {
    /// Tells `take` of every memory of `projects`, in whatever
    /// state, by id, as they are at one moment; ends where `take` fails.
    fn records(&self, projects: ProjectSet, take: Take) -> Stored<'_, ()>;

    /// For each the memory that it is here, if it is.
    fn known(&self, who: Vec<Identity>) -> Stored<'_, Vec<Option<MemoryId>>>;

    /// Takes in all of them or none; answers in their order. The vectors belong
    /// to the space called `model`.
    fn admit(
        &self,
        model: &str,
        arriving: Vec<Arriving>,
        at: Timestamp,
    ) -> Stored<'_, Vec<(MemoryId, Admission)>>;

    /// For each pair (newer, older) notes that the one replaced the other, unless
    /// it is known already what it replaced.
    fn link(&self, links: Vec<(MemoryId, MemoryId)>) -> Stored<'_, ()>;
}
