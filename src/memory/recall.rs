//! Ranking: joins the keyword side and the semantic side of a search into one
//! list, and lets neighbours in a conversation support each other. Pure.
//!
//! Each side's scores are stretched to 0..1 over its own candidates, weighed
//! and added; then a memory gains a share of the scores of the memories just
//! before and after it in its thread, because an answer seldom stands alone in
//! a conversation. Measured on the development half of LoCoMo (five
//! conversations) this beats ranks joined reciprocally, and the neighbours give
//! more than any larger model did.

use std::collections::HashMap;

use crate::store::memory::{Candidates, Hit, MemoryId};

/// How much each part counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the stretched BM25 score.
    pub keyword: f32,
    /// Of the stretched cosine.
    pub semantic: f32,
    /// Of the score of the neighbour one place away, and two places away.
    pub neighbours: [f32; 2],
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            keyword: 0.6,
            semantic: 0.4,
            neighbours: [0.3, 0.15],
        }
    }
}

/// A memory with its place in the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The memory.
    pub id: MemoryId,
    /// Higher is better; comparable within one result only.
    pub score: f32,
}

/// All candidates of both sides in one list, best first; equal scores in the
/// order of their ids, so that the same question has the same answer.
pub fn rank(candidates: &Candidates, weights: Weights) -> Vec<Ranked> {
    let mut own: HashMap<MemoryId, (f32, Place)> = HashMap::new();
    let sides = [
        (&candidates.keyword, weights.keyword),
        (&candidates.semantic, weights.semantic),
    ];
    for (hits, weight) in sides {
        for (hit, stretched) in hits.iter().zip(stretch(hits)) {
            let place = (hit.thread, hit.position);
            own.entry(hit.id).or_insert((0.0, place)).0 += weight * stretched;
        }
    }
    // An older version may share the place of the one that replaced it.
    let mut at: HashMap<Place, f32> = HashMap::new();
    for (score, place) in own.values() {
        let best = at.entry(*place).or_insert(0.0);
        *best = best.max(*score);
    }
    let support = |(thread, position): Place| -> f32 {
        let near = |offset: i64| at.get(&(thread, position + offset)).copied().unwrap_or(0.0);
        (1i64..)
            .zip(weights.neighbours)
            .map(|(away, share)| share * (near(away) + near(-away)))
            .sum()
    };
    let mut ranked: Vec<Ranked> = own
        .into_iter()
        .map(|(id, (score, place))| Ranked {
            id,
            score: score + support(place),
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    ranked
}

/// A thread and a position in it.
type Place = (u32, i64);

/// Scores moved to 0..1: the best of the side has 1, the least 0.
fn stretch(hits: &[Hit]) -> Vec<f32> {
    let scores = || hits.iter().map(|hit| hit.score);
    let least = scores().fold(f32::INFINITY, f32::min);
    let most = scores().fold(f32::NEG_INFINITY, f32::max);
    let span = most - least;
    let stretched = |score: f32| {
        if span > 0.0 {
            (score - least) / span
        } else {
            1.0
        }
    };
    scores().map(stretched).collect()
}
