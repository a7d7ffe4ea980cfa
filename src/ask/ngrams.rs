//! A classifier of questions by their word n-grams, counted over the prototype
//! questions of each store. Pure.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::StoreKind;

/// The longest n-gram that is counted.
const NGRAM_WORDS: usize = 3;
/// Additive smoothing of the counts.
const SMOOTHING: f32 = 0.25;
/// Precedes the first word, so that a beginning is an n-gram of its own.
const BEGINNING: &str = "^";
/// A question with fewer than one known word in this many is of another language.
const WORDS_PER_KNOWN: usize = 3;

pub(super) struct Ngrams {
    /// The number of prototypes of each store that have an n-gram, by its hash:
    /// ten thousand n-grams have no collision in 64 bits.
    counts: HashMap<u64, [u16; 4]>,
    /// The weight of a prototype of each store, which makes the stores even.
    weights: [f32; 4],
}

impl Ngrams {
    /// Counts the n-grams of the prototypes, which are given in words.
    pub(crate) fn of<'a>(prototypes: impl Iterator<Item = (StoreKind, &'a str)>) -> Ngrams {
        let mut counts: HashMap<u64, [u16; 4]> = HashMap::new();
        let mut totals = [0_u16; 4];
        for (store, words) in prototypes {
            totals[store as usize] += 1;
            for ngram in ngrams(&from_beginning(words)) {
                counts.entry(ngram).or_default()[store as usize] += 1;
            }
        }
        let mean = totals.into_iter().map(f32::from).sum::<f32>() / 4.0;
        Ngrams {
            counts,
            weights: totals.map(|count| mean / f32::from(count.max(1))),
        }
    }

    /// The log-likelihood of each store relative to the average store, summed over
    /// the n-grams of `words` and divided by the root of the number of words,
    /// because overlapping n-grams repeat each other.
    pub(crate) fn scores(&self, words: &str) -> [f32; 4] {
        let mut scores = [0.0; 4];
        for ngram in ngrams(&from_beginning(words)) {
            let Some(counts) = self.counts.get(&ngram) else {
                continue;
            };
            let mut logs = [0.0; 4];
            for (log, (count, weight)) in logs.iter_mut().zip(counts.iter().zip(self.weights)) {
                *log = (f32::from(*count) * weight + SMOOTHING).ln();
            }
            let mean = logs.iter().sum::<f32>() / 4.0;
            for (sum, log) in scores.iter_mut().zip(logs) {
                *sum += log - mean;
            }
        }
        let number = words.split(' ').count() as f32;
        scores.map(|sum| sum / number.sqrt())
    }

    /// Whether hardly any word is in a prototype: the question is in another language,
    /// or consists of names.
    pub(crate) fn is_unfamiliar(&self, words: &[&str]) -> bool {
        let is_known = |word: &&&str| self.counts.contains_key(&hash(word));
        words.iter().filter(is_known).count() * WORDS_PER_KNOWN < words.len()
    }
}

fn from_beginning(words: &str) -> String {
    format!("{BEGINNING} {words}")
}

/// The hash of each distinct n-gram.
fn ngrams(words: &str) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for word in words.split(' ') {
        starts.push(at);
        at += word.len();
        let longest = starts.len().saturating_sub(NGRAM_WORDS);
        let ending = starts[longest..].iter().map(|start| &words[*start..at]);
        hashes.extend(ending.filter(|ngram| *ngram != BEGINNING).map(hash));
        at += 1;
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// A hash that is the same in every process.
fn hash(ngram: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(ngram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Ngrams {
        let prototypes = [
            (StoreKind::Episodic, "what did she say"),
            (StoreKind::Episodic, "why did it fail"),
            (StoreKind::Semantic, "who owns it"),
            (StoreKind::Procedural, "how is it done"),
            (StoreKind::Skills, "is it online"),
        ];
        Ngrams::of(prototypes.into_iter())
    }

    #[test]
    fn ngrams_mark_the_beginning_and_have_three_words_at_most() {
        let mut expected = ["^ a", "^ a b", "a", "a b", "a b a", "b", "b a", "b a b"].map(hash);
        expected.sort_unstable();
        assert_eq!(ngrams("^ a b a b"), expected);
        assert!(ngrams("^").is_empty());
    }

    #[test]
    fn words_of_one_store_count_for_it_alone() {
        let scores = counted().scores("did");
        assert!(scores[0] > 0.0, "{scores:?}");
        assert!(scores[1..].iter().all(|other| *other < 0.0), "{scores:?}");
        assert!(scores.iter().sum::<f32>().abs() < 1e-5, "{scores:?}");
        assert_eq!(counted().scores("zzz"), [0.0; 4]);
        assert_eq!(counted().scores(""), [0.0; 4]);
    }

    #[test]
    fn one_known_word_in_three_makes_a_question_familiar() {
        let is_unfamiliar = |words: &[&str]| counted().is_unfamiliar(words);
        assert!(is_unfamiliar(&["wer", "leitet", "das", "projekt"]));
        assert!(!is_unfamiliar(&["who", "leitet", "projekt"]));
        assert!(!is_unfamiliar(&[]));
    }
}
