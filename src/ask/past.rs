//! Recognizes questions about past facts. Pure.

use crate::text;

const PHRASES: &[&str] = &[
    "before",
    "formerly",
    "history",
    "no longer",
    "not any more",
    "old",
    "older",
    "original",
    "originally",
    "past",
    "previous",
    "previously",
    "prior",
    "until",
    "used to",
    "anymore",
    "changed",
    "change",
    "replaced",
];

/// Whether replaced statements may answer `question`.
pub(super) fn asks_about_past(question: &str) -> bool {
    let words = format!(" {} ", text::words(question));
    PHRASES
        .iter()
        .any(|phrase| words.contains(&format!(" {phrase} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_match_whole_words() {
        for (question, expected) in [
            ("Where did Alice work before Acme?", true),
            ("What did we use to deploy?", false),
            ("What did the rent used to be?", true),
            ("Has the rent changed?", true),
            ("Who holds the gold?", false),
            ("", false),
        ] {
            assert_eq!(asks_about_past(question), expected, "{question}");
        }
    }
}
