//! An update of the graph and its result, in types.

use super::mention::Mention;
use crate::clock::Timestamp;
use crate::store::graph::{Closed, TripleId};

/// The predicate whose object is another name of its subject, not an entity.
pub(crate) const ALIAS: &str = "alias";

/// Predicates that models use instead of it.
pub(crate) const ALIAS_SYNONYMS: [&str; 5] = [
    "also_known_as",
    "aka",
    "known_as",
    "has_alias",
    "alternative_name",
];

#[derive(Clone, Debug)]
pub struct Assertion {
    pub subject: Mention,
    /// As `mention::predicate` makes it.
    pub predicate: String,
    pub object: Mention,
    /// 0 to 1.
    pub confidence: f64,
    /// Since when it holds, if that is not now.
    pub valid_from: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
    /// The source, if it is not that of the update.
    pub source: Option<String>,
    /// Its history in the graph it comes from.
    pub history: Option<History>,
}

impl Assertion {
    /// A certain assertion without source or history that holds from now on.
    pub fn new(subject: Mention, predicate: String, object: Mention) -> Assertion {
        Assertion {
            subject,
            predicate,
            object,
            confidence: 1.0,
            valid_from: None,
            valid_until: None,
            source: None,
            history: None,
        }
    }
}

/// When a triple was recorded and closed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub(crate) recorded_at: Timestamp,
    /// How it ended before its time, and when that was recorded.
    pub(crate) closed: Option<(Closed, Timestamp)>,
}

/// An entity to be created even without triples.
#[derive(Clone, Debug)]
pub struct EntityDeclaration {
    pub(crate) mention: Mention,
    pub(crate) aliases: Vec<String>,
}

/// An entity gets another name, or becomes part of the entity that has it.
#[derive(Clone, Debug)]
pub struct Rename {
    pub from: Mention,
    pub to: Mention,
}

/// The changes of one call: all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Made first, so that the assertions meet the new names.
    pub renames: Vec<Rename>,
    pub entities: Vec<EntityDeclaration>,
    pub assertions: Vec<Assertion>,
    pub retract: Vec<TripleId>,
    /// The source: who or what states it.
    pub source: Option<String>,
    /// The project of the triples.
    pub project: String,
    /// Further projects whose names are understood.
    pub visible: Vec<String>,
    /// Whether to report entities that a new one may be a misspelling of.
    pub report_similar: bool,
}

/// The result of one assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    /// The triple was there; its confidence rose, or it holds longer.
    Updated,
    Unchanged,
    /// The subject got another name.
    Aliased,
}

impl Outcome {
    /// The name in the contract.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Aliased => "aliased",
        }
    }
}

/// An entity that an update names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MentionedEntity {
    /// Its `type:id`.
    pub key: String,
    /// Whether nothing within reach knew it before.
    pub is_new: bool,
    /// The keys of others with nearly its name.
    pub similar: Vec<String>,
}

/// The result of a [`Rename`], with the keys before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    pub from: String,
    pub to: String,
    /// Whether another entity had the new name.
    pub merged: bool,
}

/// The result of an update.
#[derive(Clone, Debug, Default)]
pub struct UpdateSummary {
    pub renamed: Vec<Renamed>,
    /// For each assertion its triple (an alias has none) and its outcome.
    pub triples: Vec<(Option<TripleId>, Outcome)>,
    /// The triples that were closed because their ids were given.
    pub retracted: Vec<TripleId>,
    /// The entities, each once, in the order in which they were named.
    pub entities: Vec<MentionedEntity>,
    /// Triples of assertions, each with an older one that it contradicts and that
    /// was closed for it.
    pub contradictions: Vec<(TripleId, TripleId)>,
}
