//! Whether a question is about what was so and is not any more. Pure.

use crate::text;

/// Words and runs of words that ask for it.
const PAST: &[&str] = &[
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

/// Whether older versions may be the answer to `question`.
pub fn asks_for_the_past(question: &str) -> bool {
    let words = format!(" {} ", text::words(question));
    PAST.iter().any(|past| words.contains(&format!(" {past} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_and_parts_of_words_do_not() {
        for (question, expected) in [
            ("Where did Alice work before Acme?", true),
            ("What did we use to deploy?", false),
            ("What did the rent used to be?", true),
            ("Has the rent changed?", true),
            ("Who holds the gold?", false),
            ("", false),
        ] {
            assert_eq!(asks_for_the_past(question), expected, "{question}");
        }
    }
}
