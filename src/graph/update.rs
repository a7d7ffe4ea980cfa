//! What an update says and what it comes to, in types.

use super::mention::Mention;
use crate::clock::Timestamp;
use crate::store::graph::{Closed, TripleId};

/// The predicate whose object is another name of its subject, not an entity.
pub const ALIAS: &str = "alias";

/// What somebody says is so.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// What it is about.
    pub subject: Mention,
    /// How the two are related (as `mention::predicate` makes it).
    pub predicate: String,
    /// What it leads to.
    pub object: Mention,
    /// 0 to 1.
    pub confidence: f64,
    /// Since when, where that is not now.
    pub valid_from: Option<Timestamp>,
    /// Until when.
    pub valid_until: Option<Timestamp>,
    /// Who or what says so, where that is not the update's source.
    pub source: Option<String>,
    /// When it was recorded and how it was closed, where that was elsewhere.
    pub history: Option<History>,
    /// Where it stands in the arguments.
    pub path: String,
}

/// What another graph knew of a triple's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// When it was recorded there.
    pub recorded_at: Timestamp,
    /// How it ended before its time, and when that was recorded.
    pub closed: Option<(Closed, Timestamp)>,
}

/// An entity that is to be known whether or not anything is said of it.
#[derive(Clone, Debug)]
pub struct Introduced {
    /// The entity.
    pub mention: Mention,
    /// Other names of it.
    pub aliases: Vec<String>,
}

/// Everything that one call changes: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// What there is.
    pub entities: Vec<Introduced>,
    /// What is so.
    pub assertions: Vec<Assertion>,
    /// What is no longer true.
    pub retract: Vec<TripleId>,
    /// Who or what says so.
    pub source: Option<String>,
    /// The project the triples belong to.
    pub project: String,
    /// The projects whose names are understood.
    pub visible: Vec<String>,
    /// Report entities that a new one may be a misspelling of.
    pub report_similar: bool,
}

/// What became of one assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there; its confidence rose, or it holds longer.
    Updated,
    /// It was there already.
    Unchanged,
    /// It gave the subject another name.
    Aliased,
}

impl Outcome {
    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Aliased => "aliased",
        }
    }
}

/// An entity that an update spoke of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Its `type:id`.
    pub key: String,
    /// Whether this made it.
    pub created: bool,
    /// Others with nearly its name.
    pub similar: Vec<String>,
}

/// Two triples that cannot both hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The one that was just asserted.
    pub triple: TripleId,
    /// The older one, which was closed.
    pub with: TripleId,
}

/// What an update came to.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// For each assertion its triple (an alias has none) and its outcome.
    pub triples: Vec<(Option<TripleId>, Outcome)>,
    /// The triples that were closed because they were named.
    pub retracted: Vec<TripleId>,
    /// The entities, each once, in the order they were spoken of.
    pub entities: Vec<Spoken>,
    /// What was closed because it contradicts.
    pub contradictions: Vec<Contradiction>,
}
