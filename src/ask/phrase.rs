//! A phrase of `routes.toml`, and whether a question has it. Pure.

/// What a `..` of a phrase may stand for.
const GAP_WORDS: usize = 3;

/// Words as `routes.toml` writes them, some of which may vary.
pub(super) struct Phrase {
    text: String,
}

impl Phrase {
    pub fn new(text: String) -> Phrase {
        Phrase { text }
    }

    /// As a reader sees it: what may vary is an ellipsis.
    pub fn shown(&self) -> String {
        let text = self.text.trim_start_matches('^').replace("..", "*");
        text.replace('*', "\u{2026}")
    }

    /// Whether `words` have it.
    pub fn is_in(&self, words: &[&str]) -> bool {
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

/// Whether `words` begin as a pattern says that was split.
fn matches(first: &str, rest: Option<&str>, words: &[&str]) -> bool {
    let go_on = |words: &[&str]| {
        rest.map(split)
            .is_none_or(|(first, rest)| matches(first, rest, words))
    };
    if first == ".." {
        return (0..=GAP_WORDS.min(words.len())).any(|gap| go_on(&words[gap..]));
    }
    let Some((word, after)) = words.split_first() else {
        return false;
    };
    let same = match (first.strip_suffix('*'), first.strip_prefix('*')) {
        (Some(beginning), _) => word.starts_with(beginning),
        (_, Some(end)) => word.ends_with(end),
        _ => *word == first,
    };
    same && go_on(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn phrases_hold_to_words_beginnings_and_gaps() {
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
