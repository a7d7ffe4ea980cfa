//! The candidates of a memory search, for the `memory` room to rank.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::MemoryId;
use crate::clock::Timestamp;
use crate::limits;
use crate::text::features::Features;

/// Positions of one block: three of them are the surroundings of a memory.
pub(super) const BLOCK_POSITIONS: i64 = 10;
/// A label that this many memories of a thread share is a speaker's.
pub(super) const SPEAKER_MEMORIES_MIN: i64 = 3;
/// Memories this far apart or more are compared for the coherence of their thread.
const APART_POSITIONS_MIN: i64 = 8;

/// The position that a memory of a thread is compared with, because it is far away.
pub(super) fn apart_from(position: i64) -> Option<i64> {
    let other = position / 2;
    (position - other >= APART_POSITIONS_MIN).then_some(other)
}

/// The position of a candidate: its thread's number in the answer, and its place there.
pub(super) type ThreadPosition = (u32, i64);

/// The stretches of threads to read for the memories beside these candidates, as far as
/// their threads may be conversations.
pub(super) fn beside<'a>(
    best: impl Iterator<Item = &'a Candidate>,
) -> BTreeMap<u32, Vec<RangeInclusive<i64>>> {
    let mut places: Vec<ThreadPosition> = best
        .filter(|candidate| candidate.surroundings.questions > 0.0)
        .map(|candidate| (candidate.thread, candidate.position))
        .collect();
    places.sort_unstable();
    let reach = limits::CANDIDATE_NEIGHBOURS_MAX;
    let mut stretches: BTreeMap<u32, Vec<RangeInclusive<i64>>> = BTreeMap::new();
    for (thread, position) in places {
        let stretches = stretches.entry(thread).or_default();
        let (start, end) = (position - reach, position + reach);
        match stretches.last_mut() {
            Some(last) if start <= *last.end() + 1 => *last = *last.start()..=end,
            _ => stretches.push(start..=end),
        }
    }
    stretches
}

/// How many of the nearest vectors to compare after `found` of the first `depth` passed
/// a filter: half of them give `limit` if the same share passes, and a quarter is added
/// for variation.
pub(super) fn next_depth(found: usize, depth: usize, limit: usize) -> usize {
    depth.saturating_mul(limit).saturating_mul(5) / (2 * found.max(1))
}

/// A candidate of one side of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub id: MemoryId,
    /// Higher is better: BM25 on the keyword side, cosine on the semantic one.
    pub score: f32,
    /// Which thread it belongs to; equal numbers, same thread, within one answer.
    pub(crate) thread: u32,
    /// Its place in the thread, from 1.
    pub(crate) position: i64,
}

/// The best of each side, best first.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    pub keyword: Vec<Hit>,
    pub semantic: Vec<Hit>,
    /// The memories of both sides, and those beside them in conversations.
    pub(crate) pool: Vec<Candidate>,
    /// The inverse document frequency of each of the query's words.
    pub(crate) idf: Vec<f32>,
}

/// A memory that a search ranks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: MemoryId,
    /// As in [`Hit`].
    pub(crate) thread: u32,
    pub(crate) position: i64,
    /// A bit for each of the query's words that it has.
    pub(crate) words: u128,
    pub(crate) features: Features,
    pub(crate) said_at: Option<Timestamp>,
    /// Whether its label is one of its thread's speakers.
    pub(crate) is_labelled: bool,
    pub(crate) surroundings: Surroundings,
}

/// The neighborhood of a memory in its thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Surroundings {
    /// Shares of the memories near it: with a speaker's label, with a question mark.
    pub(crate) labelled: f32,
    pub(crate) questions: f32,
    /// The share with a question mark in the whole thread.
    pub(crate) thread_questions: f32,
    /// The mean cosine of adjacent memories near it, less that of memories of the
    /// thread that are far from each other; `None` in a short thread.
    pub(crate) coherence: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_beside_candidates_are_joined() {
        let at = |thread, position, questions| Candidate {
            thread,
            position,
            surroundings: Surroundings {
                questions,
                ..Surroundings::default()
            },
            ..Candidate::default()
        };
        let best = [
            at(1, 40, 0.1),
            at(0, 10, 0.5),
            at(0, 30, 0.5),
            at(0, 19, 0.5),
            at(2, 7, 0.0),
        ];
        let expected = [(0, vec![6..=23, 26..=34]), (1, vec![36..=44])];
        assert_eq!(beside(best.iter()), BTreeMap::from(expected));
    }

    #[test]
    fn next_depth_follows_the_share_that_passed() {
        assert_eq!(next_depth(200, 405, 200), 1_012, "half of them");
        assert_eq!(next_depth(40, 800, 200), 10_000, "one of twenty");
        assert_eq!(next_depth(0, 800, 200), 400_000, "none");
    }
}
