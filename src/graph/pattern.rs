//! Conjunctive patterns: `?p works_at ?c`, `?c:company located_in Paris`.
//! Names become ids here, so a join works on integers alone.

use super::mention::{self, Mention};
use super::resolve::{self, Projects};
use crate::failure::Failure;
use crate::limits;
use crate::store::StoreError;
use crate::store::graph::{GraphSnapshot, Range, WordId, type_of};

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// This entity, or this word.
    Known(i64),
    /// Whatever the variable with this number stands for.
    Variable(usize),
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// As it was written, `?` included, without its type.
    pub name: String,
    /// The only type its entities may have.
    pub kind: Option<Kind>,
    /// Whether it stands for predicates instead of entities.
    pub is_predicate: bool,
}

/// A type that a variable was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As types are compared: two that no entity has are still two.
    pub name: String,
    /// Its id; none where no entity has it, and so nothing fits.
    pub id: Option<WordId>,
}

/// Three terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What it is about.
    pub subject: Term,
    /// How the two are related.
    pub predicate: Term,
    /// What it leads to.
    pub object: Term,
}

impl Pattern {
    /// Its terms, subject first.
    pub fn terms(&self) -> [Term; 3] {
        [self.subject, self.predicate, self.object]
    }

    /// The range that is left of it once the variables have `values`.
    pub fn range(&self, values: &[Option<i64>]) -> Range {
        let known = |term: Term| match term {
            Term::Known(id) => Some(id),
            Term::Variable(variable) => values[variable],
        };
        Range {
            subject: known(self.subject),
            predicate: known(self.predicate),
            object: known(self.object),
        }
    }
}

/// A conjunction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// All of them hold.
    pub patterns: Vec<Pattern>,
    /// In the order they were first written.
    pub variables: Vec<Variable>,
    /// Names that were taken for others by likeness: as written, and as taken.
    pub taken: Vec<(String, String)>,
}

impl Query {
    /// Whether an entity may stand for a variable.
    pub fn fits(&self, variable: usize, value: i64) -> bool {
        let kind = self.variables[variable].kind.as_ref();
        kind.is_none_or(|kind| kind.id == Some(type_of(value)))
    }
}

/// Reads patterns; `path` is where they stand in the arguments.
pub fn parse(
    graph: &dyn GraphSnapshot,
    patterns: &[[String; 3]],
    projects: Projects<'_>,
    path: &str,
) -> Result<Query, StoreError> {
    if patterns.is_empty() || patterns.len() > limits::GRAPH_PATTERNS_MAX {
        let most = limits::GRAPH_PATTERNS_MAX;
        return Err(Failure::invalid(
            path,
            format!(
                "{} patterns cannot be joined; 1 to {most} can",
                patterns.len()
            ),
        )
        .into());
    }
    let mut query = Query::default();
    for (nth, [subject, predicate, object]) in patterns.iter().enumerate() {
        let path = format!("{path}/{nth}");
        let pattern = Pattern {
            subject: query.entity(graph, subject, projects, &format!("{path}/0"))?,
            predicate: query.predicate(graph, predicate, &format!("{path}/1"))?,
            object: query.entity(graph, object, projects, &format!("{path}/2"))?,
        };
        query.patterns.push(pattern);
    }
    Ok(query)
}

impl Query {
    fn entity(
        &mut self,
        graph: &dyn GraphSnapshot,
        text: &str,
        projects: Projects<'_>,
        path: &str,
    ) -> Result<Term, StoreError> {
        if let Some(variable) = text.trim().strip_prefix('?') {
            return self.variable(graph, variable, false, path);
        }
        let mention = Mention::parse(text, path)?;
        let (entity, by_likeness) = resolve::likely(graph, &mention, projects, path)?;
        if by_likeness {
            self.taken.push((text.to_owned(), entity.key));
        }
        Ok(Term::Known(entity.id))
    }

    fn predicate(
        &mut self,
        graph: &dyn GraphSnapshot,
        text: &str,
        path: &str,
    ) -> Result<Term, StoreError> {
        if let Some(variable) = text.trim().strip_prefix('?') {
            return self.variable(graph, variable, true, path);
        }
        predicate(graph, text, path).map(Term::Known)
    }

    fn variable(
        &mut self,
        graph: &dyn GraphSnapshot,
        text: &str,
        is_predicate: bool,
        path: &str,
    ) -> Result<Term, StoreError> {
        let (name, kind) = match text.split_once(':') {
            Some((name, kind)) => (name, Some(kind)),
            None => (text, None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(Failure::invalid(path, format!("?{text} is no variable"))
                .hint("write ? and letters, for example ?person or, with a type, ?p:person")
                .into());
        }
        let kind = match kind.map(str::to_ascii_lowercase) {
            Some(name) => Some(Kind {
                id: graph.word_id(&name)?,
                name,
            }),
            None => None,
        };
        let name = format!("?{name}");
        let wrong = |why: &str| Failure::invalid(path, format!("{name} {why}"));
        if kind.is_some() && is_predicate {
            return Err(wrong("stands for predicates, and those have no types").into());
        }
        let place = self.variables.iter().position(|known| known.name == name);
        let Some(place) = place else {
            self.variables.push(Variable {
                name,
                kind,
                is_predicate,
            });
            return Ok(Term::Variable(self.variables.len() - 1));
        };
        let known = &mut self.variables[place];
        if known.is_predicate != is_predicate {
            let why = "stands for an entity in one place and for a predicate in another";
            return Err(wrong(why).hint("use two variables").into());
        }
        match (&known.kind, kind) {
            (Some(one), Some(other)) if *one != other => {
                return Err(wrong("is given two types, so nothing could fit").into());
            }
            (None, kind) => known.kind = kind,
            _ => {}
        }
        Ok(Term::Variable(place))
    }
}

/// The id of a predicate that some triple has.
pub fn predicate(graph: &dyn GraphSnapshot, text: &str, path: &str) -> Result<WordId, StoreError> {
    let predicate = mention::predicate(text, path)?;
    if let Some(id) = graph.word_id(&predicate)?
        && graph.word(id)?.1 > 0
    {
        return Ok(id);
    }
    Err(Failure::new(
        crate::failure::Kind::NotFound,
        format!("no triple has the predicate {predicate:?}"),
    )
    .at(path)
    .hint("leave the predicate out (or write ?r in a pattern) to see which there are")
    .into())
}
