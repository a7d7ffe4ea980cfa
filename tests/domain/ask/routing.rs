//! Labelled questions against the router. `questions.jsonl` was labelled before
//! there was a router; its one half tuned the weights, the other did not, but
//! who wrote the rules and prototypes had written both, so that half flatters
//! them. `questions_unseen.jsonl` was committed before the present prototypes
//! and weights were made, to be unlike them. It was measured twice, .855
//! both times, and nobody has looked at which of them fail: its figures are those
//! to believe. Questions that were looked at have become
//! prototypes. `questions_compound.jsonl` ask two things each and tuned the
//! clauses, `questions_compound_unseen.jsonl` did not. `questions_foreign.jsonl`
//! are in languages that the router does not know.

use mimo::ask::{Decision, Router, StoreKind};
use mimo::embed::{self, Embedder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;

#[derive(Deserialize)]
struct Question {
    question: String,
    primary: StoreKind,
    /// Other acceptable stores.
    also: Vec<StoreKind>,
}

#[derive(Deserialize)]
struct Compound {
    question: String,
    /// The two required stores.
    stores: Vec<StoreKind>,
}

fn questions<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let lines = file.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a question"))
        .collect()
}

/// Half of the questions, by a hash of their text, so that new questions move
/// no old one.
fn is_for_tuning(question: &str) -> bool {
    Sha256::digest(question)[0].is_multiple_of(2)
}

struct Asking {
    router: Router,
    embedder: Arc<dyn Embedder>,
}

impl Asking {
    fn new() -> Asking {
        Asking {
            router: Router::new().expect("routes"),
            embedder: embed::builtin(),
        }
    }

    fn route(&self, question: &str) -> Decision {
        let vector = self.embedder.embed_query(question).expect("a vector");
        let model = self.embedder.model_id();
        self.router.route(question, Some((model, &vector)))
    }
}

fn is_searched(decision: &Decision, store: StoreKind) -> bool {
    decision.primary == store || decision.secondary.contains(&store)
}

/// Fractions of questions, except the last.
#[derive(Debug)]
struct Figures {
    /// The primary store is the labeled one.
    primary: f32,
    /// The primary store is the labeled one or another acceptable one.
    acceptable: f32,
    /// The labeled store is searched.
    searched: f32,
    /// Mean number of stores searched for a question.
    stores: f32,
}

fn measure(questions: &[Question]) -> Figures {
    let asking = Asking::new();
    let (mut primary, mut acceptable, mut searched, mut stores) = (0, 0, 0, 0);
    for question in questions {
        let decision = asking.route(&question.question);
        let is_right = decision.primary == question.primary;
        primary += usize::from(is_right);
        acceptable += usize::from(is_right || question.also.contains(&decision.primary));
        searched += usize::from(is_searched(&decision, question.primary));
        stores += 1 + decision.secondary.len();
    }
    let share = |count: usize| count as f32 / questions.len() as f32;
    Figures {
        primary: share(primary),
        acceptable: share(acceptable),
        searched: share(searched),
        stores: share(stores),
    }
}

#[test]
fn held_out_questions_reach_their_store() {
    let mut questions: Vec<Question> = questions(include_str!("questions.jsonl"));
    assert!(questions.len() >= 300);
    questions.retain(|question| !is_for_tuning(&question.question));
    let figures = measure(&questions);
    // Measured: .988, .994, 1 and 1.22.
    assert!(figures.primary >= 0.97, "{figures:?}");
    assert!(figures.searched >= 0.98, "{figures:?}");
    // Searching every store always would be useless as a router.
    assert!(figures.stores <= 1.4, "{figures:?}");
}

#[test]
fn questions_older_than_the_prototypes_reach_their_store() {
    let questions: Vec<Question> = questions(include_str!("questions_unseen.jsonl"));
    assert!(questions.len() >= 150);
    let figures = measure(&questions);
    // Measured: .855, .89, .995 and 2.22.
    assert!(figures.primary >= 0.85, "{figures:?}");
    assert!(figures.acceptable >= 0.88, "{figures:?}");
    assert!(figures.searched >= 0.98, "{figures:?}");
    assert!(figures.stores <= 2.4, "{figures:?}");
}

/// Fractions of compound questions, except the last.
#[derive(Debug)]
struct Both {
    /// All required stores are searched.
    searched: f32,
    /// The primary store is a required one.
    primary: f32,
    /// Mean number of stores searched for a question.
    stores: f32,
}

fn measure_compound(questions: &[Compound]) -> Both {
    let asking = Asking::new();
    let (mut searched, mut primary, mut stores) = (0, 0, 0);
    for question in questions {
        let decision = asking.route(&question.question);
        let needed = &question.stores;
        searched += usize::from(needed.iter().all(|store| is_searched(&decision, *store)));
        primary += usize::from(needed.contains(&decision.primary));
        stores += 1 + decision.secondary.len();
    }
    let share = |count: usize| count as f32 / questions.len() as f32;
    Both {
        searched: share(searched),
        primary: share(primary),
        stores: share(stores),
    }
}

#[test]
fn both_stores_of_a_compound_question_are_searched() {
    let tuned: Vec<Compound> = questions(include_str!("questions_compound.jsonl"));
    let unseen: Vec<Compound> = questions(include_str!("questions_compound_unseen.jsonl"));
    assert!(unseen.len() >= 30);
    for questions in [tuned, unseen] {
        let figures = measure_compound(&questions);
        // Measured: .94, 1 and 2.02 of the tuned, .97, 1 and 2.03 of the unseen.
        assert!(figures.searched >= 0.9, "{figures:?}");
        assert!(figures.primary >= 0.95, "{figures:?}");
        assert!(figures.stores <= 2.2, "{figures:?}");
    }
}

#[test]
fn question_in_another_language_searches_every_store() {
    let asking = Asking::new();
    let questions: Vec<Question> = questions(include_str!("questions_foreign.jsonl"));
    let (mut searched, mut stores, mut sure) = (0, 0, 0.0);
    for Question {
        question, primary, ..
    } in &questions
    {
        let decision = asking.route(question);
        searched += usize::from(is_searched(&decision, *primary));
        stores += 1 + decision.secondary.len();
        sure += decision.confidence / questions.len() as f32;
    }
    // Measured: all, 3.98 of four stores, and .47.
    assert_eq!(searched, questions.len());
    assert!(stores as f32 >= 3.8 * questions.len() as f32, "{stores}");
    // The router reports low confidence.
    assert!(sure <= 0.5, "{sure}");
}
