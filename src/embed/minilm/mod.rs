//! The compiled-in encoder: all-MiniLM-L6-v2 in int8, 384 dimensions, mainly for
//! English. This file cuts texts into windows; `forward.rs` encodes one.

mod asset;
mod forward;

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use self::asset::{Asset, WINDOW};
use self::forward::Workspace;
use super::Embedder;
use super::wordpiece::{CLASSIFY, SEPARATE, Token};
use crate::failure::Failure;
use crate::limits;
use crate::meter::calls as metrics;
use crate::vector::Level;

/// Tokens of text in a window, besides the two special ones.
const TEXT_TOKENS: usize = WINDOW - 2;
/// Tokens that a window shares with the previous one, so that a phrase across the
/// cut is whole in one of them.
const OVERLAP_TOKENS: usize = 32;

/// The built-in model. Its bytes are pages of the binary, and the few that are
/// copied are copied at the first use, so making one is free. Calls from several
/// threads run in parallel.
pub struct MiniLm {
    level: Level,
    asset: OnceLock<Asset>,
    workspaces: Mutex<Vec<Workspace>>,
}

impl Default for MiniLm {
    fn default() -> Self {
        MiniLm::at(Level::best())
    }
}

impl MiniLm {
    /// The model with the kernels of one instruction set.
    pub fn at(level: Level) -> Self {
        MiniLm {
            level,
            asset: OnceLock::new(),
            workspaces: Mutex::new(Vec::new()),
        }
    }

    /// The ids of all tokens of `text`, without special ones.
    pub fn token_ids(&self, text: &str) -> Vec<u16> {
        self.tokens(text, usize::MAX)
            .into_iter()
            .map(|token| token.id)
            .collect()
    }

    fn asset(&self) -> &Asset {
        self.asset.get_or_init(Asset::load)
    }

    fn tokens(&self, text: &str, most: usize) -> Vec<Token> {
        self.asset().vocabulary.tokens(text, most)
    }

    fn encode_window(&self, tokens: &[Token]) -> Vec<f32> {
        let ids = tokens.iter().map(|token| token.id);
        let ids: Vec<u16> = [CLASSIFY]
            .into_iter()
            .chain(ids)
            .chain([SEPARATE])
            .collect();
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut workspace = lock().pop().unwrap_or_default();
        let vector = forward::forward(self.asset(), self.level, &ids, &mut workspace);
        let mut workspaces = lock();
        if workspaces.len() < limits::EMBED_WORKSPACES_MAX {
            workspaces.push(workspace);
        }
        vector
    }
}

impl Embedder for MiniLm {
    fn model_id(&self) -> &str {
        "all-MiniLM-L6-v2/int8"
    }

    /// A text of more than 254 tokens is cut at word boundaries into windows that
    /// share about 32 tokens with the previous one. If that gives more than
    /// `limits::EMBED_CHUNKS_MAX` windows (100 KB of English prose does not), that
    /// many are spread evenly over the text, and the gaps are not embedded.
    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let started = Instant::now();
        let tokens = self.tokens(text, usize::MAX);
        let windows = windows(&tokens, limits::EMBED_CHUNKS_MAX);
        let vectors: Vec<_> = windows
            .into_iter()
            .map(|window| self.encode_window(&tokens[window]))
            .collect();
        count(started, vectors.len());
        Ok(vectors)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let started = Instant::now();
        let tokens = self.tokens(text, TEXT_TOKENS);
        let vector = self.encode_window(&tokens[..tokens.len().min(TEXT_TOKENS)]);
        count(started, 1);
        Ok(vector)
    }
}

fn count(started: Instant, windows: usize) {
    metrics::ENCODE_SECONDS.since((), started);
    metrics::ENCODE_WINDOWS.add((), windows as u64);
}

/// The windows of a text, at least one, at most `most`.
fn windows(tokens: &[Token], most: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    loop {
        let window = start..end_of_window(tokens, start);
        let end = window.end;
        out.push(window);
        if end == tokens.len() {
            break;
        }
        start = begin_of_word(tokens, end - OVERLAP_TOKENS).max(start + 1);
    }
    if out.len() > most {
        let last = tokens.len() - TEXT_TOKENS;
        let spread = (0..most).map(|at| at * last / (most - 1));
        out = spread
            .map(|start| {
                let start = begin_of_word(tokens, start);
                start..end_of_window(tokens, start)
            })
            .collect();
        // The last window, which begins with a word, has to reach the end.
        out[most - 1] = last..tokens.len();
    }
    out
}

/// The end of the last whole word in a window from `start`.
fn end_of_window(tokens: &[Token], start: usize) -> usize {
    let most = start + TEXT_TOKENS;
    if most >= tokens.len() {
        return tokens.len();
    }
    let end = begin_of_word(tokens, most);
    // A longer word is cut.
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
                let windows = windows(&tokens, usize::MAX);
                assert_eq!(
                    (windows[0].start, windows.last().unwrap().end),
                    (0, tokens.len())
                );
                assert!(windows.iter().all(|window| window.len() <= TEXT_TOKENS));
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
        let windows = windows(&tokens, limits::EMBED_CHUNKS_MAX);
        assert_eq!(windows.len(), limits::EMBED_CHUNKS_MAX);
        assert_eq!(
            (windows[0].start, windows.last().unwrap().end),
            (0, tokens.len())
        );
        assert!(
            windows
                .iter()
                .all(|window| (200..=TEXT_TOKENS).contains(&window.len()))
        );
        let step = tokens.len() / (limits::EMBED_CHUNKS_MAX - 1);
        assert!(
            windows
                .windows(2)
                .all(|pair| pair[1].start - pair[0].start < step + 10)
        );
    }
}
