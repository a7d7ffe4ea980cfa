//! The encoder that is compiled in: all-MiniLM-L6-v2 in int8, 384 dimensions,
//! English first. Cuts texts into windows; the pass itself is in `forward.rs`.

mod asset;
mod forward;

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use self::asset::{Asset, WIDTH, WINDOW};
use self::forward::Room;
use super::Embedder;
use super::wordpiece::{CLASSIFY, SEPARATE, Token};
use crate::failure::Failure;
use crate::limits;
use crate::vector::Level;

/// Tokens of text in a window, beside its two marks.
const TEXT_TOKENS: usize = WINDOW - 2;
/// Tokens a window repeats of the one before, so that what stands across a cut
/// is whole in one of them.
const OVERLAP_TOKENS: usize = 32;

/// The built-in model. Making one is free: its bytes are pages of the binary,
/// and the little that is copied of them is on first use. Calls from several
/// threads run beside each other.
pub struct MiniLm {
    level: Level,
    asset: OnceLock<Asset>,
    rooms: Mutex<Vec<Room>>,
}

impl Default for MiniLm {
    fn default() -> Self {
        MiniLm::at(Level::best())
    }
}

impl MiniLm {
    /// The model on the kernels of one instruction set.
    pub fn at(level: Level) -> Self {
        MiniLm {
            level,
            asset: OnceLock::new(),
            rooms: Mutex::new(Vec::new()),
        }
    }

    /// The ids of the tokens of `text`, marks left out, any number of them.
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

    /// The vector of one window of tokens.
    fn window(&self, tokens: &[Token]) -> Vec<f32> {
        let ids = tokens.iter().map(|token| token.id);
        let ids: Vec<u16> = [CLASSIFY]
            .into_iter()
            .chain(ids)
            .chain([SEPARATE])
            .collect();
        let lock = || self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = lock().pop().unwrap_or_default();
        let vector = forward::forward(self.asset(), self.level, &ids, &mut room);
        let mut rooms = lock();
        if rooms.len() < limits::EMBED_ROOMS_MAX {
            rooms.push(room);
        }
        vector
    }
}

impl Embedder for MiniLm {
    fn model_id(&self) -> &str {
        "all-MiniLM-L6-v2/int8"
    }

    fn dimensions(&self) -> usize {
        WIDTH
    }

    /// A text of more than 254 tokens is cut at word boundaries into windows
    /// that share about 32 tokens with the one before. Where that would be more
    /// than `limits::EMBED_CHUNKS_MAX` (100 KB of English prose is not), as many
    /// windows are laid over the text at even distances, from its first word to
    /// its last, and what falls between two of them is not embedded.
    fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
        let tokens = self.tokens(text, usize::MAX);
        let windows = windows(&tokens, limits::EMBED_CHUNKS_MAX);
        Ok(windows
            .into_iter()
            .map(|window| self.window(&tokens[window]))
            .collect())
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, Failure> {
        let tokens = self.tokens(text, TEXT_TOKENS);
        Ok(self.window(&tokens[..tokens.len().min(TEXT_TOKENS)]))
    }
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
        // The last window was moved to begin with a word: let it reach the end.
        out[most - 1] = last..tokens.len();
    }
    out
}

/// Where a window from `start` ends: with the last word that it holds whole.
fn end_of_window(tokens: &[Token], start: usize) -> usize {
    let most = start + TEXT_TOKENS;
    if most >= tokens.len() {
        return tokens.len();
    }
    let end = begin_of_word(tokens, most);
    // A word has at most 100 pieces; this is for one that would not end.
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
    fn windows_cover_a_text_and_are_cut_between_words() {
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
    fn a_text_of_too_many_windows_is_sampled_from_end_to_end() {
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
