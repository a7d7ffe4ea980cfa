//! Selecting the best results of all stores within a budget. Pure.

use std::collections::BTreeSet;

use super::relevance::{Relevance, is_duplicate, trust, words};
use super::series::{Named, without_older};
use super::{Decision, Evidence, StoreKind};
use crate::limits;

/// The first rank of a store adds this much to relevance, the last nothing: the
/// store's order knows more than the words, for example that a neighbor in a
/// conversation answers. Measured with `tests/domain/ask/locomo.py`.
const RANK_WEIGHT: f32 = 0.4;
/// Weight of a secondary store's results.
const SECONDARY_WEIGHT: f32 = 0.9;

/// The weight of a rank: 1 for the first, 0 for the last.
pub(super) fn rank_weight(rank: usize) -> f32 {
    (1.0 - rank as f32 / limits::ASK_HITS_PER_STORE_MAX as f32).max(0.0)
}

#[derive(Clone, Debug)]
pub struct Candidate {
    pub evidence: Evidence,
    /// Its rank in its store, from 0; `usize::MAX` if its store did not rank it.
    pub rank: usize,
    /// The bytes it takes of the budget.
    pub bytes: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Indices of candidates, best first.
    pub indices: Vec<usize>,
    /// Whether candidates did not fit (duplicates do not count).
    pub is_truncated: bool,
}

/// The relevance of each candidate. Those of ranked memories are handed out in the
/// order of their search, which knows more than the words and the cosine: neighbours
/// in a conversation, dates, the numbers of a series. So memories keep that order,
/// while other stores' results are compared with them by relevance.
fn relevances(question: &str, candidates: &[Candidate]) -> Vec<f32> {
    let relevance = Relevance::to(question);
    let of = |candidate: &Candidate| relevance.of(&candidate.evidence);
    let mut relevances: Vec<f32> = candidates.iter().map(of).collect();
    let is_ranked = |index: &usize| {
        let candidate = &candidates[*index];
        candidate.evidence.store == StoreKind::Episodic && candidate.rank != usize::MAX
    };
    let mut ranked: Vec<usize> = (0..candidates.len()).filter(is_ranked).collect();
    // What the question names by its number comes before everything else.
    let named = Named::by(question);
    ranked.sort_by_cached_key(|index| {
        let candidate = &candidates[*index];
        (!named.is_in(&candidate.evidence.text), candidate.rank)
    });
    let mut best_first: Vec<f32> = ranked.iter().map(|index| relevances[*index]).collect();
    best_first.sort_by(|a, b| b.total_cmp(a));
    for (index, relevance) in ranked.into_iter().zip(best_first) {
        relevances[index] = relevance;
    }
    relevances
}

/// Selects the best candidates without duplicates, in at most `max_tokens` of
/// `limits::TOKEN_BYTES` each. Smaller ones take the place of one that does not
/// fit. Without a `decision` all stores have the same weight.
pub fn select(
    question: &str,
    decision: Option<&Decision>,
    candidates: &[Candidate],
    max_tokens: usize,
) -> Selection {
    let relevance = relevances(question, candidates);
    let store_weight = |store: StoreKind| match decision {
        Some(decision) if decision.primary != store => SECONDARY_WEIGHT,
        _ => 1.0,
    };
    let score = |(candidate, relevance): (&Candidate, f32)| {
        let evidence = &candidate.evidence;
        let relevance = relevance + RANK_WEIGHT * rank_weight(candidate.rank);
        relevance * trust(evidence) * store_weight(evidence.store)
    };
    let scores = candidates.iter().zip(relevance).map(score);
    let mut order: Vec<(usize, f32)> = scores.enumerate().collect();
    order.sort_by(|a, b| {
        let citation = |index: usize| &candidates[index].evidence.citation;
        let by_citation = || citation(a.0).cmp(citation(b.0));
        b.1.total_cmp(&a.1).then_with(by_citation)
    });
    let in_order = order
        .iter()
        .map(|(index, _)| (*index, &candidates[*index].evidence));
    let order = without_older(question, in_order);
    let mut selection = Selection {
        is_truncated: order.len() > limits::ANSWER_EVIDENCE_MAX,
        ..Selection::default()
    };
    let mut selected: Vec<BTreeSet<String>> = Vec::new();
    let mut room = max_tokens.saturating_mul(limits::TOKEN_BYTES);
    for index in order.into_iter().take(limits::ANSWER_EVIDENCE_MAX) {
        let words = words(&candidates[index].evidence.text);
        if selected.iter().any(|other| is_duplicate(other, &words)) {
            continue;
        }
        match room.checked_sub(candidates[index].bytes) {
            Some(left) => {
                room = left;
                selected.push(words);
                selection.indices.push(index);
            }
            None => selection.is_truncated = true,
        }
    }
    selection
}
