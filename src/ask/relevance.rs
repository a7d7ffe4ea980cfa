//! How much a text has to do with a question, on one scale for all stores, and
//! when two texts say the same. Pure.
//!
//! Relevance joins the cosine with the share of the question's telling words
//! that the text has, so that neither a rare name nor a paraphrase is missed. Of
//! a question that asks several things, a text need only answer one.

use std::collections::BTreeSet;

use super::Item;
use super::clauses::clauses;
use super::quote::beginning;
use crate::{limits, text};

/// The part that meaning has where there are vectors; words have the rest.
const MEANING_SHARE: f32 = 0.6;
/// The relevance from which an item is taken to answer. Measured in
/// `tests/domain/ask/answering.rs`.
pub(super) const RELEVANT: f32 = 0.33;
/// The relevance from which an item is quoted beside one that answers: when it
/// was chosen, `tests/domain/ask/locomo.py` found .777 of the evidence cited with it and
/// .731 without.
pub(super) const BESIDE: f32 = 0.26;
/// What an item counts for whose store is not sure of it at all.
const UNSURE_SHARE: f32 = 0.5;
/// What an item counts for that something newer stands in place of.
const SUPERSEDED_SHARE: f32 = 0.6;
/// The share of common words from which two texts say the same.
const SAME_SHARE: f32 = 0.85;
/// A clause of fewer telling words asks nothing by itself.
const CLAUSE_WORDS_MIN: usize = 2;
/// Words are one where one begins with the other and both are at least so long.
const STEM_CHARS: usize = 4;

/// A question prepared for comparing many texts with it.
pub struct Relevance {
    /// The telling words of the whole, then of each of its clauses.
    parts: Vec<Vec<String>>,
}

impl Relevance {
    /// Prepares a question.
    pub fn to(question: &str) -> Self {
        let telling = |text: &str| -> Vec<String> {
            let words = text::query_words(text).into_iter();
            words.map(|asked| asked.word).collect()
        };
        let clauses = clauses(question);
        let clauses = clauses.iter().map(|clause| telling(clause));
        let mut parts = vec![telling(question)];
        parts.extend(clauses.filter(|words| words.len() >= CLAUSE_WORDS_MIN));
        Relevance { parts }
    }

    /// How much an item has to do with the question, 0 to 1.
    pub fn of(&self, item: &Item) -> f32 {
        let coverage = self.coverage(&item.text);
        match item.likeness {
            Some(cosine) => MEANING_SHARE * part(cosine) + (1.0 - MEANING_SHARE) * coverage,
            None => coverage,
        }
    }

    /// Whether any of the items answers the question.
    pub fn is_answered_by<'a>(&self, mut items: impl Iterator<Item = &'a Item>) -> bool {
        items.any(|item| self.of(item) >= RELEVANT)
    }

    /// The share of the telling words that `text` has: of the question, or of the
    /// clause of it that it has most of.
    pub fn coverage(&self, text: &str) -> f32 {
        let had = words(text);
        let found = |asked: &&String| had.iter().any(|word| is_same_word(word, asked));
        let share = |asked: &Vec<String>| match asked.len() {
            0 => 0.0,
            all => asked.iter().filter(found).count() as f32 / all as f32,
        };
        self.parts.iter().map(share).fold(0.0, f32::max)
    }
}

/// What an item counts for beside one that is sure and stands, 0 to 1.
pub(super) fn trust(item: &Item) -> f32 {
    let sure = part(item.confidence);
    let sure = UNSURE_SHARE + (1.0 - UNSURE_SHARE) * sure;
    match item.superseded {
        true => sure * SUPERSEDED_SHARE,
        false => sure,
    }
}

/// A number of somebody else's between 0 and 1; one that is none is 0.
fn part(number: f32) -> f32 {
    match number.is_nan() {
        true => 0.0,
        false => number.clamp(0.0, 1.0),
    }
}

/// The words of a text's beginning, to find doubles with [`is_double`].
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let text = beginning(text, limits::ANSWER_SOURCE_BYTES_MAX);
    text::words(text)
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether two texts say the same in nearly the same words. A number in one
/// that the other lacks makes them different: that is what they tell.
pub(super) fn is_double(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    let differs = one.symmetric_difference(other).any(|word| is_telling(word));
    !differs && all > 0 && common as f32 >= SAME_SHARE * all as f32
}

/// Whether the word alone makes another statement of a sentence.
pub(super) fn is_telling(word: &str) -> bool {
    word.chars().any(char::is_numeric) || NEGATIONS.contains(&word)
}

/// Words that turn a sentence round; contractions in the pieces they leave.
const NEGATIONS: &[&str] = &[
    "no", "not", "never", "without", "don", "doesn", "isn", "wasn", "didn",
];

fn is_same_word(word: &str, asked: &str) -> bool {
    let long = |text: &str| text.chars().count() >= STEM_CHARS;
    word == asked
        || long(word) && long(asked) && (word.starts_with(asked) || asked.starts_with(word))
}
