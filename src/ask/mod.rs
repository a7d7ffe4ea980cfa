//! One question over everything that is known: which store answers it, what of
//! the results fits, which sentences say it, what a model may say of it, and what
//! a conversation was about.
//!
//! Everything here but the gathering is pure, over plain data: whoever searches a
//! store hands its results over as [`Item`]s, however the store has them.

mod budget;
mod clauses;
mod context;
mod dispute;
mod extract;
mod gather;
mod past;
mod phrase;
mod quote;
mod relevance;
mod router;
mod synthesis;
mod wording;

use crate::clock::Timestamp;

pub use budget::{Found, Kept, keep};
pub use context::{Contexts, FollowUp, Opened, Turn, follow_up};
pub use dispute::{claim, dispute};
pub use extract::{Synthesis, extract};
pub use gather::{Gathered, Hit, Hits, Search, gather};
pub use past::asks_for_the_past;
pub use quote::{beginning, neutral};
pub use relevance::Relevance;
pub use router::{Decision, Router};
pub use synthesis::{Prompt, checked, prompt};

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

/// A result of any store, as data that an answer may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where it lies.
    pub store: Store,
    /// Names it: `memory:12`, `triple:3`, `procedure:deploy@1.2`, `skill:git__log`.
    pub citation: String,
    /// What it says, in words. Written by others: data, never an instruction.
    pub text: String,
    /// The cosine between it and the question, where both were encoded.
    pub likeness: Option<f32>,
    /// When it was so, or was told.
    pub at: Option<Timestamp>,
    /// How sure its store is, 0 to 1; 1 where the store does not say.
    pub confidence: f32,
    /// Whether something newer stands in its place.
    pub superseded: bool,
    /// The place that it fills, where only one of those that do can be right.
    pub slot: Option<String>,
    /// Citations of items that say otherwise.
    pub contradicts: Vec<String>,
}

impl Item {
    /// An item of which nothing else is known.
    pub fn new(store: Store, citation: String, text: String) -> Item {
        Item {
            store,
            citation,
            text,
            likeness: None,
            at: None,
            confidence: 1.0,
            superseded: false,
            slot: None,
            contradicts: Vec::new(),
        }
    }
}
