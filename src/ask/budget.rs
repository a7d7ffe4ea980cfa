//! What of the results of several stores fits a budget: by what each is worth,
//! whichever store it is of. Pure.

use std::collections::BTreeSet;

use super::relevance::{Relevance, is_double, trust, words};
use super::{Decision, Item, Store};
use crate::limits;

/// What a place in the store's own order adds to relevance: the first this
/// much, the last nothing. A store knows what words do not say: in a
/// conversation, that a neighbour answers. Measured with `tests/domain/ask/locomo.py`.
const RANK_POINTS: f32 = 0.4;
/// What a result of a secondary store counts for beside one of the primary.
const SECONDARY_SHARE: f32 = 0.9;

/// What a place in an order counts for: the first all, the last nothing.
pub(super) fn later(rank: usize) -> f32 {
    (1.0 - rank as f32 / limits::ASK_HITS_OF_ONE_MAX as f32).max(0.0)
}

/// A result of a store.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it says.
    pub item: Item,
    /// Its place in its store's own order, from 0.
    pub rank: usize,
    /// What it takes of the result, in bytes.
    pub bytes: usize,
}

/// What is kept of the results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Places in the list that was given, the most worth first.
    pub places: Vec<usize>,
    /// Whether results were left out for want of room (doubles do not count).
    pub truncated: bool,
}

/// Chooses among the results of all stores, best first, without doubles, in at
/// most `max_tokens` of `limits::TOKEN_BYTES` each. One that does not fit is
/// passed over for smaller ones. `decision` is `None` where the caller chose
/// the stores: then all count alike.
pub fn keep(
    question: &str,
    decision: Option<&Decision>,
    found: &[Found],
    max_tokens: usize,
) -> Kept {
    let relevance = Relevance::to(question);
    let share = |store: Store| match decision {
        Some(decision) if decision.primary != store => SECONDARY_SHARE,
        _ => 1.0,
    };
    let worth = |found: &Found| {
        let rank = RANK_POINTS * later(found.rank);
        (relevance.of(&found.item) + rank) * trust(&found.item) * share(found.item.store)
    };
    let mut order: Vec<(usize, f32)> = found.iter().map(worth).enumerate().collect();
    order.sort_by(|a, b| {
        let name = |place: usize| &found[place].item.citation;
        b.1.total_cmp(&a.1).then_with(|| name(a.0).cmp(name(b.0)))
    });
    let mut kept = Kept {
        truncated: order.len() > limits::ANSWER_ITEMS_MAX,
        ..Kept::default()
    };
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    let mut room = max_tokens.saturating_mul(limits::TOKEN_BYTES);
    for (place, _) in order.into_iter().take(limits::ANSWER_ITEMS_MAX) {
        let words = words(&found[place].item.text);
        if seen.iter().any(|other| is_double(other, &words)) {
            continue;
        }
        match room.checked_sub(found[place].bytes) {
            Some(left) => {
                room = left;
                seen.push(words);
                kept.places.push(place);
            }
            None => kept.truncated = true,
        }
    }
    kept
}
