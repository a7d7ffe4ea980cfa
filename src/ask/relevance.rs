//! The relevance of a text to a question, on one scale for all stores, and
//! duplicate texts. Pure.
//!
//! Relevance combines the cosine with the share of the question's keywords that
//! the text has, so that neither a rare name nor a paraphrase is missed. If a
//! question asks several things, a text need answer only one.

use std::collections::BTreeSet;

use super::Evidence;
use super::clauses::clauses;
use crate::limits;
use crate::text::{self, beginning};

/// The weight of the cosine, if there are vectors; keywords have the rest.
const COSINE_WEIGHT: f32 = 0.6;
/// The least relevance of evidence that answers. Measured in
/// `tests/domain/ask/answering.rs`.
pub(super) const RELEVANT: f32 = 0.33;
/// The least relevance of evidence that is quoted besides evidence that answers:
/// when it was chosen, `tests/domain/ask/locomo.py` found .777 of the evidence
/// cited with it and .731 without.
pub(super) const SUPPORTING: f32 = 0.26;
/// The least cosine of a memory that shares no word with the question. It refuses 70 %
/// of the off-topic questions and 2 % of the others.
pub(super) const SIMILARITY_MIN: f32 = 0.3;
/// The weight of evidence with confidence 0.
const UNSURE_WEIGHT: f32 = 0.5;
const SUPERSEDED_WEIGHT: f32 = 0.6;
/// The least share of common words in duplicates.
const DUPLICATE_SHARE: f32 = 0.85;
/// A clause with fewer keywords asks nothing by itself.
const CLAUSE_KEYWORDS_MIN: usize = 2;
/// Words of at least this length match if one begins with the other.
const STEM_CHARS: usize = 4;

/// A question, prepared for comparing many texts with it.
pub(super) struct Relevance {
    /// The keywords of the whole question, then of each clause.
    parts: Vec<Vec<String>>,
}

impl Relevance {
    pub(crate) fn to(question: &str) -> Self {
        let keywords = |text: &str| -> Vec<String> {
            let words = text::query_words(text).into_iter();
            words.map(|asked| asked.word).collect()
        };
        let clauses = clauses(question);
        let clauses = clauses.iter().map(|clause| keywords(clause));
        let mut parts = vec![keywords(question)];
        parts.extend(clauses.filter(|words| words.len() >= CLAUSE_KEYWORDS_MIN));
        Relevance { parts }
    }

    /// The relevance of evidence, 0 to 1.
    pub(crate) fn of(&self, evidence: &Evidence) -> f32 {
        let coverage = self.coverage(&evidence.text);
        match evidence.similarity {
            Some(cosine) => COSINE_WEIGHT * unit(cosine) + (1.0 - COSINE_WEIGHT) * coverage,
            None => coverage,
        }
    }

    pub(crate) fn answers(&self, evidence: &Evidence) -> bool {
        evidence.leads || self.of(evidence) >= RELEVANT
    }

    /// Whether evidence is related to the question at all.
    pub(crate) fn is_near(&self, evidence: &Evidence) -> bool {
        let is_similar = |cosine: f32| cosine >= SIMILARITY_MIN;
        evidence.similarity.is_some_and(is_similar) || self.coverage(&evidence.text) > 0.0
    }

    pub(crate) fn is_answered_by<'a>(&self, mut all: impl Iterator<Item = &'a Evidence>) -> bool {
        all.any(|evidence| self.answers(evidence))
    }

    /// The share of the keywords that `text` has: of the question, or of the clause
    /// that it covers best.
    pub(crate) fn coverage(&self, text: &str) -> f32 {
        let text = beginning(text, limits::ANSWER_SOURCE_BYTES_MAX);
        let words = text::index_words(text);
        let words: BTreeSet<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        let found = |asked: &&String| words.iter().any(|word| is_same_word(word, asked));
        let share = |asked: &Vec<String>| match asked.len() {
            0 => 0.0,
            all => asked.iter().filter(found).count() as f32 / all as f32,
        };
        self.parts.iter().map(share).fold(0.0, f32::max)
    }
}

/// The weight of evidence by its confidence and whether it is current, 0 to 1.
pub(super) fn trust(evidence: &Evidence) -> f32 {
    let weight = UNSURE_WEIGHT + (1.0 - UNSURE_WEIGHT) * unit(evidence.confidence);
    match evidence.superseded {
        true => weight * SUPERSEDED_WEIGHT,
        false => weight,
    }
}

/// A number brought into 0 to 1; NaN becomes 0.
fn unit(number: f32) -> f32 {
    match number.is_nan() {
        true => 0.0,
        false => number.clamp(0.0, 1.0),
    }
}

/// The words of a text's beginning, for [`is_duplicate`].
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let text = beginning(text, limits::ANSWER_SOURCE_BYTES_MAX);
    text::words(text)
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether two texts say the same in nearly the same words. A number or a
/// negation that only one of them has makes them different.
pub(super) fn is_duplicate(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    let differs = one
        .symmetric_difference(other)
        .any(|word| text::is_decisive(word));
    !differs && all > 0 && common as f32 >= DUPLICATE_SHARE * all as f32
}

fn is_same_word(word: &str, asked: &str) -> bool {
    let long = |text: &str| text.chars().count() >= STEM_CHARS;
    word == asked
        || long(word) && long(asked) && (word.starts_with(asked) || asked.starts_with(word))
}
