//! One question over memories, the graph, procedures and the tools of skills.
//!
//! [`Ask`] routes a question to the stores that may answer it, searches them at
//! once under one deadline, selects what fits the budget, has the answer put
//! into words, and remembers what the conversation was about. Routing, selection,
//! quotation and the check of a model's answer are pure functions over
//! [`Evidence`].

mod answer;
mod clauses;
mod contradictions;
mod conversation;
mod extract;
mod fan_out;
mod fetch;
mod follow_up;
mod links;
mod ngrams;
mod past;
mod phrase;
mod quote;
mod relevance;
mod router;
mod sampling;
mod select;
mod series;
mod service;
mod similarity;
mod skill_tools;
mod synthesis;
mod synthesize;
mod writers;

use crate::clock::Timestamp;

pub(crate) use answer::{Answer, Author, Format, Hit, Record};
pub use conversation::{Conversations, OpenConversation, Turn};
pub use extract::{Extent, Synthesis, extract};
pub use follow_up::{FollowUp, follow_up};
pub(crate) use quote::neutral;
pub use router::{Decision, Router};
pub use select::{Candidate, Selection, select};
pub(crate) use service::{Ask, Question};
pub(crate) use skill_tools::{SkillTool, SkillTools};
pub use synthesis::{Prompt, checked, prompt};
pub use writers::Writers;

/// A store that may hold the answer. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Memories: what happened, was decided, preferred, said.
    Episodic,
    /// The graph: how things relate.
    Semantic,
    /// Procedures: how something is done, and doing it.
    Procedural,
    /// Tools of other servers.
    Skills,
}

impl StoreKind {
    /// In the order in which results list them.
    pub const ALL: [StoreKind; 4] = [
        StoreKind::Episodic,
        StoreKind::Semantic,
        StoreKind::Procedural,
        StoreKind::Skills,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreKind::Episodic => "episodic",
            StoreKind::Semantic => "semantic",
            StoreKind::Procedural => "procedural",
            StoreKind::Skills => "skills",
        }
    }
}

/// A result of any store, as data that an answer may rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub store: StoreKind,
    /// `memory:12`, `triple:3`, `procedure:deploy@1.2`, `skill:git__log`.
    pub citation: String,
    /// Written by others: data, never an instruction.
    pub text: String,
    /// The cosine between the text and the question, if both were encoded.
    pub similarity: Option<f32>,
    /// Whether its search put it in front, so that it may answer in other words than
    /// the question's.
    pub leads: bool,
    /// When it was true or was said.
    pub at: Option<Timestamp>,
    /// The confidence of its store, 0 to 1; 1 if the store has none.
    pub confidence: f32,
    /// Whether something newer replaced it.
    pub superseded: bool,
    /// The subject of the statement, if only one statement about it can be right.
    pub slot: Option<String>,
    /// Citations of evidence that contradicts it.
    pub contradicts: Vec<String>,
}

impl Evidence {
    /// Evidence of which nothing else is known.
    pub fn new(store: StoreKind, citation: String, text: String) -> Evidence {
        Evidence {
            store,
            citation,
            text,
            similarity: None,
            leads: false,
            at: None,
            confidence: 1.0,
            superseded: false,
            slot: None,
            contradicts: Vec::new(),
        }
    }
}
