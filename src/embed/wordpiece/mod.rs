//! BERT's uncased WordPiece tokenizer, tested against the reference. The vocabulary
//! is read in place from the model's asset.

mod classes;

use unicode_normalization::UnicodeNormalization;

use super::windows::Token;
use crate::limits::EMBED_WORD_CHARS_MAX;

pub(crate) const UNKNOWN: u32 = 100;
pub(crate) const CLASSIFY: u32 = 101;
pub(crate) const SEPARATE: u32 = 102;

/// Pieces that are one token wherever they appear in a text, as in the reference.
const SPECIAL: [(&str, u32); 5] = [
    ("[PAD]", 0),
    ("[UNK]", UNKNOWN),
    ("[CLS]", CLASSIFY),
    ("[SEP]", SEPARATE),
    ("[MASK]", 103),
];

/// The pieces of a model, in a hash table within the model's bytes.
#[derive(Clone, Copy)]
pub(crate) struct Vocabulary {
    slots: &'static [[u8; 2]],
    ends: &'static [[u8; 4]],
    text: &'static [u8],
    longest: usize,
}

impl Vocabulary {
    pub(crate) const SLOTS: usize = 1 << 16;

    /// Reads the table of `convert.py`: `slots` has ids (0xFFFF is empty), `ends`
    /// the end of each piece in `text`, times two, plus one for a piece that
    /// continues a word.
    pub(crate) fn new(
        slots: &'static [[u8; 2]],
        ends: &'static [[u8; 4]],
        text: &'static [u8],
    ) -> Self {
        assert_eq!(slots.len(), Self::SLOTS);
        let mut vocabulary = Vocabulary {
            slots,
            ends,
            text,
            longest: 0,
        };
        let lengths = (0..ends.len()).map(|id| vocabulary.piece(id).0.len());
        vocabulary.longest = lengths.max().unwrap_or(0);
        vocabulary
    }

    /// The bytes of piece `id`, and whether it continues a word.
    fn piece(&self, id: usize) -> (&'static [u8], bool) {
        let end = |id: usize| u32::from_le_bytes(self.ends[id]);
        let first = if id == 0 { 0 } else { end(id - 1) >> 1 };
        let last = end(id);
        (
            &self.text[first as usize..(last >> 1) as usize],
            last & 1 == 1,
        )
    }

    fn find(&self, piece: &[u8], inner: bool) -> Option<u32> {
        let step = |state: u32, byte: &u8| (state ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let state = piece.iter().fold(0x811C_9DC5 ^ u32::from(inner), step);
        let mut slot = (state ^ state >> 16) as usize % Self::SLOTS;
        loop {
            let id = u16::from_le_bytes(self.slots[slot]);
            if id == u16::MAX {
                return None;
            }
            if self.piece(usize::from(id)) == (piece, inner) {
                return Some(id.into());
            }
            slot = (slot + 1) % Self::SLOTS;
        }
    }

    /// The tokens of `text`, without the special ones of a window. Stops after the word
    /// that reaches `most`.
    pub(crate) fn tokens(&self, text: &str, most: usize) -> Vec<Token> {
        let mut out = Vec::new();
        let mut plain = 0;
        for (at, _) in text.match_indices('[') {
            let special = SPECIAL
                .iter()
                .find(|(name, _)| text[at..].starts_with(name));
            if let Some((name, id)) = special {
                self.split(&text[plain..at], most, &mut out);
                out.push(Token {
                    id: *id,
                    begins_word: true,
                });
                plain = at + name.len();
            }
        }
        self.split(&text[plain..], most, &mut out);
        out
    }

    /// Normalizes, then splits at white space and around punctuation.
    fn split(&self, text: &str, most: usize, out: &mut Vec<Token>) {
        let spaced = text
            .chars()
            .filter(|char| !is_removed(*char))
            .flat_map(|char| {
                let around = is_cjk(char).then_some(' ');
                let char = if char.is_whitespace() { ' ' } else { char };
                around.into_iter().chain([char]).chain(around)
            });
        let plain = spaced
            .nfd()
            .filter(|char| !is_removed(*char))
            .flat_map(char::to_lowercase);
        let mut word = Word::default();
        for char in plain {
            if out.len() >= most {
                return;
            }
            if char.is_whitespace() {
                self.finish(&mut word, out);
            } else if is_punctuation(char) {
                self.finish(&mut word, out);
                word.push(char);
                self.finish(&mut word, out);
            } else {
                word.push(char);
            }
        }
        self.finish(&mut word, out);
    }

    /// Splits a word greedily into the longest known pieces. A word that cannot be
    /// split so is unknown.
    fn finish(&self, word: &mut Word, out: &mut Vec<Token>) {
        if word.chars == 0 {
            return;
        }
        let before = out.len();
        let mut start = 0;
        while start < word.text.len() && word.chars <= EMBED_WORD_CHARS_MAX {
            let rest = &word.text[start..];
            let ends = (1..=rest.len().min(self.longest))
                .rev()
                .filter(|end| rest.is_char_boundary(*end));
            let found = ends
                .into_iter()
                .find_map(|end| Some((end, self.find(&rest.as_bytes()[..end], start > 0)?)));
            let Some((end, id)) = found else { break };
            out.push(Token {
                id,
                begins_word: start == 0,
            });
            start += end;
        }
        if start < word.text.len() || word.chars > EMBED_WORD_CHARS_MAX {
            out.truncate(before);
            out.push(Token {
                id: UNKNOWN,
                begins_word: true,
            });
        }
        word.text.clear();
        word.chars = 0;
    }
}

/// The current word. Of a word that is too long, characters are only counted.
#[derive(Default)]
struct Word {
    text: String,
    chars: usize,
}

impl Word {
    fn push(&mut self, char: char) {
        self.chars += 1;
        if self.chars <= EMBED_WORD_CHARS_MAX {
            self.text.push(char);
        }
    }
}

/// Whether the reference drops the character: controls (but not tab and line ends),
/// formats, private use, and combining marks.
fn is_removed(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' => false,
        _ if char.is_ascii() => char.is_ascii_control(),
        _ => within(&classes::REMOVED, char),
    }
}

fn is_punctuation(char: char) -> bool {
    if char.is_ascii() {
        char.is_ascii_punctuation()
    } else {
        within(&classes::PUNCTUATION, char)
    }
}

/// Ideographs, each of which is a word in the reference.
fn is_cjk(char: char) -> bool {
    matches!(char,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}' | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}'
        | '\u{2B920}'..='\u{2CEAF}' | '\u{2F800}'..='\u{2FA1F}')
}

fn within(ranges: &[(u32, u32)], char: char) -> bool {
    let point = u32::from(char);
    let after = ranges.partition_point(|(first, _)| *first <= point);
    after > 0 && ranges[after - 1].1 >= point
}
