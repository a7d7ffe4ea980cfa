//! The four stores as what a question is gathered from: a search each, whose
//! results are rows for a client and items for an answer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Ask;
use crate::ask::{Hit, Hits, Item, Search, Store};
use crate::failure::Failure;
use crate::graph::about::Said;
use crate::graph::query::Scope;
use crate::limits;
use crate::memory;
use crate::procedure::{KeptDefinition, view};
use crate::registry::Offer;
use crate::store::PROJECT_SHARED;
use crate::store::memory::{Filter, Memory, State};
use crate::text;
use crate::tools::graph::shown;
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
    /// Entities that it is about without naming them.
    pub entities: Vec<String>,
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

/// The current project and the shared one.
fn projects(ask: &Ask) -> Vec<String> {
    let mut projects = vec![ask.project.clone()];
    if ask.project != PROJECT_SHARED {
        projects.push(PROJECT_SHARED.to_owned());
    }
    projects
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
        filter: Filter {
            projects: projects(ask),
            now: ask.memories.now(),
            ..Filter::default()
        },
        mode: memory::Mode::Hybrid,
        threshold: LIKENESS,
        offset: 0,
        limit: limits::ASK_HITS_OF_ONE_MAX,
    };
    let page = ask.memories.search(search).await?;
    let each = |(memory, score): (Memory, Option<f32>)| of_memory(ask, memory, score);
    Ok(Hits {
        list: page.items.into_iter().map(each).collect(),
        degraded: page.degraded,
    })
}

fn of_memory(ask: &Ask, memory: Memory, score: Option<f32>) -> Hit {
    let snippet = cut(&memory.content, limits::SNIPPET_BYTES_MAX);
    let row = row(&memory, score, snippet, 0, &ask.project);
    Hit {
        row,
        item: Item {
            at: Some(memory.created_at),
            superseded: memory.state == State::Superseded,
            ..item(
                Store::Episodic,
                format!("memory:{}", memory.id),
                memory.content,
            )
        },
        entities: memory.entities,
    }
}

async fn semantic(ask: &Ask, wanted: Wanted) -> Result<Hits, Failure> {
    let scope = Scope {
        projects: projects(ask),
        at: ask.graph.now(),
        min_confidence: CONFIDENCE,
        limit: limits::ASK_HITS_OF_ONE_MAX,
    };
    let said = ask.graph.about(scope, wanted.query, wanted.entities);
    Ok(hits(said.await?.into_iter().map(of_triple).collect()))
}

fn of_triple(said: Said) -> Hit {
    let mut row = json!({
        "id": said.triple,
        "subject": said.subject.key,
        "predicate": said.predicate,
        "object": said.object.key,
        "since": said.since.to_iso(),
    });
    if said.confidence < 1.0 {
        row["confidence"] = json!(shown(said.confidence));
    }
    Hit {
        row,
        item: Item {
            at: Some(said.since),
            confidence: said.confidence as f32,
            ..item(
                Store::Semantic,
                format!("triple:{}", said.triple),
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
        .find(Some(&words), limits::ASK_HITS_OF_ONE_MAX);
    Ok(hits(found.await?.into_iter().map(of_procedure).collect()))
}

fn of_procedure(kept: KeptDefinition) -> Hit {
    let citation = format!("procedure:{}@{}", kept.name, kept.version);
    let name = kept.name.replace(['_', '-', '.'], " ");
    let text = format!("{name}: {}", kept.description);
    Hit {
        row: view::listed(&kept),
        item: item(Store::Procedural, citation, text),
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

fn of_tool((name, offer): (String, Offer)) -> Hit {
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
        item: item(Store::Skills, format!("skill:{name}"), text),
        entities: Vec::new(),
    }
}

fn item(store: Store, citation: String, text: String) -> Item {
    Item {
        store,
        citation,
        text,
        vector: None,
        at: None,
        confidence: 1.0,
        superseded: false,
        contradicts: Vec::new(),
    }
}
