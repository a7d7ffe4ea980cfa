//! Errors of graph queries and updates, each with the part that caused it, which the
//! tools map to a path in their arguments.

use std::fmt;

use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::TripleId;
use crate::store::memory::MemoryId;

/// Nothing was changed.
#[derive(Debug)]
pub enum GraphError {
    Part(Part, Problem),
    Store(StoreError),
}

/// A part of a question or an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Start,
    Goal,
    Predicates,
    Patterns,
    /// A term of the pattern with this number: 0 is the subject, 2 the object.
    Term(usize, usize),
    Cursor,
    Retraction,
    /// The old name and the new one of the rename with this number.
    OldName(usize),
    NewName(usize),
    /// An entity that is to be known by itself.
    Entity,
    /// A part of the assertion with this number.
    Assertion(usize, AssertionPart),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionPart {
    Subject,
    Object,
    ValidUntil,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Its bytes.
    NameTooLong(usize),
    /// The bytes of a form of the name that is compared.
    NameKeyTooLong(usize),
    ControlCharacter(char),
    NoName,
    BlankPredicate,
    UnusablePredicate,
    NoSuchEntity(String),
    AmbiguousName {
        name: String,
        /// Their keys.
        candidates: Vec<String>,
    },
    NoSuchPredicate(String),
    NoSuchTriple(TripleId),
    NoEntitiesIn(MemoryId),
    WrongNumberOfPatterns(usize),
    NotAVariable(String),
    TypedPredicate(String),
    EntityAndPredicate(String),
    TwoTypes(String),
    UnknownCursor,
    EndsBeforeItBegins,
    NameTaken {
        name: String,
        /// The key of its entity.
        owner: String,
    },
}

impl Problem {
    pub(crate) fn of(self, part: Part) -> GraphError {
        GraphError::Part(part, self)
    }

    /// The kind, the message and the next step.
    fn explain(&self) -> (Kind, String, Option<String>) {
        let kind = match self {
            Problem::NoSuchEntity(_)
            | Problem::NoSuchPredicate(_)
            | Problem::NoSuchTriple(_)
            | Problem::NoEntitiesIn(_) => Kind::NotFound,
            Problem::NameTaken { .. } => Kind::Conflict,
            _ => Kind::InvalidArguments,
        };
        let most = limits::ENTITY_NAME_BYTES_MAX;
        let (message, hint) = match self {
            Problem::NameTooLong(bytes) => (
                format!("a name of {bytes} bytes is too long; the limit is {most}"),
                "name the entity in short, and keep what there is to say about it as a memory",
            ),
            Problem::NameKeyTooLong(bytes) => (
                format!(
                    "a name is compared with its characters written out, and this one takes \
                     {bytes} bytes then; the limit is {}",
                    limits::NAME_KEY_BYTES_MAX
                ),
                "name the entity in short, and keep what there is to say about it as a memory",
            ),
            Problem::ControlCharacter(control) => (
                format!("a name has no control characters, and this has {control:?}"),
                "",
            ),
            Problem::NoName => (
                "an entity needs a name".to_owned(),
                "for example person:alice, or simply Alice",
            ),
            Problem::BlankPredicate => (
                "a predicate cannot be blank".to_owned(),
                "for example works_at",
            ),
            Problem::UnusablePredicate => (
                format!(
                    "a predicate has at most {} bytes and no control characters",
                    limits::NAME_BYTES_MAX
                ),
                "for example works_at",
            ),
            Problem::NoSuchEntity(name) => (
                format!("no entity is called {name:?}"),
                "graph_update makes one; memory_search may know it in words",
            ),
            Problem::AmbiguousName { name, candidates } => {
                let message = format!("{name:?} could be any of {}", candidates.join(", "));
                let example = candidates.first();
                let hint = |example| format!("name the one you mean, for example {example:?}");
                return (kind, message, example.map(hint));
            }
            Problem::NoSuchPredicate(predicate) => (
                format!("no triple has the predicate {predicate:?}"),
                "leave the predicate out (or write ?r in a pattern) to see which there are",
            ),
            Problem::NoSuchTriple(id) => (
                format!("there is no triple {id}"),
                "nothing was changed; graph_query names the triples it rests on",
            ),
            Problem::NoEntitiesIn(memory) => (
                format!("memory {memory} names no entity that the graph knows"),
                "start from an entity; graph_update makes them known",
            ),
            Problem::WrongNumberOfPatterns(count) => (
                format!(
                    "{count} patterns cannot be joined; 1 to {} can",
                    limits::GRAPH_PATTERNS_MAX
                ),
                "",
            ),
            Problem::NotAVariable(text) => (
                format!("?{text} is not a variable"),
                "write ? and letters, for example ?person or, with a type, ?p:person",
            ),
            Problem::TypedPredicate(name) => (
                format!("{name} stands for predicates, and those have no types"),
                "",
            ),
            Problem::EntityAndPredicate(name) => (
                format!("{name} stands for an entity in one place and for a predicate in another"),
                "use two variables",
            ),
            Problem::TwoTypes(name) => {
                (format!("{name} has two types, so no entity can match"), "")
            }
            Problem::UnknownCursor => (
                "this cursor does not belong to this question".to_owned(),
                "pass next_cursor unchanged, together with the same question",
            ),
            Problem::EndsBeforeItBegins => (
                "this ends before it begins".to_owned(),
                "give valid_from too where something is over already",
            ),
            Problem::NameTaken { name, owner } => (
                format!("{name:?} is a name of {owner} already"),
                "nothing was changed; use another name, or rename one to the other to make them one",
            ),
        };
        (kind, message, (!hint.is_empty()).then(|| hint.to_owned()))
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::Part(_, problem) => out.write_str(&problem.explain().1),
            GraphError::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for GraphError {}

impl From<StoreError> for GraphError {
    fn from(error: StoreError) -> Self {
        GraphError::Store(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let (kind, message, hint) = problem.explain();
        let failure = Failure::new(kind, message);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::Part(_, problem) => problem.into(),
            GraphError::Store(error) => error.into(),
        }
    }
}
