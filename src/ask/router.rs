//! The stores that may answer a question, by indicative phrases and by similarity
//! to prototype questions in wording and in meaning. Phrases and prototypes are
//! data, in `routes.toml`. A pure function of the question and its vector.
//!
//! The score of a store is the sum of the weights of the phrases found, the
//! log-likelihood of the question's n-grams ([`Ngrams`]) and the mean cosine to
//! the nearest prototypes. Softmax over the scores gives shares: the store with
//! the greatest is the primary one, and stores whose share is not small are
//! searched too. So are stores that the words of a clause ask for, because a
//! question may ask two things but has only one vector.
//!
//! Phrases and prototypes are English. Scores of a question with hardly a known
//! word are scaled down, so that every store is searched.
//!
//! Measured on 200 questions that nothing was tuned on (`tests/domain/ask/routing.rs`):
//! the primary store is the right one for .855 of them, an acceptable one for .89,
//! the right one is searched for .995, and 2.2 of the four stores are searched on
//! average. By phrases alone the primary store is right for .52, by n-grams for
//! .78, by meaning for .83. In a test build, making a router takes under 4 ms,
//! once, and routing takes 0.1 ms for a short question, 0.25 ms for two clauses.

use serde::Deserialize;

use super::StoreKind;
use super::clauses::clauses;
use super::ngrams::Ngrams;
use super::phrase::Phrase;
use crate::failure::Failure;
use crate::{text, vector};

const ROUTES: &str = include_str!("routes.toml");
/// One vector of `WIDTH` signed bytes for each prototype, in the order of
/// `routes.toml`, scaled so that the greatest component is 127.
const VECTORS: &[u8] = include_bytes!("prototypes.bin");
/// The model of these vectors. A vector of another model is not used.
const MODEL: &str = "all-MiniLM-L6-v2/int8";
const WIDTH: usize = 384;

/// The nearest prototypes of a store, whose mean cosine counts.
const NEAREST: usize = 16;
const COSINE_WEIGHT: f32 = 30.0;
const NGRAM_WEIGHT: f32 = 0.6;
/// The least share of a store that is searched besides the primary one.
const SECONDARY_SHARE: f32 = 0.02;
/// Scales the scores of a question with hardly a known word.
const UNFAMILIAR_WEIGHT: f32 = 0.5;
/// The least share, by words alone, of a store that a clause asks for.
const CLAUSE_SHARE: f32 = 0.4;

/// The stores to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The store that most probably answers.
    pub primary: StoreKind,
    /// Others worth searching, likeliest first.
    pub secondary: Vec<StoreKind>,
    /// The primary store's share, 0.25 to 1.
    pub confidence: f32,
    /// For a person.
    pub(crate) reasoning: String,
    /// Whether an answer in words is wanted, besides the results.
    pub(crate) requires_synthesis: bool,
}

impl Decision {
    /// The stores that are searched, likeliest first.
    pub(super) fn stores(&self) -> impl Iterator<Item = StoreKind> + '_ {
        std::iter::once(self.primary).chain(self.secondary.iter().copied())
    }
}

pub struct Router {
    rules: Vec<Rule>,
    /// Phrases of requests for an action or a list, which need no synthesis.
    no_synthesis: Vec<Phrase>,
    ngrams: Ngrams,
    prototypes: Vec<(StoreKind, Direction)>,
}

/// A phrase that is evidence for, or with a negative weight against, a store.
struct Rule {
    store: StoreKind,
    weight: f32,
    phrase: Phrase,
}

/// The direction of a vector, as signed bytes.
struct Direction {
    bytes: [i8; WIDTH],
    length: f32,
}

#[derive(Deserialize)]
struct Routes {
    rules: Vec<Phrases>,
    synthesis: SynthesisRules,
    prototypes: Prototypes,
}

#[derive(Deserialize)]
struct Phrases {
    store: StoreKind,
    weight: f32,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct SynthesisRules {
    not_after: Vec<String>,
}

#[derive(Deserialize)]
struct Prototypes {
    episodic: Vec<String>,
    semantic: Vec<String>,
    procedural: Vec<String>,
    skills: Vec<String>,
}

impl Prototypes {
    fn each(self) -> impl Iterator<Item = (StoreKind, String)> {
        let lists = [self.episodic, self.semantic, self.procedural, self.skills];
        let stores = StoreKind::ALL.into_iter().zip(lists);
        stores.flat_map(|(store, list)| list.into_iter().map(move |question| (store, question)))
    }
}

impl Router {
    /// A router with the compiled-in routes. An error is a defect of the build.
    pub fn new() -> Result<Router, Failure> {
        let routes: Routes = toml::from_str(ROUTES).map_err(Failure::internal)?;
        let rules = routes.rules.into_iter().flat_map(|of| {
            let rule = move |text: String| Rule {
                store: of.store,
                weight: of.weight,
                phrase: Phrase::new(text),
            };
            of.phrases.into_iter().map(rule)
        });
        let prototypes = routes.prototypes.each();
        let prototypes: Vec<(StoreKind, String)> = prototypes
            .map(|(store, question)| (store, text::words(&question)))
            .collect();
        let (rows, _) = VECTORS.as_chunks::<WIDTH>();
        let directions = rows.iter();
        let directions = directions.map(|row| Direction::new(row.map(u8::cast_signed)));
        let no_synthesis = routes.synthesis.not_after;
        Ok(Router {
            rules: rules.collect(),
            no_synthesis: no_synthesis.into_iter().map(Phrase::new).collect(),
            ngrams: Ngrams::of(prototypes.iter().map(|(store, words)| (*store, &words[..]))),
            prototypes: prototypes
                .iter()
                .map(|(store, _)| *store)
                .zip(directions)
                .collect(),
        })
    }

    /// Where to look for the answer to `query`. `vector` is the query's, with the
    /// id of its model; without a vector of the router's model, words decide.
    pub fn route(&self, query: &str, vector: Option<(&str, &[f32])>) -> Decision {
        let joined = text::words(query);
        let words: Vec<&str> = joined.split(' ').filter(|word| !word.is_empty()).collect();
        let found = self.found(&words);
        let mut scores = self.word_scores(&joined, &found);
        let vector = vector.filter(|(model, vector)| *model == MODEL && vector.len() == WIDTH);
        if let Some((_, vector)) = vector {
            for (score, cosine) in scores.iter_mut().zip(self.cosines(vector)) {
                *score += COSINE_WEIGHT * cosine;
            }
        }
        if self.ngrams.is_unfamiliar(&words) {
            scores = scores.map(|score| UNFAMILIAR_WEIGHT * score);
        }
        let shares = softmax(scores);
        let [primary, others @ ..] = by_share(shares);
        let clause_stores = self.clause_stores(query);
        let is_searched = |store: &StoreKind| {
            let share = shares[*store as usize];
            share >= SECONDARY_SHARE || clause_stores.contains(store)
        };
        let mut others_asked = clause_stores.iter().copied();
        let beside = others_asked.find(|store| *store != primary);
        Decision {
            primary,
            secondary: others.into_iter().filter(is_searched).collect(),
            confidence: shares[primary as usize],
            reasoning: reasoning(primary, beside, &found, shares != [0.25; 4]),
            requires_synthesis: self.wants_synthesis(query, &words),
        }
    }

    /// Whether the question, or a clause of it, wants an answer in words.
    fn wants_synthesis(&self, query: &str, words: &[&str]) -> bool {
        let is_excluded =
            |words: &[&str]| self.no_synthesis.iter().any(|phrase| phrase.is_in(words));
        let clauses = clauses(query);
        match clauses.is_empty() {
            true => !words.is_empty() && !is_excluded(words),
            false => clauses
                .iter()
                .any(|clause| !is_excluded(&clause.split(' ').collect::<Vec<_>>())),
        }
    }

    /// The rules whose phrases are among `words`.
    fn found(&self, words: &[&str]) -> Vec<&Rule> {
        let is_found = |rule: &&Rule| rule.phrase.is_in(words);
        self.rules.iter().filter(is_found).collect()
    }

    /// The score of each store by words: n-grams, and the rules that were found.
    fn word_scores(&self, joined: &str, found: &[&Rule]) -> [f32; 4] {
        let mut scores = self.ngrams.scores(joined).map(|sum| NGRAM_WEIGHT * sum);
        for rule in found {
            scores[rule.store as usize] += rule.weight;
        }
        scores
    }

    /// The stores that clauses of the question ask for, by their words alone.
    fn clause_stores(&self, query: &str) -> Vec<StoreKind> {
        let mut stores = Vec::new();
        for clause in clauses(query) {
            let words: Vec<&str> = clause.split(' ').collect();
            let shares = softmax(self.word_scores(&clause, &self.found(&words)));
            let [store, ..] = by_share(shares);
            if shares[store as usize] >= CLAUSE_SHARE && !stores.contains(&store) {
                stores.push(store);
            }
        }
        stores
    }

    /// The mean cosine to the nearest prototypes of each store.
    fn cosines(&self, vector: &[f32]) -> [f32; 4] {
        let asked = Direction::of(vector);
        let mut cosines: [Vec<f32>; 4] = Default::default();
        for (store, prototype) in &self.prototypes {
            cosines[*store as usize].push(asked.cosine(prototype));
        }
        cosines.map(|mut cosines| {
            cosines.sort_unstable_by(|a, b| b.total_cmp(a));
            cosines.truncate(NEAREST);
            cosines.iter().sum::<f32>() / cosines.len().max(1) as f32
        })
    }
}

/// Why `primary` was chosen, and that a clause asks for the store `beside`.
/// `is_decided` is whether any store scored more than another.
fn reasoning(
    primary: StoreKind,
    beside: Option<StoreKind>,
    found: &[&Rule],
    is_decided: bool,
) -> String {
    let mut rules: Vec<&&Rule> = found
        .iter()
        .filter(|rule| rule.store == primary && rule.weight > 0.0)
        .collect();
    rules.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let phrases: Vec<String> = rules
        .into_iter()
        .take(3)
        .map(|rule| format!("\u{201c}{}\u{201d}", rule.phrase.shown()))
        .collect();
    let mut why = match (phrases.is_empty(), is_decided) {
        (false, _) => format!("{}: {}", asks(primary), phrases.join(", ")),
        (true, true) => format!("{}: nearest to questions that do", asks(primary)),
        (true, false) => "nothing indicates where the answer is".to_owned(),
    };
    if let Some(beside) = beside {
        why.push_str("; a part of it ");
        why.push_str(asks(beside));
    }
    why
}

fn asks(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Episodic => "asks what happened, was said, decided or preferred",
        StoreKind::Semantic => "asks how things relate",
        StoreKind::Procedural => "asks how something is done, or for it to be done",
        StoreKind::Skills => "asks for what tools of other servers do",
    }
}

/// The stores, the one with the greatest share first.
fn by_share(shares: [f32; 4]) -> [StoreKind; 4] {
    let mut order = StoreKind::ALL;
    order.sort_by(|a, b| shares[*b as usize].total_cmp(&shares[*a as usize]));
    order
}

fn softmax(scores: [f32; 4]) -> [f32; 4] {
    let greatest = scores.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let powers = scores.map(|score| (score - greatest).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

impl Direction {
    fn new(bytes: [i8; WIDTH]) -> Direction {
        let length = (vector::dot_i8(&bytes, &bytes) as f32).sqrt();
        Direction { bytes, length }
    }

    fn of(vector: &[f32]) -> Direction {
        let greatest = vector
            .iter()
            .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let mut bytes = [0; WIDTH];
        for (byte, x) in bytes.iter_mut().zip(vector) {
            *byte = (x / greatest * 127.0).round() as i8;
        }
        Direction::new(bytes)
    }

    fn cosine(&self, other: &Direction) -> f32 {
        let product = vector::dot_i8(&self.bytes, &other.bytes) as f32;
        product / (self.length * other.length).max(1.0)
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
