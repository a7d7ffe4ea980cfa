//! The reports of an integrity check and of a restored backup.

use std::path::PathBuf;

use super::StoreError;
use crate::limits;

// Names of parts that both rooms check.
pub(super) const FILE: &str = "file";
pub(super) const REFERENCES: &str = "references";
pub(super) const TEXTS: &str = "texts";
pub(super) const INDEX: &str = "keyword index";
pub(super) const FEATURES: &str = "features";
pub(super) const COUNTS: &str = "counts and checksums";
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
pub struct Problem {
    pub(crate) what: String,
    pub(crate) count: u64,
    /// Examples, by id or name.
    pub(crate) examples: Vec<String>,
}

impl Problem {
    /// A problem with all of `names`; none if there are none.
    pub(crate) fn of<T: ToString>(
        what: &str,
        names: impl IntoIterator<Item = T>,
    ) -> Option<Problem> {
        let mut problem = Problem {
            what: what.to_owned(),
            count: 0,
            examples: Vec::new(),
        };
        for name in names {
            problem.count += 1;
            if problem.examples.len() < limits::VERIFY_EXAMPLES_MAX {
                problem.examples.push(name.to_string());
            }
        }
        (problem.count > 0).then_some(problem)
    }
}

/// Encodes a text for `Store::repair`, as when it was stored.
pub(crate) type EncodeText<'a> =
    dyn Fn(&str) -> Result<Vec<Vec<f32>>, StoreError> + Send + Sync + 'a;

/// A fact about where everything is stored, for a person who looks after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub(crate) name: &'static str,
    /// False where a person should do something about it.
    pub(crate) is_good: bool,
    pub(crate) value: String,
}

/// The result of restoring a backup.
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

    /// A memory that is not what was stored.
    pub(crate) fn damaged_memory(&self) -> Option<&str> {
        let mut texts = self.parts.iter().filter(|part| part.name == TEXTS);
        let mut problems = texts.next()?.problems.iter();
        problems.find_map(|problem| Some(problem.examples.first()?.as_str()))
    }

    /// Whether any problem is in derived data.
    pub(crate) fn can_repair(&self) -> bool {
        let derived = [FILE, REFERENCES, INDEX, VECTORS, FEATURES, COUNTS];
        let mut parts = self.parts.iter();
        parts.any(|part| derived.contains(&part.name) && !part.problems.is_empty())
    }
}
