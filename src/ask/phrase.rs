//! Phrases of `routes.toml` and their matching. Pure.

/// The most words that `..` matches.
const GAP_WORDS: usize = 3;

/// A pattern of words: `^` is the beginning, `*` the rest of a word, `..` a gap.
pub(super) struct Phrase {
    text: String,
}

impl Phrase {
    pub(crate) fn new(text: String) -> Phrase {
        Phrase { text }
    }

    /// For a person, with ellipses for the parts that vary.
    pub(crate) fn shown(&self) -> String {
        let text = self.text.trim_start_matches('^').replace("..", "*");
        text.replace('*', "\u{2026}")
    }

    pub(crate) fn is_in(&self, words: &[&str]) -> bool {
        let pattern = self.text.trim_start_matches('^');
        let (first, rest) = split(pattern);
        let starts = match self.text.starts_with('^') {
            true => words.len().min(1),
            false => words.len(),
        };
        (0..starts).any(|start| matches(first, rest, &words[start..]))
    }
}

fn split(pattern: &str) -> (&str, Option<&str>) {
    match pattern.split_once(' ') {
        Some((first, rest)) => (first, Some(rest)),
        None => (pattern, None),
    }
}

/// Whether `words` begin with a pattern, which is split after its first word.
fn matches(first: &str, rest: Option<&str>, words: &[&str]) -> bool {
    let matches_rest = |words: &[&str]| {
        rest.map(split)
            .is_none_or(|(first, rest)| matches(first, rest, words))
    };
    if first == ".." {
        return (0..=GAP_WORDS.min(words.len())).any(|gap| matches_rest(&words[gap..]));
    }
    let Some((word, after)) = words.split_first() else {
        return false;
    };
    let same = match (first.strip_suffix('*'), first.strip_prefix('*')) {
        (Some(beginning), _) => word.starts_with(beginning),
        (_, Some(end)) => word.ends_with(end),
        _ => *word == first,
    };
    same && matches_rest(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn phrases_match_words_beginnings_and_gaps() {
        let is_in = |phrase: &str, text: &str| {
            let words = text::words(text);
            Phrase::new(phrase.to_owned()).is_in(&words.split(' ').collect::<Vec<_>>())
        };
        for (phrase, text) in [
            ("how do i", "So how do I do it?"),
            ("^run", "Run it"),
            ("depend*", "its dependencies"),
            ("^*ing", "Baking bread"),
            ("what did .. say", "What did the old man say?"),
            ("what did .. say", "what did say"),
            ("what s", "What's up"),
        ] {
            assert!(is_in(phrase, text), "{phrase} {text}");
        }
        for (phrase, text) in [
            ("run", "running late"),
            ("^run", "I run"),
            ("how do i", "how do"),
            ("what did .. say", "what did the man in the yard say"),
            ("^*ing", "the baking"),
            ("run", ""),
        ] {
            assert!(!is_in(phrase, text), "{phrase} {text}");
        }
    }
}
