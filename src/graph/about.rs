//! The surroundings of a text: the entities that its phrases name, and the
//! triples around them, the nearest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::error::GraphError;
use super::mention::Mention;
use super::query::Scope;
use super::{Graph, projects_of, resolve};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::graph::{
    Closed, Edge, Entity, EntityId, GraphSnapshot, Range, ScanLimits, Triple, TripleId, View,
    WordId,
};
use crate::{limits, text};

/// Words of the longest predicate that is recognized in a text.
const PREDICATE_WORDS: usize = 3;
/// Phrases that are looked up together.
const PHRASES_PER_CALL: usize = 256;

/// The subject of a request for triples.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) scope: Scope,
    /// Text that names entities, and perhaps predicates.
    pub(crate) text: String,
    /// Further entities (`person:alice`) that the text leaves out.
    pub(crate) others: Vec<String>,
    /// Whether to include triples that were replaced or have expired.
    pub(crate) include_ended: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedTriple {
    pub(crate) id: TripleId,
    pub(crate) subject: Entity,
    pub(crate) predicate: String,
    pub(crate) object: Entity,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// When it began to hold.
    pub(crate) since: Timestamp,
    /// When it ceased to hold.
    pub(crate) ended: Option<Timestamp>,
    /// Whether the predicate has one object at a time.
    pub(crate) is_functional: bool,
}

impl NamedTriple {
    /// The triple as a sentence: `Alice reports to Karim`.
    pub(crate) fn sentence(&self) -> String {
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
    /// (`person:alice`). An ambiguous name means all its entities.
    pub(crate) async fn named(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        text: String,
        others: Vec<String>,
    ) -> Result<Vec<EntityId>, GraphError> {
        self.read(reach, move |graph| {
            Box::pin(async move { Ok(named(graph, &projects, &text, &others).await?) })
        })
        .await
    }

    /// The triples around the entities that a topic names, at most
    /// `scope.limit`: first those by a predicate that it names, then the nearest.
    pub(crate) async fn about(&self, topic: Topic) -> Result<Vec<NamedTriple>, GraphError> {
        let functional = self.settings.functional.clone();
        self.read(&topic.scope.reach.clone(), move |graph| {
            Box::pin(async move {
                let scope = &topic.scope;
                let starts = named(graph, &scope.projects, &topic.text, &topic.others).await?;
                let view = View {
                    include_ended: topic.include_ended,
                    ..scope.view(graph).await?
                };
                let mut around = Neighborhood::new(graph, view, scope.limit);
                let predicates = predicates(graph, &topic.text).await?;
                around.add_by_predicates(&predicates, &starts).await?;
                around.add_hops(starts).await?;
                Ok(around.into_triples(&functional).await?)
            })
        })
        .await
    }
}

async fn named(
    graph: &dyn GraphSnapshot,
    projects: &[String],
    text: &str,
    others: &[String],
) -> Result<Vec<EntityId>, StoreError> {
    let projects = projects_of(graph, projects).await?;
    let projects = projects.as_deref();
    let others = others.iter().filter_map(|other| Mention::parse(other).ok());
    let others: Vec<Mention> = others.collect();
    let others: Vec<&Mention> = others.iter().collect();
    let mut found: Vec<EntityId> = Vec::new();
    for entities in resolve::candidates(graph, &others, projects).await? {
        // Skips a mention that has become unknown or ambiguous.
        if let [entity] = &entities[..] {
            found.push(entity.id);
        }
    }
    let words = text::words(text);
    let phrases = text::phrases(&words, limits::ENTITY_WORDS_LINKED_MAX);
    let phrases: Vec<&str> = phrases.take(limits::MEMORY_PHRASES_LINKED_MAX).collect();
    for phrases in phrases.chunks(PHRASES_PER_CALL) {
        if found.len() >= limits::ASK_ENTITIES_MAX {
            break;
        }
        let matches = graph.named_by_words(phrases, projects).await?;
        found.extend(matches.into_iter().map(|name| name.entity));
    }
    let mut seen = BTreeSet::new();
    found.retain(|entity| seen.insert(*entity));
    found.truncate(limits::ASK_ENTITIES_MAX);
    Ok(found)
}

/// The predicates that a text names: `report to` and `reports to` are
/// `reports_to`, `owned` is `owned`.
async fn predicates(graph: &dyn GraphSnapshot, text: &str) -> Result<Vec<WordId>, StoreError> {
    let words = text::words(text);
    let phrases = text::phrases(&words, PREDICATE_WORDS).take(limits::ASK_PREDICATE_PHRASES_MAX);
    let spellings = phrases.flat_map(|phrase| {
        let (first, rest) = phrase.split_once(' ').unwrap_or((phrase, ""));
        ["", "s"].map(|ending| {
            let word = format!("{first}{ending} {rest}");
            word.trim_end().replace(' ', "_")
        })
    });
    let spellings: Vec<String> = spellings.collect();
    let spellings: Vec<&str> = spellings.iter().map(String::as_str).collect();
    let found = graph.word_ids(&spellings).await?;
    Ok(found.into_iter().flatten().collect())
}

/// The triples around some entities.
struct Neighborhood<'a> {
    graph: &'a dyn GraphSnapshot,
    view: View,
    limit: usize,
    edges: BTreeMap<TripleId, Edge>,
    /// In the order in which they were found.
    order: Vec<TripleId>,
}

impl<'a> Neighborhood<'a> {
    fn new(graph: &'a dyn GraphSnapshot, view: View, limit: usize) -> Self {
        Neighborhood {
            graph,
            view,
            limit,
            edges: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Adds triples of `entities` with these predicates. They have a query of their
    /// own, because an entity with many triples may have them far behind its first
    /// ones.
    async fn add_by_predicates(
        &mut self,
        predicates: &[WordId],
        entities: &[EntityId],
    ) -> Result<(), StoreError> {
        let both = predicates.iter().flat_map(|predicate| {
            let each = entities.iter();
            each.flat_map(|entity| both_ways(*entity, Some(*predicate)))
        });
        let ranges: Vec<Range> = both.collect();
        self.add(&ranges, limits::ASK_EDGES_OF_ONE_MAX[0]).await?;
        Ok(())
    }

    /// Adds triples one hop away, then two: "the team of the owner of this".
    async fn add_hops(&mut self, starts: Vec<EntityId>) -> Result<(), StoreError> {
        let mut known: BTreeSet<EntityId> = starts.iter().copied().collect();
        let mut frontier = starts;
        for edges_per_range in limits::ASK_EDGES_OF_ONE_MAX {
            let ranges = frontier.iter().flat_map(|entity| both_ways(*entity, None));
            let ranges: Vec<Range> = ranges.collect();
            let edges = self.add(&ranges, edges_per_range).await?;
            let ends = edges.iter().flat_map(|edge| [edge.subject, edge.object]);
            frontier = ends.filter(|end| known.insert(*end)).collect();
        }
        Ok(())
    }

    /// Adds triples of each range until the limit is reached; the edges that
    /// were read for that.
    async fn add(
        &mut self,
        mut ranges: &[Range],
        edges_per_range: usize,
    ) -> Result<Vec<Edge>, StoreError> {
        let mut read = Vec::new();
        while !ranges.is_empty() && self.order.len() < self.limit {
            let limits = ScanLimits {
                edges_per_range,
                reads: self.limit,
            };
            let scan = self.graph.scan_many(ranges, None, limits, &self.view);
            let scan = scan.await?;
            for (edges, _) in scan.by_range() {
                let room = self.limit.saturating_sub(self.order.len());
                for edge in edges.iter().take(room) {
                    read.push(*edge);
                    if self.edges.insert(edge.triple, *edge).is_none() {
                        self.order.push(edge.triple);
                    }
                }
            }
            ranges = &ranges[scan.ranges.len()..];
        }
        Ok(read)
    }

    async fn into_triples(self, functional: &[String]) -> Result<Vec<NamedTriple>, StoreError> {
        if self.order.is_empty() {
            return Ok(Vec::new());
        }
        let edges = self.edges.values();
        let ends: Vec<EntityId> = edges.flat_map(|edge| [edge.subject, edge.object]).collect();
        let entities = resolve::by_id(self.graph, &ends).await?;
        let triples = self.graph.triples(&self.order).await?;
        let triples: HashMap<TripleId, Triple> = triples.into_iter().map(|t| (t.id, t)).collect();
        let predicates: BTreeSet<WordId> = self.edges.values().map(|edge| edge.predicate).collect();
        let predicates: Vec<WordId> = predicates.into_iter().collect();
        let words = self.graph.words(&predicates).await?;
        let words: BTreeMap<WordId, String> = predicates.into_iter().zip(words).collect();
        let named = self.order.iter().filter_map(|id| {
            let triple = triples.get(id)?;
            let ended = triple.until.filter(|until| *until <= self.view.at);
            // A retracted triple never held.
            if ended.is_some() && matches!(triple.closed, Some((Closed::Retracted, _))) {
                return None;
            }
            let edge = &self.edges[id];
            let predicate = words[&edge.predicate].clone();
            Some(NamedTriple {
                id: *id,
                subject: entities.get(&edge.subject)?.clone(),
                object: entities.get(&edge.object)?.clone(),
                confidence: edge.confidence,
                since: triple.since,
                ended,
                is_functional: functional.contains(&predicate),
                predicate,
            })
        });
        Ok(named.collect())
    }
}

/// The triples with `entity` as their subject, and as their object.
fn both_ways(entity: EntityId, predicate: Option<WordId>) -> [Range; 2] {
    let range = |subject, object| Range {
        subject,
        predicate,
        object,
    };
    [range(Some(entity), None), range(None, Some(entity))]
}
