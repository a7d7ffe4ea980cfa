//! Completing a follow-up question from the turns before it, so that "and who
//! leads it?" can be answered. Pure.

use super::Turn;
use super::quote::neutral;
use crate::text;

/// The relation of a question to the turns before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowUp {
    NewTopic,
    Continues {
        /// The completed question.
        query: String,
        /// Entities that it is about without naming them.
        entities: Vec<String>,
    },
}

/// What a pronoun may refer to.
#[derive(Clone, Copy, PartialEq)]
enum Refers {
    Person,
    Thing,
    Any,
}

/// Pronouns, what they refer to, and whether they are possessive.
const PRONOUNS: &[(&str, Refers, bool)] = &[
    ("he", Refers::Person, false),
    ("she", Refers::Person, false),
    ("him", Refers::Person, false),
    ("her", Refers::Person, false),
    ("his", Refers::Person, true),
    ("it", Refers::Thing, false),
    ("its", Refers::Thing, true),
    ("that", Refers::Thing, false),
    ("this", Refers::Thing, false),
    ("they", Refers::Any, false),
    ("them", Refers::Any, false),
    ("their", Refers::Any, true),
    ("those", Refers::Any, false),
    ("these", Refers::Any, false),
];

/// Beginnings of questions that repeat nothing of the last one.
const ELLIPSES: &[&str] = &[
    "what about",
    "how about",
    "and what about",
    "and",
    "but",
    "why",
    "why not",
    "since when",
    "until when",
    "when",
    "where",
    "who",
    "how",
    "how so",
    "really",
    "or",
    "also",
    "else",
    "what else",
    "who else",
    "anything else",
    "tell me more",
    "more",
    "go on",
    "how come",
];

/// Resolves a question against the turns before it (oldest first).
///
/// A pronoun is replaced by the latest entity it may refer to. An elliptic
/// question (`why?`, `what about Tuesday?`) is appended to the last question.
/// Anything else is a new topic.
pub fn follow_up(turns: &[Turn], query: &str) -> FollowUp {
    let Some(last) = turns.last() else {
        return FollowUp::NewTopic;
    };
    let words = text::words(query);
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let (expanded, entities) = with_names(turns, query);
    if !entities.is_empty() {
        return FollowUp::Continues {
            query: expanded,
            entities,
        };
    }
    if is_elliptic(&words) || refers_back(&words) {
        return FollowUp::Continues {
            query: format!("{} {}", last.query.trim(), query.trim()),
            entities: last.entities.first().cloned().into_iter().collect(),
        };
    }
    FollowUp::NewTopic
}

/// Whether the question has nothing of its own to look up: a known beginning and
/// at most two further keywords.
fn is_elliptic(words: &[&str]) -> bool {
    const OWN_KEYWORDS: usize = 2;
    let begins = |ellipsis: &&&str| words.starts_with(&ellipsis.split(' ').collect::<Vec<_>>());
    let longest = ELLIPSES
        .iter()
        .filter(begins)
        .map(|e| e.split(' ').count())
        .max();
    longest.is_some_and(|begun| match words.len() - begun {
        0 => true,
        // "who leads Apollo" is complete; "and Apollo" is not.
        rest => is_joining(words) && keywords(&words[begun..]) <= OWN_KEYWORDS && rest <= 4,
    })
}

fn is_joining(words: &[&str]) -> bool {
    matches!(
        words,
        ["what" | "how", "about", ..] | ["and" | "but" | "or" | "also", ..]
    )
}

fn keywords(words: &[&str]) -> usize {
    text::query_words(&words.join(" ")).len()
}

/// Whether a short question has a pronoun that refers to no known entity: "when
/// was that?".
fn refers_back(words: &[&str]) -> bool {
    const WORDS: usize = 5;
    let points_back = matches!(words.last(), Some(&("there" | "then")));
    let has_pronoun = words.iter().any(|word| pronoun(word).is_some());
    words.len() <= WORDS && (points_back || has_pronoun)
}

fn pronoun(word: &str) -> Option<(Refers, bool)> {
    let found = PRONOUNS.iter().find(|(pronoun, _, _)| *pronoun == word)?;
    Some((found.1, found.2))
}

/// The question with names in place of pronouns, and the entities named.
fn with_names(turns: &[Turn], query: &str) -> (String, Vec<String>) {
    let mut named: Vec<String> = Vec::new();
    let mut out: Vec<String> = Vec::new();
    let words: Vec<&str> = query.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let stem = bare.split(['\'', '\u{2019}']).next().unwrap_or(bare);
        let is_reference = is_reference(stem, words.get(at + 1).copied());
        let entity = match pronoun(&stem.to_lowercase()).filter(|_| is_reference) {
            Some((refers, possessive)) => latest(turns, refers).map(|entity| (entity, possessive)),
            None => None,
        };
        let Some((entity, possessive)) = entity else {
            out.push((*word).to_owned());
            continue;
        };
        let name = neutral(entity.split_once(':').map_or(entity, |(_, name)| name));
        let name = if possessive {
            format!("{name}'s")
        } else {
            name
        };
        out.push(word.replacen(stem, &name, 1));
        if !named.iter().any(|other| other == entity) {
            named.push(entity.to_owned());
        }
    }
    (out.join(" "), named)
}

/// Whether the word refers back: "that printer" does not.
fn is_reference(word: &str, next: Option<&str>) -> bool {
    const VERBS: &[&str] = &[
        "is", "was", "are", "were", "has", "had", "have", "do", "does", "did", "will", "would",
        "can", "could", "should", "work", "works", "happen", "happened", "mean", "means",
    ];
    let next = next.map(|next| {
        next.trim_matches(|c: char| !c.is_alphanumeric())
            .to_lowercase()
    });
    let is_verb = next.as_deref().is_some_and(|next| VERBS.contains(&next));
    match word.to_lowercase().as_str() {
        "that" | "this" | "those" | "these" => next.is_none() || is_verb,
        _ => true,
    }
}

/// The latest entity that such a pronoun may refer to.
fn latest(turns: &[Turn], refers: Refers) -> Option<&str> {
    let can_refer_to = |entity: &&str| {
        let kind = entity.split_once(':').map(|(kind, _)| kind);
        match (refers, kind) {
            (Refers::Any, _) | (_, None) => true,
            (Refers::Person, Some(kind)) => kind == "person",
            (Refers::Thing, Some(kind)) => kind != "person",
        }
    };
    let entities = turns.iter().rev().flat_map(|turn| &turn.entities);
    entities.map(String::as_str).find(can_refer_to)
}
