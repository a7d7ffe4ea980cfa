//! Statements that cannot both be right, by their wording. Pure.

use crate::text;

/// The least cosine at which a stored text is compared with a new one.
pub(super) const COSINE_MIN: f32 = 0.6;

/// A statement with fewer words than this, not counting numbers and negations, has no
/// slot.
const SLOT_WORDS_MIN: usize = 3;

/// The slot that a statement fills: its words without negations and without the numbers
/// of its value. Numbers of its subject stay, because room 12 is not room 14. Statements
/// on the same thing in other words are not recognized, because that takes a reader.
pub(crate) fn statement_slot(text: &str) -> Option<String> {
    let words = text::words(text);
    let words_only = words.split(' ').filter(|word| !text::is_decisive(word));
    let has_slot = words_only.count() >= SLOT_WORDS_MIN && text::query_words(&words).len() > 1;
    let of_subject = subject_words(text, &words);
    let slot = words.split(' ').enumerate();
    let slot = slot.filter(|(nth, word)| {
        !text::is_decisive(word) || *nth < of_subject && word.contains(char::is_numeric)
    });
    let slot: Vec<&str> = slot.map(|(_, word)| word).collect();
    has_slot.then(|| slot.join(" "))
}

/// How many of the words of a statement name its subject: those before its verb or its
/// colon. Without either, those up to its first number, if more than a unit follows.
fn subject_words(text: &str, words: &str) -> usize {
    const UNIT_WORDS: usize = 2;
    let verb = words.split(' ').position(|word| VERBS.contains(&word));
    let colon = text.split_once(": ");
    let colon = colon.map(|(subject, _)| text::words(subject).split(' ').count());
    if let Some(end) = verb.into_iter().chain(colon).max() {
        return end;
    }
    let number = words
        .split(' ')
        .position(|word| word.contains(char::is_numeric));
    let count = words.split(' ').count();
    let is_before_more = |number: &usize| number + 1 + UNIT_WORDS < count;
    number.filter(is_before_more).map_or(0, |number| number + 1)
}

/// Common verbs of statements.
const VERBS: &[&str] = &[
    "is", "are", "was", "were", "has", "have", "had", "will", "can", "costs", "cost", "takes",
    "took", "needs", "runs", "ran", "uses", "used", "ends", "ended", "starts", "started", "begins",
    "began", "closed", "shipped", "listens", "lasts", "lasted", "seats", "holds", "allows",
    "expires", "moved", "equals", "stands", "lives", "weighs", "measures",
];

/// Whether two statements fill one slot differently: they differ only in numbers or
/// negations, or state different values of the same thing in the same words.
pub(crate) fn contradict(one: &str, other: &str) -> bool {
    if text::key(one) == text::key(other) {
        return false;
    }
    let slots = statement_slot(one).zip(statement_slot(other));
    let is_one_slot = slots.is_some_and(|(one, other)| one == other);
    is_one_slot || matches!((named(one), named(other)), (Some(one), Some(other)) if one == other)
}

/// The words before the value of "the port of the API is 8080", where the value is
/// short. A value such as "fast", which many could stand beside, counts only for a
/// longer name.
fn named(statement: &str) -> Option<String> {
    const DETERMINERS: [&str; 9] = [
        "the", "our", "my", "your", "their", "his", "her", "its", "user",
    ];
    const NAME_WORDS: usize = 3;
    const VALUE_WORDS: usize = 3;
    let (name, value) = ["is", "are", "="]
        .iter()
        .find_map(|verb| statement.split_once(&format!(" {verb} ")))?;
    let words = text::words(name);
    let count = words.split(' ').count();
    let first = words.split(' ').next().unwrap_or_default();
    let is_proper = value.starts_with(|c: char| c.is_uppercase() || c.is_numeric());
    let is_short = value.split_whitespace().count() <= VALUE_WORDS;
    let is_name = DETERMINERS.contains(&first)
        && (count >= NAME_WORDS || (count + 1 == NAME_WORDS && is_proper));
    (is_name && is_short).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_differ_in_a_number_or_a_negation_fill_one_slot() {
        assert_eq!(
            statement_slot("The deposit is 2400 euros."),
            statement_slot("the deposit is 2600 euros")
        );
        assert_eq!(
            statement_slot("The deposit is 2400 euros."),
            statement_slot("The deposit is not 2400 euros.")
        );
        assert_ne!(
            statement_slot("The deposit is 2400 euros."),
            statement_slot("The rent is 2400 euros.")
        );
        assert_eq!(
            statement_slot("Room 12 seats 8 people"),
            statement_slot("Room 12 seats 10 people")
        );
        assert_eq!(statement_slot("Version 3"), None);
        assert_eq!(statement_slot(""), None);
    }

    #[test]
    fn a_number_date_version_or_name_tells_subjects_apart() {
        for (one, other) in [
            ("Room 12 seats 8 people", "Room 14 seats 20 people"),
            ("Sprint 7 closed 31 tickets", "Sprint 8 closed 29 tickets"),
            (
                "Release 2.1 shipped with 5 fixes",
                "Release 2.2 shipped with 9 fixes",
            ),
            (
                "On March 3 the backup took 20 minutes",
                "On March 4 the backup took 25 minutes",
            ),
            (
                "2026-03-01: the build takes 4 minutes",
                "2026-03-08: the build takes 6 minutes",
            ),
            (
                "Invoice 17 from Berg over 200 euros",
                "Invoice 18 from Berg over 340 euros",
            ),
            (
                "Standup 7 held online by everyone",
                "Standup 8 held online by everyone",
            ),
            ("Anna's desk is on floor 3", "Ben's desk is on floor 4"),
        ] {
            assert!(!contradict(one, other), "{one} / {other}");
        }
        for (one, other) in [
            ("Room 12 seats 8 people", "Room 12 seats 10 people"),
            ("The launch is on March 3", "The launch is on March 10"),
            ("Rent for the flat 900 euros", "Rent for the flat 950 euros"),
        ] {
            assert!(contradict(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn one_thing_is_not_two_things() {
        for (one, other) in [
            ("The database is PostgreSQL", "The database is SQLite."),
            ("The deploy day is Friday", "the deploy day is monday"),
            (
                "User's favorite color is blue",
                "User's favorite color is dark green",
            ),
            (
                "The rate limit is 60 a minute",
                "The rate limit is 100 a minute",
            ),
        ] {
            assert!(contradict(one, other), "{one} / {other}");
        }
        for (one, other) in [
            ("The API is fast", "The API is well documented"),
            ("The database is PostgreSQL", "the database is postgresql!"),
            ("Alice is a doctor", "Alice is tall"),
            ("The port is open", "The database is SQLite"),
        ] {
            assert!(!contradict(one, other), "{one} / {other}");
        }
    }
}
