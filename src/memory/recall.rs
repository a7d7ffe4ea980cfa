//! Ranking: fuses the keyword side and the semantic side of a search into one
//! list, and raises memories next to good hits in their thread. Pure.
//!
//! Each side's scores are scaled to 0..1 over its own candidates, sharpened,
//! weighted and added. Then a memory gains a share of the scores just before and
//! after it in its thread, of the stronger of the two at each distance, because
//! an answer seldom fills a single turn of a conversation. The memory before counts
//! for more, because answers follow questions.
//!
//! Measured on the development half of LoCoMo (five conversations, 786
//! questions), recall at 10 and nDCG at 10 of the hybrid: .675 without
//! neighbours; .730 and .528 with both neighbours added alike; .748 and .544 with
//! the weights here. Each weight is on a plateau: weights of .5 to .7 for the nearer
//! neighbour, .6 to 1 for `AFTER_SHARE`, 1.2 to 1.8 for `SHARPNESS` and 100 to
//! 300 candidates a side all stay within .005. Joining the two sides by
//! reciprocal ranks instead falls below keywords alone.

use std::collections::HashMap;

use crate::store::memory::{Candidates, Hit, MemoryId};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the scaled BM25 score.
    pub(crate) keyword: f32,
    /// Of the scaled cosine.
    pub(crate) semantic: f32,
    /// Of the score of the stronger neighbour one place away, and two.
    pub(crate) neighbours: [f32; 2],
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            keyword: 0.6,
            semantic: 0.4,
            neighbours: [0.6, 0.3],
        }
    }
}

/// The weight of the neighbour after a memory, against the one before it.
const AFTER_SHARE: f32 = 0.75;

/// The power that scaled scores are raised to: above 1, the best of a side stand
/// out more.
const SHARPNESS: f32 = 1.4;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) id: MemoryId,
    /// Higher is better; comparable within one result only.
    pub(crate) score: f32,
}

/// All candidates of both sides in one list, best first; equal scores in the
/// order of their ids, so that the same question has the same answer.
pub(crate) fn rank(candidates: &Candidates, weights: Weights) -> Vec<Ranked> {
    let mut own: HashMap<MemoryId, (f32, ThreadPosition)> = HashMap::new();
    let sides = [
        (&candidates.keyword, weights.keyword),
        (&candidates.semantic, weights.semantic),
    ];
    for (hits, weight) in sides {
        for (hit, scaled) in hits.iter().zip(scale(hits)) {
            let place = (hit.thread, hit.position);
            own.entry(hit.id).or_insert((0.0, place)).0 += weight * scaled.powf(SHARPNESS);
        }
    }
    // An older version may share the place of the one that replaced it.
    let mut at: HashMap<ThreadPosition, f32> = HashMap::new();
    for (score, place) in own.values() {
        let best = at.entry(*place).or_insert(0.0);
        *best = best.max(*score);
    }
    let support = |(thread, position): ThreadPosition| -> f32 {
        let near = |offset: i64| at.get(&(thread, position + offset)).copied().unwrap_or(0.0);
        (1i64..)
            .zip(weights.neighbours)
            .map(|(away, share)| share * near(-away).max(AFTER_SHARE * near(away)))
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

type ThreadPosition = (u32, i64);

/// Scores moved to 0..1: the best of the side has 1, the least 0.
fn scale(hits: &[Hit]) -> Vec<f32> {
    let scores = || hits.iter().map(|hit| hit.score);
    let least = scores().fold(f32::INFINITY, f32::min);
    let most = scores().fold(f32::NEG_INFINITY, f32::max);
    let span = most - least;
    let scaled = |score: f32| {
        if span > 0.0 {
            (score - least) / span
        } else {
            1.0
        }
    };
    scores().map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(id: MemoryId, score: f32, thread: u32, position: i64) -> Hit {
        Hit {
            id,
            score,
            thread,
            position,
        }
    }

    fn ids(keyword: Vec<Hit>, semantic: Vec<Hit>, weights: Weights) -> Vec<MemoryId> {
        let ranked = rank(&Candidates { keyword, semantic }, weights);
        assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
        ranked.into_iter().map(|ranked| ranked.id).collect()
    }

    #[test]
    fn both_sides_count_by_their_weights() {
        let keyword = vec![hit(1, 9.0, 0, 1), hit(2, 1.0, 1, 1)];
        let semantic = vec![hit(3, 0.9, 2, 1), hit(2, 0.2, 1, 1)];
        let alone = |keyword, semantic| Weights {
            keyword,
            semantic,
            neighbours: [0.0; 2],
        };
        let ranked = |weights| ids(keyword.clone(), semantic.clone(), weights);
        assert_eq!(ranked(alone(0.6, 0.4)), [1, 3, 2]);
        assert_eq!(ranked(alone(0.4, 0.6)), [3, 1, 2]);
        assert_eq!(
            ids(vec![], vec![], Weights::default()),
            Vec::<MemoryId>::new()
        );
    }

    #[test]
    fn preceding_neighbour_in_the_thread_raises_rank_most() {
        // All but the first score nothing of their own.
        let keyword = vec![
            hit(10, 5.0, 0, 10),
            hit(1, 0.0, 0, 11), // follows it
            hit(2, 0.0, 0, 9),  // precedes it
            hit(3, 0.0, 0, 12), // two after
            hit(4, 0.0, 0, 13), // too far
            hit(5, 0.0, 1, 11), // elsewhere
        ];
        assert_eq!(
            ids(keyword, vec![], Weights::default()),
            [10, 1, 2, 3, 4, 5]
        );
    }

    #[test]
    fn older_version_at_the_same_position_counts_once() {
        let keyword = vec![
            hit(1, 5.0, 0, 1),
            hit(2, 5.0, 0, 1),
            hit(3, 0.0, 0, 2),
            hit(4, 5.0, 1, 1),
            hit(5, 0.0, 1, 2),
        ];
        let ranked = rank(
            &Candidates {
                keyword,
                semantic: vec![],
            },
            Weights::default(),
        );
        let score = |id| ranked.iter().find(|r| r.id == id).map(|r| r.score);
        assert_eq!(score(3), score(5));
    }

    #[test]
    fn equal_scores_stand_in_the_order_of_their_ids() {
        let same = vec![hit(7, 1.0, 0, 1), hit(3, 1.0, 1, 1), hit(5, 1.0, 2, 1)];
        assert_eq!(ids(same, vec![], Weights::default()), [3, 5, 7]);
    }
}
