//! Ranking: fuses the keyword side and the semantic side of a search into one list,
//! for conversations and for ordinary notes, by a short list of rules. Pure.
//!
//! Each side's scores are scaled to 0..1 over its own candidates, sharpened, weighted
//! and added. A keyword score counts by the share of the question that the memory's words
//! cover, or one generic word would win. How much a memory is part of a conversation (its
//! *talk*, 0 to 1) decides the rest: a turn of a conversation gains from its neighbours,
//! because an answer seldom fills a single turn, and the turn before counts for more,
//! because answers follow questions.
//!
//! Recall at 10 and the share of questions whose first result is right, through the
//! server: notes are `tests/recall/notes.json` (English, five other languages), talk is
//! the development half of LoCoMo (786 questions), unlabelled are two of its
//! conversations (26, 43) without names, mixed are the notes in the middle of one (26).
//!
//! | change | English | others | talk | unlabelled | mixed |
//! | --- | --- | --- | --- | --- | --- |
//! | all | .957 .814 | .880 .620 | .808 .496 | .781 .436 | .908 .667 |
//! | all as notes | | | .612 .305 | .540 .220 | .925 .700 |
//! | all as talk | .943 .600 | .760 .480 | | | .858 .550 |
//! | labels alone open the gate | | | | .540 .220 | .925 .700 |
//! | no share in notes | .957 .743 | .880 .560 | | | .908 .633 |
//! | no share of a turn's words | | | .809 .489 | .774 .430 | .892 .667 |
//! | a turn's cosine as sharp as a note's | | | .808 .491 | .781 .442 | .908 .675 |
//! | no neighbours | | | .716 .457 | .635 .393 | .900 .667 |
//! | two neighbours instead of four | | | .803 .487 | .763 .445 | .908 .675 |
//! | no speaker | | | .781 .462 | | |
//! | no length | | | .802 .471 | .766 .418 | .908 .675 |
//! | no question mark | | | .802 .485 | .780 .399 | |
//! | no time word | | | .808 .482 | .778 .415 | |
//! | no share added in talk | | | .807 .485 | .786 .436 | .908 .675 |
//! | talk not scaled down | | | | | .867 .600 |
//! | no series | .957 .800 | | | | .908 .658 |
//!
//! An empty field is as in "all". With the day of each turn as `said_at` talk is
//! .820 .518, and with the day before its text .822 .496.

mod explain;
mod question;

use std::collections::{BTreeSet, HashMap};

pub(crate) use explain::{Why, explain};
pub(crate) use question::Question;

use crate::embed::NoteWeights;
use crate::limits;
use crate::store::memory::{Candidate, Candidates, Hit, MemoryId, Surroundings};
use crate::text::features::QuestionMark;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the scaled BM25 score in conversations.
    pub(crate) keyword: f32,
    /// Of the scaled cosine in conversations.
    pub(crate) semantic: f32,
    pub(crate) notes: NoteWeights,
    /// Of the score of the stronger neighbour one place away in a conversation, and
    /// two; the third and the fourth have half of the one before.
    pub(crate) neighbours: [f32; 2],
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            keyword: 0.6,
            semantic: 0.4,
            notes: NoteWeights::default(),
            neighbours: [0.7, 0.4],
        }
    }
}

/// The weight of the neighbour after a memory, against the one before it.
const AFTER_SHARE: f32 = 0.75;
/// The power that scaled scores are raised to: above 1, the best of a side stand
/// out more.
const SHARPNESS: f32 = 1.4;
/// The same for cosines in a conversation, whose turns are short and much alike.
const TALK_COSINE_SHARPNESS: f32 = 1.1;
/// A turn's keyword score is multiplied by the share of the question that its words
/// cover, to this power.
const TALK_SHARE_POWER: f32 = 0.2;
/// A turn of a speaker other than the one the question names.
const OTHER_SPEAKER: f32 = 0.6;
/// A turn that asks answers nothing.
const ASKING: f32 = 0.2;
/// A short turn with a question in it asks, whatever else it says.
const SHORT_WORDS: u32 = 14;
/// A turn with a time word, if the question asks for a time.
const TIME: f32 = 0.2;
/// A turn of this many words or more gains most: it says more.
const LONG_WORDS: u32 = 60;
const LENGTH: f32 = 0.4;
/// The weight of the share of the question that a turn's words cover.
const TALK_SHARE: f32 = 0.1;
/// Turns gain from their neighbours, so they are scaled down to stand beside notes.
const TALK_SCALE: f32 = 1.2;
/// A memory of the same series with another number, and one of another day.
const OTHER_NUMBER: f32 = 0.5;
const OTHER_DAY: f32 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) id: MemoryId,
    /// Higher is better; comparable within one result only.
    pub(crate) score: f32,
}

/// The candidates in one list, best first; equal scores in the order of their ids, so
/// that the same question has the same answer. Those that only a cosine below `threshold`
/// found are left out: the others' cosines are scaled by them, no more.
pub(crate) fn rank(
    question: &Question,
    candidates: &Candidates,
    weights: Weights,
    threshold: f32,
) -> Vec<Ranked> {
    let ranking = Ranking::new(question, candidates, weights);
    let is_found = found(candidates, threshold);
    let scored = ranking.scored.iter();
    let scored = scored.filter(|scored| is_found(scored.memory));
    sorted(scored.map(|scored| (scored.memory.id, ranking.score(scored, |_, _| {}))))
}

/// Whether a word found a memory, or a cosine of at least `threshold`, or, in a
/// conversation, one of these stands beside it.
fn found(candidates: &Candidates, threshold: f32) -> impl Fn(&Candidate) -> bool {
    let near = candidates.semantic.iter();
    let near = near.filter(|hit| hit.score >= threshold);
    let mut ids: BTreeSet<MemoryId> = BTreeSet::new();
    let mut places: BTreeSet<(u32, i64)> = BTreeSet::new();
    for hit in candidates.keyword.iter().chain(near) {
        ids.insert(hit.id);
        places.insert((hit.thread, hit.position));
    }
    move |memory| {
        let reach = limits::CANDIDATE_NEIGHBOURS_MAX;
        let (first, last) = (memory.position - reach, memory.position + reach);
        let mut beside = places.range((memory.thread, first)..=(memory.thread, last));
        let is_turn = memory.surroundings.questions > 0.0;
        ids.contains(&memory.id) || is_turn && beside.next().is_some()
    }
}

/// Candidates with what decides between them.
pub(super) struct Ranking<'a> {
    question: &'a Question,
    pub(super) scored: Vec<Scored<'a>>,
    /// The best score of each place of a thread: an older version may share the place
    /// of the one that replaced it.
    at: HashMap<(u32, i64), f32>,
    /// The weights of the neighbours, the nearest first.
    distances: [f32; 4],
    /// Those that the question names.
    speakers: BTreeSet<&'a str>,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(
        question: &'a Question,
        candidates: &'a Candidates,
        weights: Weights,
    ) -> Ranking<'a> {
        let keyword = scaled_by_id(&candidates.keyword);
        let semantic = scaled_by_id(&candidates.semantic);
        // One side alone has nothing to be weighed against.
        let (note_keyword, note_semantic) = match keyword.is_empty() || semantic.is_empty() {
            true => (1.0, 1.0),
            false => (weights.notes.keyword, weights.notes.semantic),
        };
        let score = |memory: &'a Candidate| {
            let side = |scores: &HashMap<MemoryId, f32>| scores.get(&memory.id).copied();
            let keyword = side(&keyword).unwrap_or(0.0).powf(SHARPNESS);
            let semantic = side(&semantic).unwrap_or(0.0);
            let share = covered_share(memory.words, &candidates.idf);
            let talk = talk(&memory.surroundings);
            let note =
                weights.keyword * note_keyword * keyword * share.powf(weights.notes.share_power)
                    + weights.semantic * note_semantic * semantic.powf(SHARPNESS);
            let turn = weights.keyword * keyword * share.powf(TALK_SHARE_POWER)
                + weights.semantic * semantic.powf(TALK_COSINE_SHARPNESS);
            Scored {
                memory,
                share,
                talk,
                own: talk * turn + (1.0 - talk) * note,
            }
        };
        let scored: Vec<Scored<'a>> = candidates.pool.iter().map(score).collect();
        let mut at: HashMap<(u32, i64), f32> = HashMap::new();
        for Scored { memory, own, .. } in &scored {
            let best = at.entry((memory.thread, memory.position)).or_insert(0.0);
            *best = best.max(*own);
        }
        let [first, second] = weights.neighbours;
        Ranking {
            question,
            scored,
            at,
            distances: [first, second, second / 2.0, second / 4.0],
            speakers: question.speakers(&candidates.pool),
        }
    }

    /// What the neighbours of `memory` add: of each distance the place of the stronger
    /// one, and how much.
    fn support(&self, memory: &Candidate) -> impl Iterator<Item = (i64, f32)> {
        let near = |offset: i64, share: f32| {
            let place = (memory.thread, memory.position + offset);
            let own = self.at.get(&place).copied().unwrap_or(0.0);
            (memory.position + offset, share * own)
        };
        (1i64..).zip(self.distances).map(move |(away, share)| {
            let (before, after) = (near(-away, share), near(away, share * AFTER_SHARE));
            if after.1 > before.1 { after } else { before }
        })
    }

    /// The score by all rules. Each that applies is passed to `applied` with its factor.
    fn score(&self, scored: &Scored<'_>, mut applied: impl FnMut(&'static str, f32)) -> f32 {
        let Scored {
            memory,
            share,
            talk,
            own,
        } = *scored;
        let (question, features) = (self.question, &memory.features);
        let mut score = own;
        let mut scale = |score: &mut f32, rule, factor| {
            applied(rule, factor);
            *score *= factor;
        };
        if talk > 0.0 {
            score += talk
                * self
                    .support(memory)
                    .map(|(_, support)| support)
                    .sum::<f32>();
            let is_other = |label| memory.is_labelled && !self.speakers.contains(label);
            if !self.speakers.is_empty() && features.label.as_deref().is_some_and(is_other) {
                scale(&mut score, "another speaker", OTHER_SPEAKER);
            }
            if asks(memory) {
                scale(&mut score, "asks", 1.0 - ASKING * talk);
            }
            if question.asks_when && features.time_word {
                scale(&mut score, "has a time", 1.0 + TIME * talk);
            }
            let length = features.words.min(LONG_WORDS) as f32 / LONG_WORDS as f32;
            scale(&mut score, "length", 1.0 + LENGTH * talk * length);
            score += TALK_SHARE * share;
            score /= 1.0 + TALK_SCALE * talk;
        }
        if question.names_another(memory) {
            scale(&mut score, "another number", OTHER_NUMBER);
        }
        if question.is_of_another_day(memory) {
            scale(&mut score, "another day", OTHER_DAY);
        }
        score
    }
}

/// Both sides of candidates that are in no thread, by their weights alone.
pub(crate) fn fuse(keyword: &[Hit], semantic: &[Hit], weights: Weights) -> Vec<Ranked> {
    let mut own: HashMap<MemoryId, f32> = HashMap::new();
    for (hits, weight) in [(keyword, weights.keyword), (semantic, weights.semantic)] {
        for (id, scaled) in scaled_by_id(hits) {
            *own.entry(id).or_insert(0.0) += weight * scaled.powf(SHARPNESS);
        }
    }
    sorted(own.into_iter())
}

fn sorted(scores: impl Iterator<Item = (MemoryId, f32)>) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = scores.map(|(id, score)| Ranked { id, score }).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    ranked
}

/// A memory with what its rules need.
pub(super) struct Scored<'a> {
    memory: &'a Candidate,
    /// The share of the question that its words cover.
    share: f32,
    talk: f32,
    own: f32,
}

/// How much a memory is part of a conversation, 0 to 1: by the labels of speakers
/// around it, or by questions and by adjacent memories that are of one subject. A
/// thread without questions is none, or labels such as "Decision:" would make it one.
fn talk(around: &Surroundings) -> f32 {
    let by_labels = match around.thread_questions < 0.02 {
        true => 0.0,
        false => ramp(around.labelled, 0.4, 0.7),
    };
    let by_questions = match around.coherence {
        Some(coherence) => ramp(around.questions, 0.03, 0.1) * ramp(coherence, 0.03, 0.08),
        // A thread too short for that: people in a conversation ask often.
        None => ramp(around.questions, 0.1, 0.2),
    };
    by_labels.max(by_questions)
}

fn ramp(value: f32, from: f32, to: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

fn asks(memory: &Candidate) -> bool {
    match memory.features.question {
        QuestionMark::AtTheEnd => true,
        QuestionMark::Inside => memory.features.words < SHORT_WORDS,
        QuestionMark::None => false,
    }
}

/// The share of the question's words, by their rarity.
fn covered_share(words: u128, idf: &[f32]) -> f32 {
    let all: f32 = idf.iter().sum();
    let found = idf
        .iter()
        .enumerate()
        .filter(|(nth, _)| words >> nth & 1 == 1);
    let found: f32 = found.map(|(_, idf)| idf).sum();
    if all > 0.0 { found / all } else { 0.0 }
}

/// Scores moved to 0..1: the best of the side has 1, the least 0.
fn scaled_by_id(hits: &[Hit]) -> HashMap<MemoryId, f32> {
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
    hits.iter().map(|hit| (hit.id, scaled(hit.score))).collect()
}

#[cfg(test)]
mod tests;
