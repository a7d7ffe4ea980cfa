//! Why a question or an update of the graph fails, and which part of it is to
//! blame. The tools know where each part stands in their arguments.

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

    fn kind(&self) -> Kind {
        match self {
            Problem::NoSuchEntity(_)
            | Problem::NoSuchPredicate(_)
            | Problem::NoSuchTriple(_)
            | Problem::NoEntitiesIn(_) => Kind::NotFound,
            Problem::NameTaken { .. } => Kind::Conflict,
            _ => Kind::InvalidArguments,
        }
    }

    /// The next step.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Problem::NameTooLong(_) => {
                "name the entity in short, and keep what there is to say about it as a memory"
            }
            Problem::NoName => "for example person:alice, or simply Alice",
            Problem::BlankPredicate | Problem::UnusablePredicate => "for example works_at",
            Problem::NoSuchEntity(_) => {
                "graph_update makes one; memory_search may know it in words"
            }
            Problem::AmbiguousName { candidates, .. } => {
                let example = candidates.first()?;
                return Some(format!("name the one you mean, for example {example:?}"));
            }
            Problem::NoSuchPredicate(_) => {
                "leave the predicate out (or write ?r in a pattern) to see which there are"
            }
            Problem::NoSuchTriple(_) => {
                "nothing was changed; graph_query names the triples it rests on"
            }
            Problem::NoEntitiesIn(_) => "start from an entity; graph_update makes them known",
            Problem::NotAVariable(_) => {
                "write ? and letters, for example ?person or, with a type, ?p:person"
            }
            Problem::EntityAndPredicate(_) => "use two variables",
            Problem::UnknownCursor => "pass next_cursor unchanged, together with the same question",
            Problem::EndsBeforeItBegins => "give valid_from too where something is over already",
            Problem::NameTaken { .. } => {
                "nothing was changed; use another name, or the other entity"
            }
            Problem::ControlCharacter(_)
            | Problem::WrongNumberOfPatterns(_)
            | Problem::TypedPredicate(_)
            | Problem::TwoTypes(_) => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NameTooLong(bytes) => {
                let most = limits::ENTITY_NAME_BYTES_MAX;
                write!(
                    out,
                    "a name of {bytes} bytes is too long; the limit is {most}"
                )
            }
            Problem::ControlCharacter(control) => {
                write!(
                    out,
                    "a name has no control characters, and this has {control:?}"
                )
            }
            Problem::NoName => out.write_str("an entity needs a name"),
            Problem::BlankPredicate => out.write_str("a predicate cannot be blank"),
            Problem::UnusablePredicate => {
                let most = limits::NAME_BYTES_MAX;
                write!(
                    out,
                    "a predicate has at most {most} bytes and no control characters"
                )
            }
            Problem::NoSuchEntity(name) => write!(out, "no entity is called {name:?}"),
            Problem::AmbiguousName { name, candidates } => {
                write!(out, "{name:?} could be any of {}", candidates.join(", "))
            }
            Problem::NoSuchPredicate(predicate) => {
                write!(out, "no triple has the predicate {predicate:?}")
            }
            Problem::NoSuchTriple(id) => write!(out, "there is no triple {id}"),
            Problem::NoEntitiesIn(memory) => {
                write!(out, "memory {memory} names no entity that the graph knows")
            }
            Problem::WrongNumberOfPatterns(count) => {
                let most = limits::GRAPH_PATTERNS_MAX;
                write!(out, "{count} patterns cannot be joined; 1 to {most} can")
            }
            Problem::NotAVariable(text) => write!(out, "?{text} is no variable"),
            Problem::TypedPredicate(name) => {
                write!(out, "{name} stands for predicates, and those have no types")
            }
            Problem::EntityAndPredicate(name) => write!(
                out,
                "{name} stands for an entity in one place and for a predicate in another"
            ),
            Problem::TwoTypes(name) => {
                write!(out, "{name} has two types, so no entity can match")
            }
            Problem::UnknownCursor => out.write_str("this cursor does not belong to this question"),
            Problem::EndsBeforeItBegins => out.write_str("this ends before it begins"),
            Problem::NameTaken { name, owner } => {
                write!(out, "{name:?} is a name of {owner} already")
            }
        }
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::Part(_, problem) => problem.fmt(out),
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
        let failure = Failure::new(problem.kind(), problem.to_string());
        match problem.hint() {
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
