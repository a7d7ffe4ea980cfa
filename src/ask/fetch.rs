//! Searching one store for a question.

use std::sync::Arc;

use super::answer::{Hit, Record};
use super::fan_out::{StoreResults, StoreSearch};
use super::relevance::{Relevance, SIMILARITY_MIN};
use super::service::{Ask, StoreQuery};
use super::skill_tools::SkillTool;
use super::{Evidence, StoreKind};
use crate::caller::ToolGrants;
use crate::failure::Failure;
use crate::graph::about::{NamedTriple, Topic};
use crate::graph::query::Scope;
use crate::limits;
use crate::memory;
use crate::memory::contradiction::statement_slot;
use crate::store::memory::{Filter, Memory, MemoryState};
use crate::store::procedure::StoredDefinition;
use crate::text;

/// The first results of a search: they may answer without the question's words.
const LEADING: usize = 2;
/// A first result counts as relevant with at least this cosine and one common word, or
/// with at least this share of the question's keywords.
const LEADING_SIMILARITY: f32 = 0.2;
const LEADING_COVERAGE: f32 = 0.5;
/// The least confidence of a triple.
const CONFIDENCE_MIN: f64 = 0.3;

impl Ask {
    pub(super) fn store_search(
        self: &Arc<Self>,
        store: StoreKind,
        query: StoreQuery,
    ) -> StoreSearch {
        let ask = self.clone();
        Box::new(move || {
            Box::pin(async move {
                match store {
                    StoreKind::Episodic => ask.search_memories(query).await,
                    StoreKind::Semantic => {
                        let entities = query.entities.clone();
                        ask.triples_about(&query, entities).await.map(complete)
                    }
                    StoreKind::Procedural => ask.search_procedures(&query).await.map(complete),
                    StoreKind::Skills => ask.search_skills(query).await.map(complete),
                }
            })
        })
    }

    async fn search_memories(&self, query: StoreQuery) -> Result<StoreResults, Failure> {
        let search = memory::Search {
            query: query.text.clone(),
            vector: query.vector.clone(),
            filter: self.filter(&query),
            mode: memory::Mode::Hybrid,
            // As when the ranking was measured: dropping results that are too far away
            // is left to the selection.
            threshold: Some(0.0),
            offset: 0,
            limit: limits::ASK_HITS_PER_STORE_MAX,
            ends_early: false,
            explains_empty: false,
            explains: false,
        };
        let page = self.memories.search(search).await?;
        let hits = page.items.into_iter();
        let mut hits: Vec<Hit> = hits
            .map(|(memory, score)| memory_hit(memory, score.or(page.is_overview.then_some(0.0))))
            .collect();
        self.compare_memories(&query, &mut hits).await?;
        let relevance = Relevance::to(&query.text);
        if page.is_overview {
            hits.iter_mut().for_each(|hit| hit.evidence.leads = true);
        }
        for hit in hits.iter_mut().take(LEADING) {
            let evidence = &mut hit.evidence;
            if evidence.leads {
                continue;
            }
            let cosine = evidence.similarity.unwrap_or(0.0);
            let coverage = relevance.coverage(&evidence.text);
            evidence.leads = cosine >= SIMILARITY_MIN
                || cosine >= LEADING_SIMILARITY && coverage > 0.0
                || coverage >= LEADING_COVERAGE;
        }
        Ok(StoreResults {
            hits,
            degraded: page.degraded,
        })
    }

    pub(super) fn filter(&self, query: &StoreQuery) -> Filter {
        Filter {
            include_superseded: query.include_superseded,
            ..Filter::within(
                &query.grants.reach,
                query.projects.clone(),
                self.memories.now(),
            )
        }
    }

    /// Sets the similarity of memories to the question from their stored vectors.
    pub(super) async fn compare_memories(
        &self,
        query: &StoreQuery,
        hits: &mut [Hit],
    ) -> Result<(), Failure> {
        let Some(vector) = &query.vector else {
            return Ok(());
        };
        let ids = hits.iter().filter_map(Hit::memory_id).collect();
        let cosines = self
            .memories
            .similarities(&query.grants.reach, ids, vector.clone())
            .await?;
        for hit in hits {
            hit.evidence.similarity = hit.memory_id().and_then(|id| cosines.get(&id)).copied();
        }
        Ok(())
    }

    /// The triples around the entities that the question names and around
    /// `entities`: those that share most words with the question first, then the
    /// nearest.
    pub(super) async fn triples_about(
        &self,
        query: &StoreQuery,
        entities: Vec<String>,
    ) -> Result<Vec<Hit>, Failure> {
        let topic = Topic {
            scope: Scope {
                reach: query.grants.reach.clone(),
                projects: query.projects.clone(),
                at: self.graph.now(),
                min_confidence: CONFIDENCE_MIN,
                limit: limits::ASK_TRIPLES_MAX,
            },
            text: query.text.clone(),
            others: entities,
            include_ended: query.include_superseded,
        };
        let relevance = Relevance::to(&query.text);
        let triples = self.graph.about(topic).await?.into_iter();
        let mut hits: Vec<(f32, Hit)> = triples
            .map(triple_hit)
            .map(|hit| (relevance.coverage(&hit.evidence.text), hit))
            .collect();
        hits.sort_by(|a, b| b.0.total_cmp(&a.0));
        hits.truncate(limits::ASK_HITS_PER_STORE_MAX);
        Ok(hits.into_iter().map(|(_, hit)| hit).collect())
    }

    async fn search_procedures(&self, query: &StoreQuery) -> Result<Vec<Hit>, Failure> {
        let words = text::query_words(&query.text).into_iter();
        let mut words: Vec<String> = words.map(|asked| asked.word).collect();
        // Definitions are searched as they are written.
        let written = text::words(&query.text);
        let written = written.split(' ').filter(|word| !word.is_ascii());
        words.extend(written.map(str::to_owned));
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let (words, limit) = (words.join(" "), limits::ASK_HITS_PER_STORE_MAX);
        let found = self
            .procedures
            .find(&query.grants, Some(&words), limit)
            .await?;
        Ok(found.into_iter().map(procedure_hit).collect())
    }

    async fn search_skills(&self, query: StoreQuery) -> Result<Vec<Hit>, Failure> {
        let Some(skills) = &self.skills else {
            return Ok(Vec::new());
        };
        let found = skills.find(query.text, limits::ASK_HITS_PER_STORE_MAX);
        Ok(granted_hits(found.await?, &query.grants.tools))
    }
}

fn complete(hits: Vec<Hit>) -> StoreResults {
    StoreResults {
        hits,
        degraded: None,
    }
}

pub(super) fn memory_hit(memory: Memory, score: Option<f32>) -> Hit {
    let slot = match &memory.fields.topic_key {
        Some(key) => Some(format!("topic {key}")),
        None if memory.fields.category.is_statement() => statement_slot(&memory.content),
        None => None,
    };
    Hit {
        evidence: Evidence {
            at: Some(memory.when()),
            superseded: memory.state == MemoryState::Superseded,
            slot,
            ..Evidence::new(
                StoreKind::Episodic,
                format!("memory:{}", memory.id),
                memory.content.clone(),
            )
        },
        entities: memory.entities.clone(),
        record: Record::Memory(Box::new(memory), score),
    }
}

fn triple_hit(triple: NamedTriple) -> Hit {
    let slot = format!("{} {}", triple.subject.key, triple.predicate);
    Hit {
        evidence: Evidence {
            at: Some(triple.since),
            confidence: triple.confidence as f32,
            superseded: triple.ended.is_some(),
            slot: triple.is_functional.then_some(slot),
            ..Evidence::new(
                StoreKind::Semantic,
                format!("triple:{}", triple.id),
                triple.sentence(),
            )
        },
        entities: vec![triple.subject.key.clone(), triple.object.key.clone()],
        record: Record::Triple(Box::new(triple)),
    }
}

fn procedure_hit(stored: StoredDefinition) -> Hit {
    let citation = format!("procedure:{}@{}", stored.name, stored.version);
    let text = match stored.description.trim() {
        "" => in_words(&stored.name),
        description => format!("{}: {description}", in_words(&stored.name)),
    };
    Hit {
        evidence: Evidence::new(StoreKind::Procedural, citation, text),
        entities: Vec::new(),
        record: Record::Procedure(stored),
    }
}

/// The tools that the caller may use.
fn granted_hits(tools: Vec<SkillTool>, grants: &ToolGrants) -> Vec<Hit> {
    let granted = tools.into_iter().filter(|tool| grants.allow(&tool.name));
    granted.map(tool_hit).collect()
}

fn tool_hit(tool: SkillTool) -> Hit {
    let text = format!(
        "{} {}: {}",
        tool.skill,
        in_words(&tool.tool),
        tool.description
    );
    let citation = format!("skill:{}", tool.name);
    Hit {
        evidence: Evidence::new(StoreKind::Skills, citation, text),
        entities: Vec::new(),
        record: Record::Tool(tool),
    }
}

fn in_words(name: &str) -> String {
    name.replace(['_', '-', '.'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_are_not_granted_are_left_out() {
        let tool = |name: &str| SkillTool {
            name: format!("files__{name}"),
            skill: "files".to_owned(),
            tool: name.to_owned(),
            description: String::new(),
            is_read_only: false,
        };
        let patterns = ["files__*", "!files__delete"].map(str::to_owned);
        let grants = ToolGrants::Matching(patterns.into());
        let hits = granted_hits(vec![tool("read"), tool("delete")], &grants);
        let cited: Vec<&str> = hits
            .iter()
            .map(|hit| hit.evidence.citation.as_str())
            .collect();
        assert_eq!(cited, ["skill:files__read"]);
    }
}
