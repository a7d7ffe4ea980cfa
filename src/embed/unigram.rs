//! SentencePiece's unigram tokenizer with `nmt_nfkc` normalization, as in XLM-R: each
//! word is segmented into the pieces with the greatest sum of scores (Viterbi). The
//! vocabulary is read in place from a model's file.

use unicode_normalization::UnicodeNormalization;

use super::windows::Token;

/// Replaces the space before each word.
const SPACE: char = '\u{2581}';
/// How far the score of a character without a piece is below the lowest score.
const UNKNOWN_PENALTY: f32 = 10.0;
/// A slot without a piece.
const EMPTY: u32 = u32::MAX;

/// The pieces of a model, in a hash table within the model's bytes.
pub(super) struct Vocabulary {
    /// Open addressing: the id of each piece is in the slot of its hash, or in the next
    /// free one.
    slots: &'static [[u8; 4]],
    /// The end of each piece in `text`.
    ends: &'static [[u8; 4]],
    /// Logarithms of probabilities.
    scores: Vec<f32>,
    text: &'static [u8],
    longest: usize,
    unknown: u32,
    unknown_score: f32,
}

/// The best segmentation of a prefix of a word.
#[derive(Clone, Copy)]
struct Segmentation {
    score: f32,
    /// The start of its last piece.
    start: usize,
    piece: u32,
}

impl Vocabulary {
    /// `None` if the parts are inconsistent. `unknown` is the id of everything that has
    /// no piece.
    pub(super) fn new(
        slots: &'static [[u8; 4]],
        ends: &'static [[u8; 4]],
        scores: Vec<f32>,
        text: &'static [u8],
        unknown: u32,
    ) -> Option<Vocabulary> {
        let mut longest = 0;
        let mut start = 0;
        for end in ends {
            let end = u32::from_le_bytes(*end) as usize;
            longest = longest.max(end.checked_sub(start)?);
            start = end;
        }
        let is_id = |id: u32| (id as usize) < ends.len();
        let ids = || slots.iter().map(|slot| u32::from_le_bytes(*slot));
        let fits = start <= text.len()
            && scores.len() == ends.len()
            && scores.iter().all(|score| score.is_finite())
            && slots.len().is_power_of_two()
            && ids().any(|id| id == EMPTY)
            && ids().all(|id| id == EMPTY || is_id(id))
            && is_id(unknown);
        let worst = scores.iter().copied().fold(0.0, f32::min);
        fits.then_some(Vocabulary {
            slots,
            ends,
            scores,
            text,
            longest,
            unknown,
            unknown_score: worst - UNKNOWN_PENALTY,
        })
    }

    fn piece(&self, id: u32) -> &'static [u8] {
        let end = |id: usize| u32::from_le_bytes(self.ends[id]) as usize;
        let id = id as usize;
        let start = if id == 0 { 0 } else { end(id - 1) };
        &self.text[start..end(id)]
    }

    /// The piece with these bytes, whose hash (FNV-1a) is `hash`.
    fn find(&self, piece: &[u8], hash: u32) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = (hash ^ hash >> 16) as usize & mask;
        loop {
            match u32::from_le_bytes(self.slots[slot]) {
                EMPTY => return None,
                id if self.piece(id) == piece => return Some(id),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// The tokens of `text`, without the special ones of a window. Stops after the word
    /// that reaches `most`.
    pub(super) fn tokens(&self, text: &str, most: usize) -> Vec<Token> {
        let mut out = Vec::new();
        let mut cuts = Vec::new();
        for word in normalized(text).split(' ').filter(|word| !word.is_empty()) {
            if out.len() >= most {
                break;
            }
            self.cut(&format!("{SPACE}{word}"), &mut cuts, &mut out);
        }
        out
    }

    fn cut(&self, word: &str, cuts: &mut Vec<Segmentation>, out: &mut Vec<Token>) {
        let unreached = Segmentation {
            score: f32::NEG_INFINITY,
            start: 0,
            piece: self.unknown,
        };
        cuts.clear();
        cuts.resize(word.len() + 1, unreached);
        cuts[0].score = 0.0;
        for (start, char) in word.char_indices() {
            let score = cuts[start].score;
            let mut offer = |end: usize, piece: u32, gain: f32| {
                if score + gain > cuts[end].score {
                    cuts[end] = Segmentation {
                        score: score + gain,
                        start,
                        piece,
                    };
                }
            };
            let mut hash = 0x811C_9DC5_u32;
            for end in start + 1..=word.len().min(start + self.longest) {
                hash = (hash ^ u32::from(word.as_bytes()[end - 1])).wrapping_mul(0x0100_0193);
                if word.is_char_boundary(end)
                    && let Some(id) = self.find(&word.as_bytes()[start..end], hash)
                {
                    offer(end, id, self.scores[id as usize]);
                }
            }
            offer(start + char.len_utf8(), self.unknown, self.unknown_score);
        }
        let first = out.len();
        let mut end = word.len();
        while end > 0 {
            let Segmentation { start, piece, .. } = cuts[end];
            let begins_word = start == 0 || word[start..].starts_with(is_word_alone);
            let token = Token {
                id: piece,
                begins_word,
            };
            // Unknown characters in a row are one token.
            match out[first..].last_mut() {
                Some(after) if piece == self.unknown && after.id == piece => *after = token,
                _ => out.push(token),
            }
            end = start;
        }
        out[first..].reverse();
    }
}

/// Scripts without spaces between words.
fn is_word_alone(char: char) -> bool {
    matches!(char, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// NFKC except for the fullwidth tilde, with one kind of space and without control
/// characters.
fn normalized(text: &str) -> String {
    let plain = |char: char| match char {
        '\u{1}'..='\u{8}' | '\u{B}' | '\u{E}'..='\u{1F}' => None,
        '\u{7F}' | '\u{8F}' | '\u{9F}' => None,
        '\t' | '\n' | '\u{C}' | '\r' | '\u{1680}' | '\u{200B}' | '\u{200C}' => Some(' '),
        '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}' | SPACE => Some(' '),
        '\u{FEFF}' | '\u{FFFD}' => Some(' '),
        other => Some(other),
    };
    let parts = text.split('\u{FF5E}');
    let parts = parts.map(|part| part.chars().filter_map(plain).nfkc().collect());
    parts.collect::<Vec<String>>().join("\u{FF5E}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaked<const N: usize>(numbers: impl IntoIterator<Item = [u8; N]>) -> &'static [[u8; N]] {
        numbers.into_iter().collect::<Vec<_>>().leak()
    }

    /// A vocabulary whose first piece is the unknown one.
    fn pieces(list: &[(&str, f32)]) -> Vocabulary {
        let list: Vec<(&str, f32)> = [("?", 0.0)].into_iter().chain(list.to_vec()).collect();
        let mut slots = vec![EMPTY; 64];
        let (mut ends, mut text) = (Vec::new(), String::new());
        for (id, (piece, _)) in list.iter().enumerate() {
            text.push_str(piece);
            ends.push((text.len() as u32).to_le_bytes());
            let hash = piece.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            let mut slot = (hash ^ hash >> 16) as usize % 64;
            while slots[slot] != EMPTY {
                slot = (slot + 1) % 64;
            }
            slots[slot] = id as u32;
        }
        Vocabulary::new(
            leaked(slots.into_iter().map(u32::to_le_bytes)),
            leaked(ends),
            list.iter().map(|(_, score)| *score).collect(),
            text.leak().as_bytes(),
            0,
        )
        .expect("parts that fit together")
    }

    fn cut(pieces: &Vocabulary, text: &str) -> Vec<String> {
        let tokens = pieces.tokens(text, usize::MAX).into_iter();
        let piece = |token: Token| String::from_utf8(pieces.piece(token.id).to_vec());
        tokens.map(|token| piece(token).expect("UTF-8")).collect()
    }

    #[test]
    fn the_cut_with_the_greatest_sum_wins() {
        let pieces = pieces(&[
            ("▁", -4.0),
            ("▁ab", -5.0),
            ("abc", -3.0),
            ("c", -1.5),
            ("ab", -9.0),
        ]);
        assert_eq!(cut(&pieces, "abc"), ["▁ab", "c"]);
        assert_eq!(cut(&pieces, "abc c"), ["▁ab", "c", "▁", "c"]);
        assert_eq!(cut(&pieces, " \t abc\n"), ["▁ab", "c"]);
        assert_eq!(cut(&pieces, ""), [""; 0]);
    }

    #[test]
    fn unknown_characters_in_a_row_are_one_token() {
        let pieces = pieces(&[("▁", -4.0), ("c", -1.0)]);
        assert_eq!(cut(&pieces, "xyzcxyz"), ["▁", "?", "c", "?"]);
    }

    #[test]
    fn text_is_normalized_as_by_nmt_nfkc() {
        assert_eq!(normalized("ｆｕｌｌ\u{a0}①\u{7}"), "full 1");
        assert_eq!(
            normalized("e\u{301} 10～20 a\u{200d}b"),
            "é 10～20 a\u{200d}b"
        );
        assert_eq!(normalized("a\u{200b}b\u{feff}c"), "a b c");
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused() {
        let four = |numbers: &[u32]| leaked(numbers.iter().map(|number| number.to_le_bytes()));
        let new = |slots: &[u32], ends: &[u32], scores: &[f32], unknown| {
            Vocabulary::new(four(slots), four(ends), scores.to_vec(), b"abc", unknown).is_some()
        };
        assert!(new(&[0, 1, EMPTY, EMPTY], &[1, 3], &[0.0, -1.0], 0));
        assert!(!new(&[0, 2, EMPTY, EMPTY], &[1, 3], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, 0, 1], &[1, 3], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, EMPTY], &[1, 3], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, EMPTY, EMPTY], &[2, 1], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, EMPTY, EMPTY], &[1, 4], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, EMPTY, EMPTY], &[1, 3], &[0.0], 0));
        assert!(!new(&[0, 1, EMPTY, EMPTY], &[1, 3], &[0.0, f32::NAN], 0));
        assert!(!new(&[0, 1, EMPTY, EMPTY], &[1, 3], &[0.0, -1.0], 2));
    }
}
