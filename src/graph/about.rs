//! What is known about whatever a text names: the entities that go by a phrase
//! of it, and the triples around them, the nearest first.

use std::collections::{BTreeMap, BTreeSet};

use super::mention::Mention;
use super::query::Scope;
use super::{Graph, projects_of, resolve, view};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, Edge, Entity, EntityId, GraphSnapshot, Range, TripleId, View, WordId,
};
use crate::{limits, text};

/// Words of the longest predicate that is recognised in a text.
const PREDICATE_WORDS: usize = 3;

/// What something is wanted about.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Which triples count, and how many are wanted.
    pub scope: Scope,
    /// Names entities, and perhaps predicates.
    pub text: String,
    /// Entities (`person:alice`) that it is about without naming them.
    pub others: Vec<String>,
    /// Triples too that held before and were replaced or ran out.
    pub ended: bool,
}

/// A triple in names.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its id.
    pub triple: TripleId,
    /// What it is about.
    pub subject: Entity,
    /// How the two are related.
    pub predicate: String,
    /// What it leads to.
    pub object: Entity,
    /// 0 to 1.
    pub confidence: f64,
    /// It holds from this moment.
    pub since: Timestamp,
    /// It does not hold any more, from this moment on.
    pub ended: Option<Timestamp>,
    /// Whether its subject has one object at a time by this predicate.
    pub functional: bool,
}

impl Said {
    /// It as a sentence: `Alice reports to Karim`.
    pub fn sentence(&self) -> String {
        let predicate = self.predicate.replace('_', " ");
        let (subject, object) = (&self.subject.name, &self.object.name);
        match self.ended {
            None => format!("{subject} {predicate} {object}"),
            Some(ended) => format!("{subject} {predicate} {object} until {}", ended.to_day()),
        }
    }
}

impl Graph {
    /// The entities that `text` names, and those called `others`
    /// (`person:alice`). A name that several go by stands for all of them.
    pub async fn named(
        &self,
        projects: Vec<String>,
        text: String,
        others: Vec<String>,
    ) -> Result<Vec<EntityId>, Failure> {
        self.read(move |graph| named(graph, &projects, &text, &others))
            .await
    }

    /// The triples around the entities that a topic names: at most
    /// `scope.limit`, those by a predicate that it names first, then the nearest.
    pub async fn about(&self, topic: Topic) -> Result<Vec<Said>, Failure> {
        let functional = self.settings.functional.clone();
        let said = self.read(move |graph| {
            let starts = named(graph, &topic.scope.projects, &topic.text, &topic.others)?;
            let mut view = view(
                graph,
                &topic.scope.projects,
                topic.scope.at,
                topic.scope.min_confidence,
            )?;
            view.ended = topic.ended;
            let mut around = Around::new(graph, view, topic.scope.limit);
            let asked = predicates(graph, &topic.text)?;
            around.by(&asked, &starts)?;
            around.hops(starts)?;
            around.in_names()
        });
        let mut said = said.await?;
        for each in &mut said {
            each.functional = functional.contains(&each.predicate);
        }
        Ok(said)
    }
}

fn named(
    graph: &dyn GraphSnapshot,
    projects: &[String],
    text: &str,
    others: &[String],
) -> Result<Vec<EntityId>, StoreError> {
    let projects = projects_of(graph, projects)?;
    let projects = projects.as_deref();
    let mut found: Vec<EntityId> = Vec::new();
    for other in others {
        let Ok(mention) = Mention::parse(other, "") else {
            continue;
        };
        // What is not known any more, or is several things now, is passed over.
        if let Ok(Some(entity)) = resolve::certain(graph, &mention, projects, "") {
            found.push(entity.id);
        }
    }
    let words = text::words(text);
    let phrases = text::phrases(&words, limits::ENTITY_WORDS_LINKED_MAX);
    for phrase in phrases.take(limits::MEMORY_PHRASES_LINKED_MAX) {
        if found.len() >= limits::ASK_ENTITIES_MAX {
            break;
        }
        found.extend(graph.named(phrase, projects)?);
    }
    let mut seen = BTreeSet::new();
    found.retain(|entity| seen.insert(*entity));
    found.truncate(limits::ASK_ENTITIES_MAX);
    Ok(found)
}

/// The predicates that a text names: `report to` and `reports to` are
/// `reports_to`, `owned` is `owned`.
fn predicates(graph: &dyn GraphSnapshot, text: &str) -> Result<Vec<WordId>, StoreError> {
    let words = text::words(text);
    let mut found = Vec::new();
    for phrase in text::phrases(&words, PREDICATE_WORDS).take(limits::ASK_PREDICATE_PHRASES_MAX) {
        let (first, rest) = phrase.split_once(' ').unwrap_or((phrase, ""));
        for ending in ["", "s"] {
            let word = format!("{first}{ending} {rest}");
            let word = word.trim_end().replace(' ', "_");
            found.extend(graph.word_id(&word)?);
        }
    }
    Ok(found)
}

/// Collects the triples around some entities.
struct Around<'a> {
    graph: &'a dyn GraphSnapshot,
    view: View,
    limit: usize,
    edges: BTreeMap<TripleId, Edge>,
    /// As they were met.
    order: Vec<TripleId>,
}

impl<'a> Around<'a> {
    fn new(graph: &'a dyn GraphSnapshot, view: View, limit: usize) -> Self {
        Around {
            graph,
            view,
            limit,
            edges: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Those of `entities` by these predicates. Asked by themselves: an entity
    /// that very much is said about may have them far from its first ones.
    fn by(&mut self, predicates: &[WordId], entities: &[EntityId]) -> Result<(), StoreError> {
        for predicate in predicates {
            for entity in entities {
                self.both_ways(*entity, Some(*predicate), limits::ASK_EDGES_OF_ONE_MAX[0])?;
            }
        }
        Ok(())
    }

    /// Those one step away, then two: "the team of the owner of this".
    fn hops(&mut self, starts: Vec<EntityId>) -> Result<(), StoreError> {
        let mut known: BTreeSet<EntityId> = starts.iter().copied().collect();
        let mut layer = starts;
        for of_one in limits::ASK_EDGES_OF_ONE_MAX {
            let mut next = Vec::new();
            for entity in layer {
                for edge in self.both_ways(entity, None, of_one)? {
                    let ends = [edge.subject, edge.object].into_iter();
                    next.extend(ends.filter(|end| known.insert(*end)));
                }
            }
            layer = next;
        }
        Ok(())
    }

    /// At most `of_one` triples with `entity` as their subject, and as their
    /// object.
    fn both_ways(
        &mut self,
        entity: EntityId,
        predicate: Option<WordId>,
        of_one: usize,
    ) -> Result<Vec<Edge>, StoreError> {
        let range = |subject, object| Range {
            subject,
            predicate,
            object,
        };
        let mut scanned = Vec::new();
        for range in [range(Some(entity), None), range(None, Some(entity))] {
            let room = self.limit.saturating_sub(self.order.len()).min(of_one);
            if room == 0 {
                break;
            }
            let mut edges = Vec::new();
            self.graph.scan(range, None, room, &self.view, &mut edges)?;
            for edge in &edges {
                if self.edges.insert(edge.triple, *edge).is_none() {
                    self.order.push(edge.triple);
                }
            }
            scanned.append(&mut edges);
        }
        Ok(scanned)
    }

    fn in_names(self) -> Result<Vec<Said>, StoreError> {
        let mut said = Vec::with_capacity(self.order.len());
        for triple in self.order {
            said.extend(in_names(self.graph, &self.edges[&triple], self.view.at)?);
        }
        Ok(said)
    }
}

/// `None` for what was taken back: it never held.
fn in_names(
    graph: &dyn GraphSnapshot,
    edge: &Edge,
    at: Timestamp,
) -> Result<Option<Said>, StoreError> {
    let parts = (
        graph.entity(edge.subject)?,
        graph.entity(edge.object)?,
        graph.triple(edge.triple)?,
    );
    let (Some(subject), Some(object), Some(triple)) = parts else {
        return Ok(None);
    };
    let ended = triple.until.filter(|until| *until <= at);
    if ended.is_some() && matches!(triple.closed, Some((Closed::Retracted, _))) {
        return Ok(None);
    }
    Ok(Some(Said {
        triple: edge.triple,
        subject,
        predicate: graph.word(edge.predicate)?.0,
        object,
        confidence: edge.confidence,
        since: triple.since,
        ended,
        functional: false,
    }))
}
