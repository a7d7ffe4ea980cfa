//! Excerpts of texts that are too long to be shown whole. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::index::spelled;
use super::{QueryWord, stem};
use crate::limits;
use crate::printable::prefix;

/// The beginning of `text` in at most `most` bytes, cut between words if possible.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let cut = prefix(text, most);
    match cut.rfind(' ') {
        Some(space) if space > cut.len() / 2 => &cut[..space],
        _ => cut,
    }
}

/// How many bytes before the first match a passage may begin.
const LEAD_BYTES: usize = 120;

/// The start of the passage of `most` bytes with most of the query's words, where words
/// that are rare in the text count more: at a sentence or at a word. 0 if no passage
/// has more than the beginning.
pub(crate) fn passage(text: &str, asked: &[QueryWord], most: usize) -> usize {
    let matches = matches(text, asked);
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, word) in &matches {
        *counts.entry(*word).or_default() += 1;
    }
    let weight = |from: usize| {
        let within = matches
            .iter()
            .filter(|(at, _)| (from..from + most).contains(at));
        let words: BTreeSet<usize> = within.map(|(_, word)| *word).collect();
        words
            .iter()
            .map(|word| 1.0 / counts[word] as f32)
            .sum::<f32>()
    };
    let mut best = (0, weight(0));
    for (at, _) in &matches {
        let from = at.saturating_sub(LEAD_BYTES.min(most / 4));
        let found = weight(from);
        if found > best.1 {
            best = (from, found);
        }
    }
    match best.0 {
        0 => 0,
        from => start_of_sentence(text, from, LEAD_BYTES.min(most / 4)),
    }
}

/// The offsets of the words of `text` that were asked for, each with the index of the
/// one that it is.
fn matches(text: &str, asked: &[QueryWord]) -> Vec<(usize, usize)> {
    let stems: Vec<Vec<String>> = asked
        .iter()
        .map(|asked| {
            let forms = asked.forms.iter().map(|form| stem(form));
            std::iter::once(stem(&asked.word)).chain(forms).collect()
        })
        .collect();
    let mut found = Vec::new();
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, c) in ends {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let word = spelled(&text[from..at].to_lowercase());
                let own = stem(&word);
                let is_spaceless = word.chars().any(super::is_spaceless);
                let is_it = |nth: usize| {
                    stems[nth].contains(&own)
                        || asked[nth].prefix && word.starts_with(&asked[nth].word)
                        || is_spaceless && word.contains(&asked[nth].word)
                };
                found.extend(
                    (0..asked.len())
                        .filter(|nth| is_it(*nth))
                        .map(|nth| (from, nth)),
                );
                start = None;
            }
            _ => {}
        }
        if found.len() >= limits::PASSAGE_MATCHES_MAX {
            break;
        }
    }
    found
}

/// The first sentence that begins in the `within` bytes from `from` on, or else the
/// first word.
fn start_of_sentence(text: &str, from: usize, within: usize) -> usize {
    let is_end = |at: usize| {
        let before = text[..at].trim_end_matches([' ', '\t']);
        before.ends_with(['.', '!', '?', '\n', '\u{3002}'])
    };
    let starts = || {
        (from..text.len().min(from + within)).filter(|at| {
            text.is_char_boundary(*at)
                && !text[*at..].starts_with(char::is_whitespace)
                && (*at == 0
                    || text[..*at].ends_with(|c: char| c.is_whitespace() || c == '\u{3002}'))
        })
    };
    let sentence = starts().find(|at| is_end(*at));
    let boundary = (from..=text.len()).find(|at| text.is_char_boundary(*at));
    sentence
        .or_else(|| starts().next())
        .or(boundary)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::query_words;
    use super::*;

    #[test]
    fn passage_begins_at_the_sentence_that_matches() {
        let filler = "The weather was as usual and nobody minded it. ".repeat(40);
        let text = format!("{filler}The deploy key lives in the vault. {filler}");
        let from = passage(&text, &query_words("where is the deploy key?"), 200);
        assert!(text[from..from + 200].contains("The deploy key lives in the vault."));
        assert!(text[..from].ends_with(". "), "{}", &text[from..from + 200]);
        for (asked, most) in [("weather", 200), ("nothing of it", 200), ("", 200)] {
            assert_eq!(passage(&text, &query_words(asked), most), 0, "{asked}");
        }
        let text = format!(
            "{}鍵は金庫にある。{}",
            "天気は普通だった。".repeat(60),
            "以上。".repeat(60)
        );
        let from = passage(&text, &query_words("金庫"), 120);
        let shown: String = text[from..].chars().take(20).collect();
        assert!(from > 0 && shown.contains("鍵は金庫にある。"), "{shown}");
    }

    #[test]
    fn beginning_is_cut_between_words() {
        assert_eq!(beginning("one two three", 9), "one two");
        assert_eq!(beginning("one", 9), "one");
        assert_eq!(beginning("\u{e9}\u{e9}\u{e9}", 3), "\u{e9}");
        assert_eq!(beginning("abc", 0), "");
    }
}
