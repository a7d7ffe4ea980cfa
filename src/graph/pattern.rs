//! Conjunctive patterns: `?p works_at ?c`, `?c:company located_in Paris`. Names
//! become ids here, so a join works on integers alone.

use super::error::{GraphError, Part, Problem};
use super::mention::{self, Mention};
use super::resolve::{self, Projects};
use crate::limits;
use crate::store::graph::{GraphSnapshot, Range, WordId, type_of};

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// This entity, or this word.
    Known(i64),
    /// The variable with this number.
    Variable(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// As it was written, with `?` and without its type.
    pub(super) name: String,
    /// The type of its entities.
    kind: Option<Kind>,
    /// Whether it ranges over predicates instead of entities.
    pub(super) is_predicate: bool,
}

/// A type that a variable was given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    name: String,
    /// `None` where no entity has the type.
    id: Option<WordId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) subject: Term,
    pub(super) predicate: Term,
    pub(super) object: Term,
}

impl Pattern {
    pub(super) fn terms(&self) -> [Term; 3] {
        [self.subject, self.predicate, self.object]
    }

    /// The range of its triples once the variables have `values`.
    pub(super) fn range(&self, values: &[Option<i64>]) -> Range {
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

/// A conjunction of patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) patterns: Vec<Pattern>,
    /// In the order in which they were first written.
    pub(super) variables: Vec<Variable>,
    /// Names that were resolved by likeness: as written, and the entity's key.
    pub(super) resolved: Vec<(String, String)>,
}

impl Query {
    /// Whether an entity has the type of a variable.
    pub(super) fn allows(&self, variable: usize, value: i64) -> bool {
        let kind = self.variables[variable].kind.as_ref();
        kind.is_none_or(|kind| kind.id == Some(type_of(value)))
    }
}

/// Reads patterns.
pub(super) async fn parse(
    graph: &dyn GraphSnapshot,
    patterns: &[[String; 3]],
    projects: Projects<'_>,
) -> Result<Query, GraphError> {
    if patterns.is_empty() || patterns.len() > limits::GRAPH_PATTERNS_MAX {
        return Err(Problem::WrongNumberOfPatterns(patterns.len()).of(Part::Patterns));
    }
    let mut parser = Parser::default();
    let mut places = Vec::with_capacity(patterns.len());
    for (nth, [subject, predicate, object]) in patterns.iter().enumerate() {
        let read = |place| move |problem: Problem| problem.of(Part::Term(nth, place));
        places.push([
            parser
                .entity(subject, Part::Term(nth, 0))
                .map_err(read(0))?,
            parser
                .predicate(predicate, Part::Term(nth, 1))
                .map_err(read(1))?,
            parser.entity(object, Part::Term(nth, 2)).map_err(read(2))?,
        ]);
    }
    parser.resolve(graph, projects, &places).await
}

/// A term before names are resolved.
#[derive(Clone, Copy)]
enum UnresolvedTerm {
    Variable(usize),
    /// The mention with this number.
    Entity(usize),
    /// The predicate with this number.
    Predicate(usize),
}

#[derive(Default)]
struct Parser {
    variables: Vec<Variable>,
    mentions: Vec<(Part, Mention)>,
    /// The mentions as they were written.
    written: Vec<String>,
    predicates: Vec<(Part, String)>,
}

impl Parser {
    fn entity(&mut self, text: &str, part: Part) -> Result<UnresolvedTerm, Problem> {
        if let Some(variable) = text.trim().strip_prefix('?') {
            return self.variable(variable, false);
        }
        self.mentions.push((part, Mention::parse(text)?));
        self.written.push(text.to_owned());
        Ok(UnresolvedTerm::Entity(self.mentions.len() - 1))
    }

    fn predicate(&mut self, text: &str, part: Part) -> Result<UnresolvedTerm, Problem> {
        if let Some(variable) = text.trim().strip_prefix('?') {
            return self.variable(variable, true);
        }
        self.predicates.push((part, mention::predicate(text)?));
        Ok(UnresolvedTerm::Predicate(self.predicates.len() - 1))
    }

    fn variable(&mut self, text: &str, is_predicate: bool) -> Result<UnresolvedTerm, Problem> {
        let (name, kind) = match text.split_once(':') {
            Some((name, kind)) => (name, Some(kind.to_ascii_lowercase())),
            None => (text, None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(Problem::NotAVariable(text.to_owned()));
        }
        let name = format!("?{name}");
        if kind.is_some() && is_predicate {
            return Err(Problem::TypedPredicate(name));
        }
        let kind = kind.map(|name| Kind { name, id: None });
        let place = self.variables.iter().position(|known| known.name == name);
        let Some(place) = place else {
            self.variables.push(Variable {
                name,
                kind,
                is_predicate,
            });
            return Ok(UnresolvedTerm::Variable(self.variables.len() - 1));
        };
        let known = &mut self.variables[place];
        if known.is_predicate != is_predicate {
            return Err(Problem::EntityAndPredicate(name));
        }
        match (&known.kind, kind) {
            (Some(one), Some(other)) if *one != other => return Err(Problem::TwoTypes(name)),
            (None, kind) => known.kind = kind,
            _ => {}
        }
        Ok(UnresolvedTerm::Variable(place))
    }

    async fn resolve(
        mut self,
        graph: &dyn GraphSnapshot,
        projects: Projects<'_>,
        places: &[[UnresolvedTerm; 3]],
    ) -> Result<Query, GraphError> {
        let entities = resolve::likely(graph, &self.mentions, projects).await?;
        let predicates = predicates(graph, &self.predicates)
            .await?
            .into_iter()
            .collect::<Result<Vec<WordId>, GraphError>>()?;
        let mut kinds: Vec<&mut Kind> = self
            .variables
            .iter_mut()
            .filter_map(|variable| variable.kind.as_mut())
            .collect();
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        let ids = graph.word_ids(&names).await?;
        for (kind, id) in kinds.iter_mut().zip(ids) {
            kind.id = id;
        }
        let term = |place: UnresolvedTerm| match place {
            UnresolvedTerm::Variable(number) => Term::Variable(number),
            UnresolvedTerm::Entity(number) => Term::Known(entities[number].0.id),
            UnresolvedTerm::Predicate(number) => Term::Known(predicates[number]),
        };
        let patterns = places.iter().map(|[subject, predicate, object]| Pattern {
            subject: term(*subject),
            predicate: term(*predicate),
            object: term(*object),
        });
        let patterns = patterns.collect();
        let by_likeness = self.written.into_iter().zip(entities);
        let by_likeness = by_likeness.filter(|(_, (_, by_likeness))| *by_likeness);
        Ok(Query {
            patterns,
            variables: self.variables,
            resolved: by_likeness
                .map(|(written, (entity, _))| (written, entity.key))
                .collect(),
        })
    }
}

/// The id of each predicate; an error for one that no triple has.
pub(super) async fn predicates(
    graph: &dyn GraphSnapshot,
    predicates: &[(Part, String)],
) -> Result<Vec<Result<WordId, GraphError>>, GraphError> {
    if predicates.is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<&str> = predicates.iter().map(|(_, word)| word.as_str()).collect();
    let ids = graph.word_ids(&words).await?;
    let known: Vec<WordId> = ids.iter().copied().flatten().collect();
    let uses = graph.predicate_uses(&known).await?;
    let mut used = known.iter().zip(uses).filter(|(_, uses)| *uses > 0);
    let used: Vec<WordId> = used.by_ref().map(|(id, _)| *id).collect();
    let each = ids.into_iter().zip(predicates).map(|(id, (part, word))| {
        id.filter(|id| used.contains(id))
            .ok_or_else(|| Problem::NoSuchPredicate(word.clone()).of(*part))
    });
    Ok(each.collect())
}
