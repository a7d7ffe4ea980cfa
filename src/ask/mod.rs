//! One question over everything that is known: which store answers it, what of
//! the results fits, which sentences say it, and what a conversation was about.
//!
//! Everything here is pure, over plain data: whoever gathers the results hands
//! them over as [`Item`]s, however their store has them.

mod router;

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
