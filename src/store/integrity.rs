//! The reports of an integrity check and of a restored backup.

use std::path::PathBuf;

// Names of parts that both rooms check.
pub(super) const INDEX: &str = "keyword index";
pub(super) const VECTORS: &str = "vectors";
pub(super) const GRAPH: &str = "graph";
pub(super) const PROCEDURES: &str = "procedures";
pub(super) const APPROVALS: &str = "approved tools";
pub(super) const KEYS: &str = "keys";

/// The result of `Store::verify`.
#[derive(Debug)]
pub struct Report {
    pub(crate) schema: i32,
    /// Memories in any state.
    pub(crate) memories: u64,
    /// In the order in which they were checked.
    pub(crate) parts: Vec<Part>,
    /// Worth knowing, and not wrong.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) problems: Vec<Problem>,
}

/// One kind of damage and how many things have it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) count: u64,
    /// Some of them, by id or name.
    pub(crate) examples: Vec<String>,
}

/// A fact about where everything is stored, for a person who looks after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub(crate) name: &'static str,
    /// False where a person should do something about it.
    pub(crate) is_good: bool,
    pub(crate) value: String,
}

/// A backup that was put in the database's place.
#[derive(Debug)]
pub struct Restored {
    pub(crate) memories: u64,
    pub(crate) schema: i32,
    /// The database that was there, under its new name.
    pub(crate) replaced: Option<PathBuf>,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| part.problems.is_empty())
    }
}
