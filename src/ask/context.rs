//! What a conversation was about, so that "and who leads it?" can be answered.
//! Kept in memory only, a bounded number of turns of a bounded number of
//! conversations, for a bounded time; resolving a follow-up is pure.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::quote::{beginning, neutral};
use crate::clock::{Clock, Timestamp};
use crate::{limits, text};

/// One question of a conversation and what its answer touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The question, with what was added to it.
    pub query: String,
    /// Entities of the answer, the most prominent first: `person:alice`, or a
    /// bare name where the type is not known.
    pub entities: Vec<String>,
    /// Citations of the answer.
    pub items: Vec<String>,
}

/// A conversation to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Carries the conversation on.
    pub id: String,
    /// Its turns, oldest first.
    pub turns: Vec<Turn>,
    /// Whether an id was given that is not kept any more: what it was about is
    /// forgotten.
    pub forgotten: bool,
}

/// The conversations of this process.
pub struct Contexts {
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, Conversation>>,
}

struct Conversation {
    turns: VecDeque<Turn>,
    touched: Timestamp,
}

impl Contexts {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Contexts {
        Contexts {
            clock,
            kept: Mutex::default(),
        }
    }

    /// The conversation `id`, or a new one where there is none such (any more).
    /// Nothing is kept before [`Contexts::note`].
    pub fn open(&self, id: Option<&str>) -> Opened {
        let kept = self.fresh();
        match id.and_then(|id| Some((id, kept.get(id)?))) {
            Some((id, conversation)) => Opened {
                id: id.to_owned(),
                turns: conversation.turns.iter().cloned().collect(),
                forgotten: false,
            },
            None => Opened {
                id: self.clock.new_id(),
                turns: Vec::new(),
                forgotten: id.is_some(),
            },
        }
    }

    /// Adds a turn to the conversation that [`Contexts::open`] named.
    pub fn note(&self, id: &str, turn: Turn) {
        let mut kept = self.fresh();
        if !kept.contains_key(id) && kept.len() >= limits::CONVERSATIONS_MAX {
            let silent = kept.iter().min_by_key(|(id, kept)| (kept.touched, *id));
            if let Some(silent) = silent.map(|(id, _)| id.clone()) {
                kept.remove(&silent);
            }
        }
        let conversation = kept.entry(id.to_owned()).or_insert_with(|| Conversation {
            turns: VecDeque::new(),
            touched: Timestamp::default(),
        });
        conversation.touched = self.clock.now();
        conversation.turns.push_back(bounded(turn));
        if conversation.turns.len() > limits::CONVERSATION_TURNS_MAX {
            conversation.turns.pop_front();
        }
    }

    /// The conversations, those silent for too long removed.
    fn fresh(&self) -> MutexGuard<'_, HashMap<String, Conversation>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let until = |touched: Timestamp| touched.plus_seconds(limits::CONVERSATION_SECONDS_MAX);
        kept.retain(|_, conversation| until(conversation.touched) > now);
        kept
    }
}

fn bounded(turn: Turn) -> Turn {
    let some = |list: Vec<String>| {
        let short = list
            .into_iter()
            .filter(|each| each.len() <= 2 * limits::NAME_BYTES_MAX);
        short.take(limits::CONVERSATION_TOUCHED_MAX).collect()
    };
    Turn {
        query: beginning(&turn.query, limits::CONVERSATION_QUESTION_BYTES_MAX).to_owned(),
        entities: some(turn.entities),
        items: some(turn.items),
    }
}

/// How a question stands to what was said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// It stands by itself.
    NewTopic,
    /// It goes on with what was said.
    Continues {
        /// The question with what it leaves unsaid.
        query: String,
        /// Entities that it is about without naming them.
        entities: Vec<String>,
    },
}

/// What a word may stand for.
#[derive(Clone, Copy, PartialEq)]
enum Refers {
    /// Someone.
    Person,
    /// Something that is no person.
    Thing,
    /// Several of either.
    Any,
}

/// Words that stand for something said before.
const PRONOUNS: &[(&str, Refers, bool)] = &[
    // The word, what it stands for, whether it is possessive.
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

/// Beginnings of questions that leave out what the last one said.
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
/// A pronoun takes the place of the latest entity that it may stand for. A
/// question that is but a beginning (`why?`, `what about Tuesday?`) gains the
/// last question. Anything else is a new topic.
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

/// Whether the question has nothing of its own to look up: a known beginning
/// and at most two further telling words.
fn is_elliptic(words: &[&str]) -> bool {
    const OWN_WORDS: usize = 2;
    let begins = |ellipsis: &&&str| words.starts_with(&ellipsis.split(' ').collect::<Vec<_>>());
    let longest = ELLIPSES
        .iter()
        .filter(begins)
        .map(|e| e.split(' ').count())
        .max();
    longest.is_some_and(|begun| match words.len() - begun {
        0 => true,
        // "who leads Apollo" stands by itself; "and Apollo" does not.
        rest => is_joining(words) && telling(&words[begun..]) <= OWN_WORDS && rest <= 4,
    })
}

fn is_joining(words: &[&str]) -> bool {
    matches!(
        words,
        ["what" | "how", "about", ..] | ["and" | "but" | "or" | "also", ..]
    )
}

fn telling(words: &[&str]) -> usize {
    text::query_words(&words.join(" ")).len()
}

/// A pronoun that nothing known stands behind, in a question with hardly a word
/// of its own: "when was that?".
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

/// The question with names for its pronouns, and those entities.
fn with_names(turns: &[Turn], query: &str) -> (String, Vec<String>) {
    let mut named: Vec<String> = Vec::new();
    let mut out: Vec<String> = Vec::new();
    let words: Vec<&str> = query.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let stem = bare.split(['\'', '\u{2019}']).next().unwrap_or(bare);
        let stands = stands_for_something(stem, words.get(at + 1).copied());
        let entity = match pronoun(&stem.to_lowercase()).filter(|_| stands) {
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

/// Whether the word points back rather than on: "that printer" names itself.
fn stands_for_something(word: &str, next: Option<&str>) -> bool {
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

/// The latest entity that such a word may stand for.
fn latest(turns: &[Turn], refers: Refers) -> Option<&str> {
    let fits = |entity: &&str| {
        let kind = entity.split_once(':').map(|(kind, _)| kind);
        match (refers, kind) {
            (Refers::Any, _) | (_, None) => true,
            (Refers::Person, Some(kind)) => kind == "person",
            (Refers::Thing, Some(kind)) => kind != "person",
        }
    };
    let entities = turns.iter().rev().flat_map(|turn| &turn.entities);
    entities.map(String::as_str).find(fits)
}
