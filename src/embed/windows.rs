//! Tokens, and splitting a long text into overlapping windows.

use std::ops::Range;

/// Tokens that a window shares with the previous one, so that a phrase across the
/// cut is whole in one of them.
const OVERLAP_TOKENS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: u32,
    pub(crate) begins_word: bool,
}

/// The windows of a text: 1 to `most`, each of at most `length` tokens, split between
/// words. If they cannot cover the text, they are spread evenly over it.
pub(super) fn windows(tokens: &[Token], length: usize, most: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    loop {
        let window = start..end_of_window(tokens, start, length);
        let end = window.end;
        out.push(window);
        if end == tokens.len() {
            break;
        }
        start = begin_of_word(tokens, end - OVERLAP_TOKENS).max(start + 1);
    }
    if out.len() > most {
        let last = tokens.len() - length;
        let spread = (0..most).map(|at| at * last / (most - 1));
        out = spread
            .map(|start| {
                let start = begin_of_word(tokens, start);
                start..end_of_window(tokens, start, length)
            })
            .collect();
        // The last window, which begins with a word, has to reach the end.
        out[most - 1] = last..tokens.len();
    }
    out
}

/// The end of the last whole word in a window from `start`.
fn end_of_window(tokens: &[Token], start: usize, length: usize) -> usize {
    let most = start + length;
    if most >= tokens.len() {
        return tokens.len();
    }
    let end = begin_of_word(tokens, most);
    // A longer word is split.
    if end > start + OVERLAP_TOKENS {
        end
    } else {
        most
    }
}

/// The first token of the word that token `at` belongs to.
fn begin_of_word(tokens: &[Token], at: usize) -> usize {
    tokens[..=at]
        .iter()
        .rposition(|token| token.begins_word)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EMBED_CHUNKS_MAX;

    const LENGTH: usize = 254;

    /// Words of 1 to 100 pieces, as `length` says for each.
    fn tokens(words: usize, length: impl Fn(usize) -> usize) -> Vec<Token> {
        let word = |word| {
            (0..length(word)).map(|piece| Token {
                id: 7,
                begins_word: piece == 0,
            })
        };
        (0..words).flat_map(word).collect()
    }

    #[test]
    fn windows_cover_the_text_and_are_cut_between_words() {
        let lengths: [fn(usize) -> usize; 4] = [
            |_| 1,
            |word| word % 7 + 1,
            |_| 100,
            |word| if word % 9 == 0 { 100 } else { 2 },
        ];
        for length in lengths {
            for words in [0, 1, 2, 254, 255, 256, 1000, 5000] {
                let tokens = tokens(words, length);
                let windows = windows(&tokens, LENGTH, usize::MAX);
                assert_eq!(
                    (windows[0].start, windows.last().unwrap().end),
                    (0, tokens.len())
                );
                assert!(windows.iter().all(|window| window.len() <= LENGTH));
                for pair in windows.windows(2) {
                    assert!(pair[0].start < pair[1].start && pair[1].start <= pair[0].end);
                    assert!(tokens[pair[0].end].begins_word && tokens[pair[1].start].begins_word);
                    let shared = pair[0].end - pair[1].start;
                    assert!(
                        (OVERLAP_TOKENS..OVERLAP_TOKENS + 100).contains(&shared),
                        "{shared}"
                    );
                }
            }
        }
    }

    #[test]
    fn text_with_too_many_windows_is_sampled_from_end_to_end() {
        let tokens = tokens(100_000, |word| word % 3 + 1);
        let windows = windows(&tokens, LENGTH, EMBED_CHUNKS_MAX);
        assert_eq!(windows.len(), EMBED_CHUNKS_MAX);
        assert_eq!(
            (windows[0].start, windows.last().unwrap().end),
            (0, tokens.len())
        );
        assert!(
            windows
                .iter()
                .all(|window| (200..=LENGTH).contains(&window.len()))
        );
        let step = tokens.len() / (EMBED_CHUNKS_MAX - 1);
        assert!(
            windows
                .windows(2)
                .all(|pair| pair[1].start - pair[0].start < step + 10)
        );
    }
}
