//! Clauses of a question, which may ask different things. Pure.

use crate::text;

/// Words that join two questions.
const CONJUNCTIONS: &[&str] = &["and", "also", "but", "then"];
/// A shorter part is no clause.
const WORDS_MIN: usize = 2;

/// The normalized clauses of `query`; empty if there is only one.
pub(super) fn clauses(query: &str) -> Vec<String> {
    let mut clauses = Vec::new();
    for part in query.split(['.', ',', ';', ':', '?', '!', '\n', '，', '。', '？', '；']) {
        let words = text::words(part);
        let words: Vec<&str> = words.split(' ').collect();
        let parts = words.split(|word| CONJUNCTIONS.contains(word));
        clauses.extend(
            parts
                .filter(|part| part.len() >= WORDS_MIN)
                .map(|part| part.join(" ")),
        );
    }
    match clauses.len() {
        0 | 1 => Vec::new(),
        _ => clauses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_end_at_punctuation_and_conjunctions() {
        let two = ["who owns it", "how do i restart it"];
        assert_eq!(clauses("Who owns it, and how do I restart it?"), two);
        assert_eq!(clauses("who owns it and how do i restart it"), two);
        assert_eq!(clauses("Who owns it? Also: how do I restart it"), two);
    }

    #[test]
    fn one_question_has_no_clauses() {
        for one in [
            "",
            "?",
            "and",
            "Who owns it?",
            "salt and pepper",
            "who knows Ann, Ben",
        ] {
            assert_eq!(clauses(one), [""; 0], "{one}");
        }
    }
}
