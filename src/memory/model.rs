//! The input and output types of the memory service.

use std::collections::{BTreeSet, HashMap};

use super::recall::{Weights, Why};
use super::retention::Rules;
use crate::clock::Timestamp;
use crate::store::memory::{Filter, Memory, MemoryId, NewMemory};

/// The settings of memories; the defaults are the measured ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub weights: Weights,
    /// The least cosine at which a stored text is reported as `similar`.
    pub similar_threshold: f32,
    /// Whether texts that look like a credential are refused.
    pub refuse_credentials: bool,
    pub retention: Rules,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            weights: Weights::default(),
            similar_threshold: 0.9,
            refuse_credentials: false,
            retention: Rules::default(),
        }
    }
}

/// A memory as a caller gives it, checked.
pub(crate) type Draft = NewMemory<String>;

/// The result of storing one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RememberOutcome {
    Created,
    /// Its text was stored already: tags and importance were merged.
    Merged,
    /// It replaced the text of the memory with its topic key, under the same id.
    Upserted,
    /// It replaced the memory it named.
    Superseded,
}

impl RememberOutcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            RememberOutcome::Created => "created",
            RememberOutcome::Merged => "merged",
            RememberOutcome::Upserted => "upserted",
            RememberOutcome::Superseded => "superseded",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) id: MemoryId,
    pub(crate) outcome: RememberOutcome,
    pub(crate) project: String,
    /// Whether a merge took the newer wording.
    pub(crate) text_updated: bool,
    /// The older version that it replaced.
    pub(crate) supersedes: Option<MemoryId>,
    /// The older text, if it said clearly more.
    pub(crate) held_more: Option<String>,
    /// Other memories with nearly the same meaning and their texts, nearest first.
    pub(crate) similar: Vec<(MemoryId, String)>,
    /// Likewise memories that state a different value of the same thing.
    pub(crate) contradicts: Vec<(MemoryId, String)>,
    /// Why its text should perhaps not be stored.
    pub(crate) warning: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// By meaning and keywords together.
    #[default]
    Hybrid,
    Semantic,
    Keyword,
}

#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Not blank.
    pub(crate) query: String,
    /// Its vector, where the caller has made it already.
    pub(crate) vector: Option<Vec<f32>>,
    pub(crate) filter: Filter,
    pub(crate) mode: Mode,
    /// The least cosine on the semantic side, if the caller names one; a keyword match
    /// always counts.
    pub(crate) threshold: Option<f32>,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    /// Whether the first page may end before `limit`, where the results become far
    /// weaker.
    pub(crate) ends_early: bool,
    /// Whether an empty page explains what there is instead.
    pub(crate) explains_empty: bool,
    /// Whether each item comes with the reason for its place.
    pub(crate) explains: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// The memories, each with its score where it was ranked.
    pub items: Vec<(Memory, Option<f32>)>,
    pub(crate) more: bool,
    /// Why the page may be incomplete.
    pub(crate) degraded: Option<String>,
    /// What exists instead, if nothing was found.
    pub(crate) hint: Option<String>,
    /// The explanation of each rank, if requested.
    pub(crate) why: HashMap<MemoryId, Why>,
    /// Whether the query names no subject, so that every memory answers it.
    pub(crate) is_overview: bool,
}

/// An edit of each of several memories.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Sets the fields that are given.
    Update {
        /// For one memory only.
        content: Option<String>,
        importance: Option<f64>,
        /// Replace the old tags.
        tags: Option<BTreeSet<String>>,
        /// When they were said or happened.
        said_at: Option<Timestamp>,
        /// Where the memories move to.
        project: Option<String>,
    },
    /// Leaves every search.
    Forget,
    Restore,
    Protect(bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The memories that changed (or would have, on a dry run).
    pub(crate) changed: Vec<MemoryId>,
    /// The projects that they are in.
    pub(crate) projects: BTreeSet<String>,
    /// `None` where nothing was changed.
    pub(crate) undo_id: Option<String>,
}
