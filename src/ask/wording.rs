//! How the questions of a store are worded: which runs of words the prototypes
//! of one have more often than those of the others. Pure.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::Store;

/// The longest run that is counted.
const RUN_WORDS: usize = 3;
/// Added to each count, so that what was seen once is no proof.
const UNSEEN_COUNT: f32 = 0.25;
/// Stands before the first word, so that a beginning is a run of its own.
const BEGINNING: &str = "^";
/// One known word in so many is the least for a question in our language.
const WORDS_PER_KNOWN: usize = 3;

/// What was counted.
pub(super) struct Wording {
    /// Prototypes of each store that have a run, by the run's hash: among some
    /// ten thousand runs no two share one of 64 bits.
    runs: HashMap<u64, [u16; 4]>,
    /// What a prototype of each store counts, so that the stores are even.
    weights: [f32; 4],
}

impl Wording {
    /// Counts the runs of the prototypes, which are given in words.
    pub fn of<'a>(prototypes: impl Iterator<Item = (Store, &'a str)>) -> Wording {
        let mut runs: HashMap<u64, [u16; 4]> = HashMap::new();
        let mut all = [0_u16; 4];
        for (store, words) in prototypes {
            all[store as usize] += 1;
            for run in each_run(&from_beginning(words)) {
                runs.entry(run).or_default()[store as usize] += 1;
            }
        }
        let mean = all.into_iter().map(f32::from).sum::<f32>() / 4.0;
        Wording {
            runs,
            weights: all.map(|count| mean / f32::from(count.max(1))),
        }
    }

    /// The sum over the runs of `words` of how much likelier each store has
    /// them than the stores on average, in logarithms, over the root of the
    /// number of words: runs that overlap say the same thing more than once.
    pub fn points(&self, words: &str) -> [f32; 4] {
        let mut points = [0.0; 4];
        for run in each_run(&from_beginning(words)) {
            let Some(counts) = self.runs.get(&run) else {
                continue;
            };
            let mut logs = [0.0; 4];
            for (log, (count, weight)) in logs.iter_mut().zip(counts.iter().zip(self.weights)) {
                *log = (f32::from(*count) * weight + UNSEEN_COUNT).ln();
            }
            let mean = logs.iter().sum::<f32>() / 4.0;
            for (sum, log) in points.iter_mut().zip(logs) {
                *sum += log - mean;
            }
        }
        let number = words.split(' ').count() as f32;
        points.map(|sum| sum / number.sqrt())
    }

    /// Whether hardly a word stands in any prototype: another language, or
    /// nothing but names.
    pub fn is_strange(&self, words: &[&str]) -> bool {
        let is_known = |word: &&&str| self.runs.contains_key(&hash(word));
        words.iter().filter(is_known).count() * WORDS_PER_KNOWN < words.len()
    }
}

fn from_beginning(words: &str) -> String {
    format!("{BEGINNING} {words}")
}

/// The hash of every run of words, once.
fn each_run(words: &str) -> Vec<u64> {
    let mut runs = Vec::new();
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for word in words.split(' ') {
        starts.push(at);
        at += word.len();
        let longest = starts.len().saturating_sub(RUN_WORDS);
        let ending = starts[longest..].iter().map(|start| &words[*start..at]);
        runs.extend(ending.filter(|run| *run != BEGINNING).map(hash));
        at += 1;
    }
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// The same in every process, as a pure function needs it.
fn hash(run: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording() -> Wording {
        let prototypes = [
            (Store::Episodic, "what did she say"),
            (Store::Episodic, "why did it fail"),
            (Store::Semantic, "who owns it"),
            (Store::Procedural, "how is it done"),
            (Store::Skills, "is it online"),
        ];
        Wording::of(prototypes.into_iter())
    }

    #[test]
    fn runs_begin_with_the_question_and_are_three_words_at_most() {
        let mut runs = ["^ a", "^ a b", "a", "a b", "a b a", "b", "b a", "b a b"].map(hash);
        runs.sort_unstable();
        assert_eq!(each_run("^ a b a b"), runs);
        assert!(each_run("^").is_empty());
    }

    #[test]
    fn what_one_store_says_and_the_others_do_not_counts_for_it() {
        let points = wording().points("did");
        assert!(points[0] > 0.0, "{points:?}");
        assert!(points[1..].iter().all(|other| *other < 0.0), "{points:?}");
        assert!(points.iter().sum::<f32>().abs() < 1e-5, "{points:?}");
        assert_eq!(wording().points("zzz"), [0.0; 4]);
        assert_eq!(wording().points(""), [0.0; 4]);
    }

    #[test]
    fn a_question_with_one_known_word_in_three_is_none_of_another_language() {
        let is_strange = |words: &[&str]| wording().is_strange(words);
        assert!(is_strange(&["wer", "leitet", "das", "projekt"]));
        assert!(!is_strange(&["who", "leitet", "projekt"]));
        assert!(!is_strange(&[]));
    }
}
