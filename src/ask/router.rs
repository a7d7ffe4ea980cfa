//! Which stores may answer a question: phrases that tell, and likeness to
//! prototype questions, both data in `routes.toml`. A pure function of the
//! question and its vector.
//!
//! Each store's points are the weights of the phrases found, plus its likeness:
//! the mean cosine to the nearest of its prototypes. Softmax over the four makes
//! shares of them; the greatest is the primary store, and every other share that
//! is not small is searched too.
//!
//! Measured on 80 questions that nothing was tuned on (`tests/ask/routing.rs`):
//! the primary store is the right one for .80 of them (.56 by phrases alone, .78
//! by likeness alone), the right one is searched for all, and 2.7 of the four
//! stores are searched on average (3.4 by likeness alone). Making a router takes
//! half a millisecond, routing a seventh of one.

use serde::Deserialize;

use super::Store;
use crate::failure::Failure;
use crate::text;

const ROUTES: &str = include_str!("routes.toml");
/// One row of `WIDTH` signed bytes for each prototype, in the order of
/// `routes.toml`: each a unit vector times 127 over its greatest component.
const VECTORS: &[u8] = include_bytes!("prototypes.bin");
/// The space of those vectors; questions of another space go by phrases alone.
const MODEL: &str = "all-MiniLM-L6-v2/int8";
const WIDTH: usize = 384;

/// Prototypes of a store that a question is compared with: its nearest.
const NEAREST: usize = 5;
/// Points for each unit of cosine.
const LIKENESS_WEIGHT: f32 = 22.0;
/// The share from which a store is searched beside the primary one.
const SECONDARY_SHARE: f32 = 0.03;
/// What a `..` of a phrase may stand for.
const GAP_WORDS: usize = 3;

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
    rules: Vec<(Store, f32, Phrase)>,
    not_after: Vec<Phrase>,
    prototypes: Vec<(Store, Vec<f32>)>,
}

#[derive(Deserialize)]
struct Routes {
    rules: Vec<Rule>,
    synthesis: Synthesis,
    prototypes: Prototypes,
}

#[derive(Deserialize)]
struct Rule {
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
        let rules = routes.rules.into_iter().flat_map(|rule| {
            let phrase = move |text: String| (rule.store, rule.weight, Phrase::new(text));
            rule.phrases.into_iter().map(phrase)
        });
        let rows = VECTORS.chunks_exact(WIDTH).map(unit);
        let stores = routes.prototypes.each().map(|(store, _)| store);
        let not_after = routes.synthesis.not_after;
        Ok(Router {
            rules: rules.collect(),
            not_after: not_after.into_iter().map(Phrase::new).collect(),
            prototypes: stores.zip(rows).collect(),
        })
    }

    /// Where to look for the answer to `query`. `vector` is the query's, with
    /// the id of its model; without one of our model, phrases alone decide.
    pub fn route(&self, query: &str, vector: Option<(&str, &[f32])>) -> Decision {
        let words = text::words(query);
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        let mut points = [0.0_f32; 4];
        let mut reasons: Vec<(Store, f32, String)> = Vec::new();
        for (store, weight, phrase) in &self.rules {
            if phrase.is_in(&words) {
                points[*store as usize] += weight;
                reasons.push((
                    *store,
                    *weight,
                    format!("\u{201c}{}\u{201d}", phrase.shown()),
                ));
            }
        }
        let vector = vector.filter(|(model, vector)| *model == MODEL && vector.len() == WIDTH);
        if let Some((_, vector)) = vector {
            for (store, likeness) in Store::ALL.into_iter().zip(self.likeness(vector)) {
                points[store as usize] += LIKENESS_WEIGHT * likeness;
            }
        }
        let shares = softmax(points);
        let mut order = Store::ALL;
        order.sort_by(|a, b| shares[*b as usize].total_cmp(&shares[*a as usize]));
        let primary = order[0];
        let secondary: Vec<Store> = order[1..]
            .iter()
            .copied()
            .filter(|store| shares[*store as usize] >= SECONDARY_SHARE)
            .collect();
        reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
        reasons.retain(|(store, weight, _)| *store == primary && *weight > 0.0);
        let said: Vec<String> = reasons
            .into_iter()
            .take(3)
            .map(|(_, _, said)| said)
            .collect();
        Decision {
            primary,
            confidence: shares[primary as usize],
            reasoning: reasoning(primary, &said, vector.is_some()),
            requires_synthesis: !words.is_empty()
                && !self.not_after.iter().any(|phrase| phrase.is_in(&words)),
            secondary,
        }
    }

    /// Each store's mean cosine to its nearest prototypes.
    fn likeness(&self, vector: &[f32]) -> [f32; 4] {
        Store::ALL.map(|store| {
            let mut cosines: Vec<f32> = self
                .prototypes
                .iter()
                .filter(|(of, _)| *of == store)
                .map(|(_, prototype)| prototype.iter().zip(vector).map(|(a, b)| a * b).sum())
                .collect();
            cosines.sort_by(|a, b| b.total_cmp(a));
            let nearest = &cosines[..cosines.len().min(NEAREST)];
            nearest.iter().sum::<f32>() / nearest.len().max(1) as f32
        })
    }
}

fn reasoning(primary: Store, said: &[String], by_likeness: bool) -> String {
    let about = match primary {
        Store::Episodic => "asks what happened, was said, decided or preferred",
        Store::Semantic => "asks how things relate",
        Store::Procedural => "asks how something is done, or for it to be done",
        Store::Skills => "asks for what tools of other servers do",
    };
    match (said.is_empty(), by_likeness) {
        (false, _) => format!("{about}: {}", said.join(", ")),
        (true, true) => format!("{about}: nearest to questions that do"),
        (true, false) => "no phrase tells, and the question could not be compared".to_owned(),
    }
}

fn softmax(points: [f32; 4]) -> [f32; 4] {
    let most = points.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let raised = points.map(|each| (each - most).exp());
    let sum: f32 = raised.iter().sum();
    raised.map(|each| each / sum)
}

/// A row of `prototypes.bin` as a unit vector.
fn unit(row: &[u8]) -> Vec<f32> {
    let row: Vec<f32> = row
        .iter()
        .map(|byte| f32::from(byte.cast_signed()))
        .collect();
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    row.into_iter().map(|x| x / length).collect()
}

/// A phrase of `routes.toml`.
struct Phrase {
    text: String,
}

impl Phrase {
    fn new(text: String) -> Phrase {
        Phrase { text }
    }

    /// As a reader sees it: what may vary is an ellipsis.
    fn shown(&self) -> String {
        let text = self.text.trim_start_matches('^').replace("..", "*");
        text.replace('*', "\u{2026}")
    }

    fn is_in(&self, words: &[&str]) -> bool {
        let pattern = self.text.trim_start_matches('^');
        let pattern: Vec<&str> = pattern.split(' ').collect();
        let starts = match self.text.starts_with('^') {
            true => 1,
            false => words.len(),
        };
        (0..starts).any(|start| matches(&pattern, words.get(start..).unwrap_or(&[])))
    }
}

/// Whether `words` begin as the pattern says.
fn matches(pattern: &[&str], words: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return true;
    };
    if *first == ".." {
        return (0..=GAP_WORDS.min(words.len())).any(|gap| matches(rest, &words[gap..]));
    }
    let Some((word, after)) = words.split_first() else {
        return false;
    };
    let same = match (first.strip_suffix('*'), first.strip_prefix('*')) {
        (Some(beginning), _) => word.starts_with(beginning),
        (_, Some(end)) => word.ends_with(end),
        _ => word == first,
    };
    same && matches(rest, after)
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
