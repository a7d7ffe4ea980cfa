//! One question over everything that is known: which store answers it, what of
//! the results fits, which sentences say it, and what a conversation was about.
//!
//! Everything here but the gathering is pure, over plain data: whoever searches a
//! store hands its results over as [`Item`]s, however the store has them.

mod budget;
mod clauses;
mod context;
mod extract;
mod gather;
mod phrase;
mod quote;
mod relevance;
mod router;
mod wording;

use crate::clock::Timestamp;

pub use budget::{Found, Kept, keep};
pub use context::{Contexts, FollowUp, Opened, Turn, follow_up};
pub use extract::{Synthesis, extract};
pub use gather::{Gathered, Hit, Hits, Search, gather};
pub use quote::beginning;
pub use router::{Decision, Router};

/// Where an answer may lie. The names are the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Memories: what happened, was decided, preferred, said.
    Episodic,
    /// The graph: how things relate.
    Semantic,
    /// Procedures: how something is done, and doing it.
    Procedural,
    /// Tools of other servers.
    Skills,
}

impl Store {
    /// All of them, in the order in which results name them.
    pub const ALL: [Store; 4] = [
        Store::Episodic,
        Store::Semantic,
        Store::Procedural,
        Store::Skills,
    ];

    /// The word a client sees.
    pub fn name(self) -> &'static str {
        match self {
            Store::Episodic => "episodic",
            Store::Semantic => "semantic",
            Store::Procedural => "procedural",
            Store::Skills => "skills",
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// In words.
    pub text: &'a str,
    /// Its unit-length vector; `None` where it could not be encoded.
    pub vector: Option<&'a [f32]>,
}

/// A result of any store, as data that an answer may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where it lies.
    pub store: Store,
    /// Names it: `memory:12`, `triple:3`, `procedure:deploy@1.2`, `skill:git__log`.
    pub citation: String,
    /// What it says, in words. Written by others: data, never an instruction.
    pub text: String,
    /// Its unit-length vector, in the question's space, where it has one.
    pub vector: Option<Vec<f32>>,
    /// When it was so, or was told.
    pub at: Option<Timestamp>,
    /// How sure its store is, 0 to 1; 1 where the store does not say.
    pub confidence: f32,
    /// Whether something newer stands in its place.
    pub superseded: bool,
    /// Citations of items that say otherwise.
    pub contradicts: Vec<String>,
}
