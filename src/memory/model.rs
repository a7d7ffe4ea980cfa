//! What goes into the memory service and comes out of it, in types that cannot
//! be wrong once they are made.

use std::collections::BTreeSet;

use super::recall::Weights;
use super::retention::Rules;
use crate::store::memory::{Filter, Memory, MemoryId, NewMemory};

/// What can be set about memories; the defaults are the measured ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How a search ranks.
    pub weights: Weights,
    /// The cosine from which a stored text is reported as `similar`.
    pub similar_threshold: f32,
    /// Which memories leave by themselves, and when.
    pub retention: Rules,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            weights: Weights::default(),
            similar_threshold: 0.9,
            retention: Rules::default(),
        }
    }
}

/// A memory as a caller gives it, checked.
pub type Draft = NewMemory<String>;

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

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The memory it is now.
    pub id: MemoryId,
    /// How it came to be that.
    pub outcome: Outcome,
    /// Other memories that say nearly the same, nearest first.
    pub similar: Vec<MemoryId>,
}

/// How a query is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By meaning and keywords together.
    #[default]
    Hybrid,
    /// By meaning alone.
    Semantic,
    /// By keywords alone.
    Keyword,
}

/// A ranked search.
#[derive(Clone, Debug)]
pub struct Search {
    /// What is asked; not blank.
    pub query: String,
    /// Its vector, where the caller has made it already.
    pub vector: Option<Vec<f32>>,
    /// Which memories count.
    pub filter: Filter,
    /// How it is answered.
    pub mode: Mode,
    /// The least cosine on the semantic side; a keyword match always counts.
    pub threshold: f32,
    /// How many of the best are passed over.
    pub offset: usize,
    /// How many are wanted after those.
    pub limit: usize,
}

/// A part of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The memories, each with its score where it was ranked.
    pub items: Vec<(Memory, Option<f32>)>,
    /// Whether more follow.
    pub more: bool,
    /// What could not be used, in words.
    pub degraded: Option<String>,
}

/// What an edit does to each of its memories.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sets what is given.
    Update {
        /// A new text (of one memory only).
        content: Option<String>,
        /// A new importance.
        importance: Option<f64>,
        /// New tags instead of the old.
        tags: Option<BTreeSet<String>>,
    },
    /// Takes them out of every search.
    Forget,
    /// Brings forgotten ones back.
    Restore,
    /// Sets or clears their protection.
    Protect(bool),
}

/// What an edit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The memories that are different now (or would be, on a dry run).
    pub changed: Vec<MemoryId>,
    /// Undoes the edit; `None` where nothing was changed.
    pub undo_id: Option<String>,
}
