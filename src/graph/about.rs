//! What is known about whatever a text names: the entities that go by a phrase
//! of it, and the triples around them, the nearest first.

use std::collections::{BTreeMap, BTreeSet};

use super::mention::Mention;
use super::query::Scope;
use super::{Graph, projects_of, resolve, view};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::store::StoreError;
use crate::store::graph::{Edge, Entity, EntityId, GraphSnapshot, Range, TripleId};
use crate::{limits, text};

/// Triples that far from what is named: "the team of the owner of this".
const HOPS: usize = 2;

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
}

impl Said {
    /// It as a sentence: `Alice reports to Karim`.
    pub fn sentence(&self) -> String {
        let predicate = self.predicate.replace('_', " ");
        format!("{} {predicate} {}", self.subject.name, self.object.name)
    }
}

impl Graph {
    /// The triples around the entities that `query` names, and around those
    /// called `others` (`person:alice`): at most `scope.limit`, nearest first.
    /// A name that several entities go by stands for all of them.
    pub async fn about(
        &self,
        scope: Scope,
        query: String,
        others: Vec<String>,
    ) -> Result<Vec<Said>, Failure> {
        self.read(move |graph| {
            let starts = named(graph, &scope.projects, &query, &others)?;
            around(graph, &scope, starts)
        })
        .await
    }
}

fn named(
    graph: &dyn GraphSnapshot,
    projects: &[String],
    query: &str,
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
    let words = text::words(query);
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

fn around(
    graph: &dyn GraphSnapshot,
    scope: &Scope,
    starts: Vec<EntityId>,
) -> Result<Vec<Said>, StoreError> {
    let view = view(graph, &scope.projects, scope.at, scope.min_confidence)?;
    let mut known: BTreeSet<EntityId> = starts.iter().copied().collect();
    let mut layer = starts;
    let mut edges: BTreeMap<TripleId, Edge> = BTreeMap::new();
    let mut order: Vec<TripleId> = Vec::new();
    for _ in 0..HOPS {
        let mut next = Vec::new();
        for entity in layer {
            let of = |subject, object| Range {
                subject,
                predicate: None,
                object,
            };
            for range in [of(Some(entity), None), of(None, Some(entity))] {
                let room = scope.limit.saturating_sub(order.len());
                if room == 0 {
                    break;
                }
                let mut scanned = Vec::new();
                graph.scan(range, None, room, &view, &mut scanned)?;
                for edge in scanned {
                    if edges.insert(edge.triple, edge).is_none() {
                        order.push(edge.triple);
                    }
                    let ends = [edge.subject, edge.object].into_iter();
                    next.extend(ends.filter(|end| known.insert(*end)));
                }
            }
        }
        layer = next;
    }
    let mut said = Vec::with_capacity(order.len());
    for triple in order.into_iter().take(scope.limit) {
        said.extend(in_names(graph, &edges[&triple])?);
    }
    Ok(said)
}

fn in_names(graph: &dyn GraphSnapshot, edge: &Edge) -> Result<Option<Said>, StoreError> {
    let parts = (
        graph.entity(edge.subject)?,
        graph.entity(edge.object)?,
        graph.triple(edge.triple)?,
    );
    let (Some(subject), Some(object), Some(triple)) = parts else {
        return Ok(None);
    };
    Ok(Some(Said {
        triple: edge.triple,
        subject,
        predicate: graph.word(edge.predicate)?.0,
        object,
        confidence: edge.confidence,
        since: triple.since,
    }))
}
