//! Which stores may answer a question: phrases that tell, and likeness to
//! prototype questions in wording and in meaning. Phrases and prototypes are
//! data, in `routes.toml`. A pure function of the question and its vector.
//!
//! Each store's points are the weights of the phrases found, how much likelier
//! the question's words are among its prototypes ([`Wording`]), and the mean
//! cosine to the nearest of them. Softmax over the four makes shares of the
//! points; the greatest is the primary store, and every other share that is not
//! small is searched too. So is what a clause asks for by its words alone: a
//! question may ask two things, and its vector is only one.
//!
//! Phrases and prototypes are English. Of a question in which hardly a word is
//! known the router only guesses: the points count less, so that every store is
//! searched.
//!
//! Measured on 200 questions that nothing was tuned on (`tests/domain/ask/routing.rs`):
//! the primary store is the right one for .855 of them, one that may be right too
//! for .89, the right one is searched for .995, and 2.2 of the four stores are
//! searched on average. By phrases alone the primary store is right for .52, by
//! wording for .78, by meaning for .83. As the tests compile it, making a router
//! takes under 4 ms, once, and routing 0.1 ms for a short question, 0.25 ms for
//! one of two clauses.

use serde::Deserialize;

use super::Store;
use super::clauses::clauses;
use super::phrase::Phrase;
use super::wording::Wording;
use crate::failure::Failure;
use crate::{text, vector};

const ROUTES: &str = include_str!("routes.toml");
/// One row of `WIDTH` signed bytes for each prototype, in the order of
/// `routes.toml`: each a unit vector times 127 over its greatest component.
const VECTORS: &[u8] = include_bytes!("prototypes.bin");
/// The space of those vectors; questions of another space go by their words alone.
const MODEL: &str = "all-MiniLM-L6-v2/int8";
const WIDTH: usize = 384;

/// Prototypes of a store that a question is compared with: its nearest.
const NEAREST: usize = 16;
/// Points for each unit of cosine.
const MEANING_WEIGHT: f32 = 30.0;
/// Points for each unit of [`Wording::points`].
const WORDING_WEIGHT: f32 = 0.6;
/// The share from which a store is searched beside the primary one.
const SECONDARY_SHARE: f32 = 0.02;
/// What points are worth where hardly a word of the question is known.
const STRANGE_WEIGHT: f32 = 0.5;
/// The share by its words alone from which a clause has a store searched.
const CLAUSE_SHARE: f32 = 0.4;

/// What the router says of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The store that most probably answers.
    pub primary: Store,
    /// Others worth searching, likeliest first.
    pub secondary: Vec<Store>,
    /// The primary store's share, 0.25 to 1.
    pub confidence: f32,
    /// Why, for a reader: the phrases found and the likeness.
    pub reasoning: String,
    /// Whether an answer in words is wanted, beside the results.
    pub requires_synthesis: bool,
}

/// Decides where to look.
pub struct Router {
    rules: Vec<Rule>,
    not_after: Vec<Phrase>,
    wording: Wording,
    prototypes: Vec<(Store, Row)>,
}

/// A phrase, and what it says when a question has it.
struct Rule {
    store: Store,
    weight: f32,
    phrase: Phrase,
}

/// A direction, as signed bytes.
struct Row {
    bytes: [i8; WIDTH],
    length: f32,
}

#[derive(Deserialize)]
struct Routes {
    rules: Vec<Phrases>,
    synthesis: Synthesis,
    prototypes: Prototypes,
}

#[derive(Deserialize)]
struct Phrases {
    store: Store,
    weight: f32,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
struct Synthesis {
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
    fn each(self) -> impl Iterator<Item = (Store, String)> {
        let lists = [self.episodic, self.semantic, self.procedural, self.skills];
        let of = |(store, list): (Store, Vec<String>)| list.into_iter().map(move |q| (store, q));
        Store::ALL.into_iter().zip(lists).flat_map(of)
    }
}

impl Router {
    /// A router by the compiled-in routes. An error is a defect of the build.
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
        let in_words = |(store, question): (Store, String)| (store, text::words(&question));
        let prototypes: Vec<(Store, String)> = routes.prototypes.each().map(in_words).collect();
        let (rows, _) = VECTORS.as_chunks::<WIDTH>();
        let rows = rows.iter().map(|row| Row::new(row.map(u8::cast_signed)));
        let not_after = routes.synthesis.not_after;
        Ok(Router {
            rules: rules.collect(),
            not_after: not_after.into_iter().map(Phrase::new).collect(),
            wording: Wording::of(prototypes.iter().map(|(store, words)| (*store, &words[..]))),
            prototypes: prototypes
                .iter()
                .map(|(store, _)| *store)
                .zip(rows)
                .collect(),
        })
    }

    /// Where to look for the answer to `query`. `vector` is the query's, with
    /// the id of its model; without one of our model, words alone decide.
    pub fn route(&self, query: &str, vector: Option<(&str, &[f32])>) -> Decision {
        let joined = text::words(query);
        let words: Vec<&str> = joined.split(' ').filter(|word| !word.is_empty()).collect();
        let found = self.found(&words);
        let mut points = self.points_of_words(&joined, &found);
        let vector = vector.filter(|(model, vector)| *model == MODEL && vector.len() == WIDTH);
        if let Some((_, vector)) = vector {
            for (points, cosine) in points.iter_mut().zip(self.likeness(vector)) {
                *points += MEANING_WEIGHT * cosine;
            }
        }
        if self.wording.is_strange(&words) {
            points = points.map(|points| STRANGE_WEIGHT * points);
        }
        let shares = softmax(points);
        let [primary, others @ ..] = by_share(shares);
        let of_clauses = self.of_clauses(query);
        let is_searched = |store: &Store| {
            let share = shares[*store as usize];
            share >= SECONDARY_SHARE || of_clauses.contains(store)
        };
        let beside = of_clauses.iter().copied().find(|store| *store != primary);
        Decision {
            primary,
            secondary: others.into_iter().filter(is_searched).collect(),
            confidence: shares[primary as usize],
            reasoning: reasoning(primary, beside, &found, shares != [0.25; 4]),
            requires_synthesis: self.wants_words(query, &words),
        }
    }

    /// Whether the question, or a clause of it, wants an answer in words.
    fn wants_words(&self, query: &str, words: &[&str]) -> bool {
        let is_deed = |words: &[&str]| self.not_after.iter().any(|phrase| phrase.is_in(words));
        let clauses = clauses(query);
        match clauses.is_empty() {
            true => !words.is_empty() && !is_deed(words),
            false => clauses
                .iter()
                .any(|clause| !is_deed(&clause.split(' ').collect::<Vec<_>>())),
        }
    }

    /// The rules whose phrases are among `words`.
    fn found(&self, words: &[&str]) -> Vec<&Rule> {
        let is_found = |rule: &&Rule| rule.phrase.is_in(words);
        self.rules.iter().filter(is_found).collect()
    }

    /// The points that words give each store, `found` among them.
    fn points_of_words(&self, joined: &str, found: &[&Rule]) -> [f32; 4] {
        let mut points = self.wording.points(joined).map(|sum| WORDING_WEIGHT * sum);
        for rule in found {
            points[rule.store as usize] += rule.weight;
        }
        points
    }

    /// The stores that clauses of the question ask for, as far as words tell.
    fn of_clauses(&self, query: &str) -> Vec<Store> {
        let mut stores = Vec::new();
        for clause in clauses(query) {
            let words: Vec<&str> = clause.split(' ').collect();
            let shares = softmax(self.points_of_words(&clause, &self.found(&words)));
            let [store, ..] = by_share(shares);
            if shares[store as usize] >= CLAUSE_SHARE && !stores.contains(&store) {
                stores.push(store);
            }
        }
        stores
    }

    /// Each store's mean cosine to its nearest prototypes.
    fn likeness(&self, vector: &[f32]) -> [f32; 4] {
        let asked = Row::of(vector);
        let mut cosines: [Vec<f32>; 4] = Default::default();
        for (store, row) in &self.prototypes {
            cosines[*store as usize].push(asked.cosine(row));
        }
        cosines.map(|mut cosines| {
            cosines.sort_unstable_by(|a, b| b.total_cmp(a));
            cosines.truncate(NEAREST);
            cosines.iter().sum::<f32>() / cosines.len().max(1) as f32
        })
    }
}

/// Why `primary`, by the rules found, and that a clause asks for `beside`.
fn reasoning(primary: Store, beside: Option<Store>, found: &[&Rule], is_told: bool) -> String {
    let mut speak: Vec<&&Rule> = found
        .iter()
        .filter(|rule| rule.store == primary && rule.weight > 0.0)
        .collect();
    speak.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let phrases: Vec<String> = speak
        .into_iter()
        .take(3)
        .map(|rule| format!("\u{201c}{}\u{201d}", rule.phrase.shown()))
        .collect();
    let mut why = match (phrases.is_empty(), is_told) {
        (false, _) => format!("{}: {}", asks(primary), phrases.join(", ")),
        (true, true) => format!("{}: nearest to questions that do", asks(primary)),
        (true, false) => "nothing tells where the answer lies".to_owned(),
    };
    if let Some(beside) = beside {
        why.push_str("; a part of it ");
        why.push_str(asks(beside));
    }
    why
}

fn asks(store: Store) -> &'static str {
    match store {
        Store::Episodic => "asks what happened, was said, decided or preferred",
        Store::Semantic => "asks how things relate",
        Store::Procedural => "asks how something is done, or for it to be done",
        Store::Skills => "asks for what tools of other servers do",
    }
}

/// The stores, that of the greatest share first.
fn by_share(shares: [f32; 4]) -> [Store; 4] {
    let mut order = Store::ALL;
    order.sort_by(|a, b| shares[*b as usize].total_cmp(&shares[*a as usize]));
    order
}

fn softmax(points: [f32; 4]) -> [f32; 4] {
    let most = points.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let raised = points.map(|each| (each - most).exp());
    let sum: f32 = raised.iter().sum();
    raised.map(|each| each / sum)
}

impl Row {
    fn new(bytes: [i8; WIDTH]) -> Row {
        let length = (vector::dot_i8(&bytes, &bytes) as f32).sqrt();
        Row { bytes, length }
    }

    /// The direction of `vector`: its numbers times 127 over the greatest.
    fn of(vector: &[f32]) -> Row {
        let greatest = vector
            .iter()
            .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let mut bytes = [0; WIDTH];
        for (byte, x) in bytes.iter_mut().zip(vector) {
            *byte = (x / greatest * 127.0).round() as i8;
        }
        Row::new(bytes)
    }

    fn cosine(&self, other: &Row) -> f32 {
        let product = vector::dot_i8(&self.bytes, &other.bytes) as f32;
        product / (self.length * other.length).max(1.0)
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
