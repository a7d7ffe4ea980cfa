//! Why the ranking puts a memory where it is. Pure.

use std::collections::HashMap;

use super::{Question, Ranking, Weights};
use crate::clock::Timestamp;
use crate::store::memory::{Candidates, Hit, MemoryId};
use crate::text::dates;

/// The parts of a memory's score.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Why {
    /// Its BM25 score, if the keyword side found it.
    pub(crate) keyword: Option<f32>,
    /// The cosine between it and the question, if the semantic side found it.
    pub(crate) cosine: Option<f32>,
    /// The share of the question's words that it has, by their rarity.
    pub(crate) share: f32,
    /// How much it is part of a conversation, 0 to 1.
    pub(crate) talk: f32,
    /// The neighbours that raised it, and by how much; the nearest first.
    pub(crate) neighbours: Vec<(MemoryId, f32)>,
    /// The rules that applied, and their factors.
    pub(crate) rules: Vec<(&'static str, f32)>,
    /// The day at the beginning of its text.
    pub(crate) day: Option<Timestamp>,
}

/// Why each of `ids` has its place; none for those that are no candidates.
pub(crate) fn explain(
    question: &Question,
    candidates: &Candidates,
    weights: Weights,
    ids: &[MemoryId],
) -> HashMap<MemoryId, Why> {
    let ranking = Ranking::new(question, candidates, weights);
    let score_of = |hits: &[Hit], id| hits.iter().find(|hit| hit.id == id).map(|hit| hit.score);
    let explained = ranking
        .scored
        .iter()
        .filter(|scored| ids.contains(&scored.memory.id));
    let why = explained.map(|scored| {
        let memory = scored.memory;
        let mut rules = Vec::new();
        ranking.score(scored, |rule, factor| rules.push((rule, factor)));
        let mut neighbours = Vec::new();
        if scored.talk > 0.0 {
            let support = ranking
                .support(memory)
                .filter(|(_, support)| *support > 0.0);
            for (position, support) in support {
                let is_there = |other: &&super::Scored<'_>| {
                    other.memory.thread == memory.thread && other.memory.position == position
                };
                let mut there = ranking.scored.iter().filter(is_there);
                if let Some(other) = there.next() {
                    neighbours.push((other.memory.id, scored.talk * support));
                }
            }
        }
        let why = Why {
            keyword: score_of(&candidates.keyword, memory.id),
            cosine: score_of(&candidates.semantic, memory.id),
            share: scored.share,
            talk: scored.talk,
            neighbours,
            rules,
            day: memory.features.day.map(dates::timestamp),
        };
        (memory.id, why)
    });
    why.collect()
}
