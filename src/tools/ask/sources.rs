//! The four stores as what a question is gathered from: a search each, whose
//! results are rows for a client and items for an answer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Ask;
use crate::ask::{Hit, Hits, Item, Relevance, Search, Store, claim};
use crate::caller::Grants;
use crate::caller::Reach;
use crate::failure::Failure;
use crate::graph::about::{NamedTriple, Topic};
use crate::graph::query::Scope;
use crate::limits;
use crate::memory;
use crate::procedure::{StoredDefinition, view};
use crate::registry::OfferedTool;
use crate::store::memory::{Category, Filter, Memory, MemoryId, State};
use crate::text;
use crate::tools::arguments::visible_to;
use crate::tools::graph::rounded;
use crate::tools::memory::{cut, row};

/// Memories less alike than this are not looked at unless they share words.
const LIKENESS: f32 = 0.3;
/// Triples less sure than this are no answer.
const CONFIDENCE: f64 = 0.3;

/// What is looked for.
#[derive(Clone)]
pub struct Wanted {
    /// The question, with what it leaves unsaid.
    pub query: String,
    /// Its vector; `None` where it could not be encoded.
    pub vector: Option<Vec<f32>>,
    /// Entities that it is about without naming them.
    pub entities: Vec<String>,
    /// Whether what was replaced may be the answer.
    pub past: bool,
    /// Of whoever asks.
    pub grants: Arc<Grants>,
}

/// How `store` is searched for what is wanted.
pub fn search(ask: &Arc<Ask>, store: Store, wanted: Wanted) -> Search {
    let ask = ask.clone();
    Box::new(move || {
        Box::pin(async move {
            match store {
                Store::Episodic => episodic(&ask, wanted).await,
                Store::Semantic => semantic(&ask, wanted).await,
                Store::Procedural => procedural(&ask, wanted).await,
                Store::Skills => skills(&ask, wanted).await,
            }
        })
    })
}

fn hits(list: Vec<Hit>) -> Hits {
    Hits {
        list,
        degraded: None,
    }
}

async fn episodic(ask: &Ask, wanted: Wanted) -> Result<Hits, Failure> {
    let search = memory::Search {
        query: wanted.query,
        vector: wanted.vector.clone(),
        filter: filter(ask, wanted.past),
        mode: memory::Mode::Hybrid,
        threshold: LIKENESS,
        offset: 0,
        limit: limits::ASK_HITS_OF_ONE_MAX,
    };
    let page = ask.memories.search(search).await?;
    let each = |(memory, score): (Memory, Option<f32>)| of_memory(ask, memory, score);
    let mut list: Vec<Hit> = page.items.into_iter().map(each).collect();
    if let Some(vector) = wanted.vector {
        liken(ask, &mut list, vector).await?;
    }
    Ok(Hits {
        list,
        degraded: page.degraded,
    })
}

/// The memories that a question may see.
pub fn filter(ask: &Ask, past: bool) -> Filter {
    Filter {
        include_superseded: past,
        ..Filter::within(
            &Reach::Everything,
            visible_to(&ask.project),
            ask.memories.now(),
        )
    }
}

/// Notes with memories how near they are to the question, by the vectors that
/// are stored.
pub async fn liken(ask: &Ask, list: &mut [Hit], vector: Vec<f32>) -> Result<(), Failure> {
    let ids = list.iter().filter_map(memory_id).collect();
    let likeness = ask
        .memories
        .likeness(&Reach::Everything, ids, vector)
        .await?;
    for hit in list {
        hit.item.likeness = memory_id(hit).and_then(|id| likeness.get(&id)).copied();
    }
    Ok(())
}

/// The memory that a hit is.
pub fn memory_id(hit: &Hit) -> Option<MemoryId> {
    hit.item.citation.strip_prefix("memory:")?.parse().ok()
}

/// A memory as a result.
pub fn of_memory(ask: &Ask, memory: Memory, score: Option<f32>) -> Hit {
    let snippet = cut(&memory.content, limits::SNIPPET_BYTES_MAX);
    let row = row(&memory, score, snippet, 0, &ask.project);
    Hit {
        row,
        item: Item {
            at: Some(memory.created_at),
            superseded: memory.state == State::Superseded,
            slot: slot(&memory),
            ..Item::new(
                Store::Episodic,
                format!("memory:{}", memory.id),
                memory.content,
            )
        },
        entities: memory.entities,
    }
}

/// What only one statement of its kind can fill. What happened may happen again
/// with another number.
fn slot(memory: &Memory) -> Option<String> {
    match (&memory.fields.topic_key, memory.fields.category) {
        (Some(key), _) => Some(format!("topic {key}")),
        (None, Category::Fact | Category::Plan) => claim(&memory.content),
        (None, Category::Action | Category::Observation) => None,
    }
}

async fn semantic(ask: &Ask, wanted: Wanted) -> Result<Hits, Failure> {
    Ok(hits(triples(ask, &wanted, wanted.entities.clone()).await?))
}

/// The triples around what the question names and around `others`: those that
/// share words with it first, then the nearest.
pub async fn triples(ask: &Ask, wanted: &Wanted, others: Vec<String>) -> Result<Vec<Hit>, Failure> {
    let topic = Topic {
        scope: Scope {
            reach: Reach::Everything,
            projects: visible_to(&ask.project),
            at: ask.graph.now(),
            min_confidence: CONFIDENCE,
            limit: limits::ASK_TRIPLES_MAX,
        },
        text: wanted.query.clone(),
        others,
        include_ended: wanted.past,
    };
    let relevance = Relevance::to(&wanted.query);
    let said = ask.graph.about(topic).await?.into_iter();
    let mut list: Vec<(Hit, f32)> = said
        .map(of_triple)
        .map(|hit| {
            let coverage = relevance.coverage(&hit.item.text);
            (hit, coverage)
        })
        .collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    list.truncate(limits::ASK_HITS_OF_ONE_MAX);
    Ok(list.into_iter().map(|(hit, _)| hit).collect())
}

fn of_triple(said: NamedTriple) -> Hit {
    let mut row = json!({
        "id": said.id,
        "subject": said.subject.key,
        "predicate": said.predicate,
        "object": said.object.key,
        "since": said.since.to_iso(),
    });
    if said.confidence < 1.0 {
        row["confidence"] = json!(rounded(said.confidence));
    }
    if let Some(ended) = said.ended {
        row["until"] = json!(ended.to_iso());
    }
    let slot = format!("{} {}", said.subject.key, said.predicate);
    Hit {
        row,
        item: Item {
            at: Some(said.since),
            confidence: said.confidence as f32,
            superseded: said.ended.is_some(),
            slot: said.is_functional.then_some(slot),
            ..Item::new(
                Store::Semantic,
                format!("triple:{}", said.id),
                said.sentence(),
            )
        },
        entities: vec![said.subject.key, said.object.key],
    }
}

async fn procedural(ask: &Ask, wanted: Wanted) -> Result<Hits, Failure> {
    let words = text::query_words(&wanted.query).into_iter();
    let words: Vec<String> = words.map(|asked| asked.word).collect();
    if words.is_empty() {
        return Ok(Hits::default());
    }
    let words = words.join(" ");
    let found = ask
        .procedures
        .find(&wanted.grants, Some(&words), limits::ASK_HITS_OF_ONE_MAX);
    Ok(hits(found.await?.into_iter().map(of_procedure).collect()))
}

fn of_procedure(kept: StoredDefinition) -> Hit {
    let citation = format!("procedure:{}@{}", kept.name, kept.version);
    let name = kept.name.replace(['_', '-', '.'], " ");
    let text = format!("{name}: {}", kept.description);
    Hit {
        row: view::listed(&kept),
        item: Item::new(Store::Procedural, citation, text),
        entities: Vec::new(),
    }
}

async fn skills(ask: &Ask, wanted: Wanted) -> Result<Hits, Failure> {
    let Some(skills) = &ask.skills else {
        return Ok(Hits::default());
    };
    let best = skills
        .best(wanted.query, limits::ASK_HITS_OF_ONE_MAX)
        .await?;
    Ok(hits(best.into_iter().map(of_tool).collect()))
}

fn of_tool((name, offer): (String, OfferedTool)) -> Hit {
    let said = offer.tool.name.replace(['_', '-', '.'], " ");
    let description = cut(&offer.tool.description, limits::SNIPPET_BYTES_MAX);
    let row: Value = json!({
        "tool": name,
        "server": offer.skill.as_str(),
        "description": description,
        "call_with": if offer.tool.read_only { "skill_read" } else { "skill_call" },
    });
    let text = format!("{} {said}: {description}", offer.skill);
    Hit {
        row,
        item: Item::new(Store::Skills, format!("skill:{name}"), text),
        entities: Vec::new(),
    }
}
