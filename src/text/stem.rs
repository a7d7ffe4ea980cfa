//! The stem of a word for a keyword index without its own stemmer: the result of FTS5's
//! `porter unicode61 remove_diacritics 2` for one word of [`words`](super::words), so
//! that both store rooms find the same texts. FTS5 splits a word at marks that it does
//! not know (the vowel signs of Hindi); here it stays whole.

use unicode_normalization::UnicodeNormalization;

use crate::limits;

/// Words of other lengths, in bytes, are left as they are.
const STEMMED_BYTES: std::ops::RangeInclusive<usize> = 3..=64;

/// The stem of one word of [`words`](super::words).
pub(crate) fn stem(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for c in word.chars() {
        if !is_dropped(c) {
            plain.push(without_mark(c));
        }
    }
    let mut end = plain.len().min(limits::KEYWORD_BYTES_MAX);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain.truncate(end);
    if !STEMMED_BYTES.contains(&plain.len()) {
        return plain;
    }
    let mut stem = Stem(plain.into_bytes());
    stem.reduce();
    // The rules remove and add ASCII letters only.
    String::from_utf8_lossy(&stem.0).into_owned()
}

/// A combining mark that FTS5 takes for a diacritic.
fn is_dropped(c: char) -> bool {
    const MARKS: u64 = 0x0003_61F8_0802_9FDF;
    let nth = u32::from(c).wrapping_sub(0x300);
    nth < 50 && MARKS & (1 << nth) != 0
}

/// A Latin letter without its marks, in lower case, and a sigma in its one form; another
/// character as it is.
fn without_mark(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    if c == 'ς' {
        return 'σ';
    }
    let mut parts = std::iter::once(c).nfd();
    match parts.next() {
        Some(base) if base.is_ascii_alphabetic() && parts.next().is_some() => {
            base.to_ascii_lowercase()
        }
        _ => c,
    }
}

/// Porter's algorithm with his two later rules (bli, logi), over bytes as FTS5 has it.
struct Stem(Vec<u8>);

type Condition = fn(&[u8]) -> bool;
/// A suffix, the condition on the rest, and the suffix's replacement.
type Rule = (&'static str, Condition, &'static str);

const STEP_2: &[Rule] = &[
    ("ational", measured, "ate"),
    ("tional", measured, "tion"),
    ("enci", measured, "ence"),
    ("anci", measured, "ance"),
    ("izer", measured, "ize"),
    ("logi", measured, "log"),
    ("bli", measured, "ble"),
    ("alli", measured, "al"),
    ("entli", measured, "ent"),
    ("eli", measured, "e"),
    ("ousli", measured, "ous"),
    ("ization", measured, "ize"),
    ("ation", measured, "ate"),
    ("ator", measured, "ate"),
    ("alism", measured, "al"),
    ("iveness", measured, "ive"),
    ("fulness", measured, "ful"),
    ("ousness", measured, "ous"),
    ("aliti", measured, "al"),
    ("iviti", measured, "ive"),
    ("biliti", measured, "ble"),
];

const STEP_3: &[Rule] = &[
    ("ical", measured, "ic"),
    ("ness", measured, ""),
    ("icate", measured, "ic"),
    ("iciti", measured, "ic"),
    ("ful", measured, ""),
    ("ative", measured, ""),
    ("alize", measured, "al"),
];

const STEP_4: &[Rule] = &[
    ("al", measured_twice, ""),
    ("ance", measured_twice, ""),
    ("ence", measured_twice, ""),
    ("er", measured_twice, ""),
    ("ic", measured_twice, ""),
    ("able", measured_twice, ""),
    ("ible", measured_twice, ""),
    ("ant", measured_twice, ""),
    ("ement", measured_twice, ""),
    ("ment", measured_twice, ""),
    ("ent", measured_twice, ""),
    ("ion", measured_twice_after_s_or_t, ""),
    ("ou", measured_twice, ""),
    ("ism", measured_twice, ""),
    ("ate", measured_twice, ""),
    ("iti", measured_twice, ""),
    ("ous", measured_twice, ""),
    ("ive", measured_twice, ""),
    ("ize", measured_twice, ""),
];

impl Stem {
    fn reduce(&mut self) {
        self.plural();
        if self.past_or_progressive() {
            self.restore_end();
        }
        if let [rest @ .., b'y'] = self.0.as_slice()
            && has_vowel(rest)
        {
            let last = rest.len();
            self.0[last] = b'i';
        }
        self.apply(STEP_2);
        self.apply(STEP_3);
        self.apply(STEP_4);
        if let [rest @ .., b'e'] = self.0.as_slice()
            && (measured_twice(rest) || (measured_once(rest) && !ends_short(rest)))
        {
            self.0.pop();
        }
        if let [rest @ .., b'l'] = self.0.as_slice()
            && rest.ends_with(b"l")
            && measured_twice(rest)
        {
            self.0.pop();
        }
    }

    fn plural(&mut self) {
        let removed = match self.0.as_slice() {
            [_, .., b's', b's', b'e', b's'] | [_, .., b'i', b'e', b's'] => 2,
            [.., b's', b's'] => 0,
            [.., b's'] => 1,
            _ => 0,
        };
        self.0.truncate(self.0.len() - removed);
    }

    /// Whether a suffix was removed that may have changed the rest.
    fn past_or_progressive(&mut self) -> bool {
        if let Some(rest) = self.before("eed") {
            if measured(&self.0[..rest]) {
                self.0.truncate(rest + 2);
            }
            return false;
        }
        let ends = ["ed", "ing"].into_iter().find_map(|end| self.before(end));
        match ends {
            Some(rest) if has_vowel(&self.0[..rest]) => {
                self.0.truncate(rest);
                true
            }
            _ => false,
        }
    }

    /// Restores an e, or removes the second of two equal consonants.
    fn restore_end(&mut self) {
        if ["at", "bl", "iz"]
            .iter()
            .any(|end| self.before(end).is_some())
        {
            self.0.push(b'e');
            return;
        }
        match self.0.as_slice() {
            [.., last_but_one, last]
                if last_but_one == last
                    && !is_vowel(*last, false)
                    && !matches!(last, b'l' | b's' | b'z') =>
            {
                self.0.pop();
            }
            all if measured_once(all) && ends_short(all) => self.0.push(b'e'),
            _ => {}
        }
    }

    /// The first rule with a matching suffix decides.
    fn apply(&mut self, rules: &[Rule]) {
        let found = rules
            .iter()
            .find_map(|rule| Some((self.before(rule.0)?, rule)));
        if let Some((rest, (_, condition, replacement))) = found
            && condition(&self.0[..rest])
        {
            self.0.truncate(rest);
            self.0.extend(replacement.bytes());
        }
    }

    /// Where the suffix `end` begins, if something precedes it.
    fn before(&self, end: &str) -> Option<usize> {
        let rest = self.0.strip_suffix(end.as_bytes())?;
        (!rest.is_empty()).then_some(rest.len())
    }
}

/// A y is a vowel after a consonant.
fn is_vowel(letter: u8, y_is_one: bool) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u') || (letter == b'y' && y_is_one)
}

/// Whether each letter is a consonant.
fn consonants(stem: &[u8]) -> impl Iterator<Item = bool> {
    stem.iter().scan(false, |after_consonant, letter| {
        *after_consonant = !is_vowel(*letter, *after_consonant);
        Some(*after_consonant)
    })
}

/// How often a consonant follows a vowel.
fn measure(stem: &[u8]) -> usize {
    let all: Vec<bool> = consonants(stem).collect();
    all.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn measured(stem: &[u8]) -> bool {
    measure(stem) > 0
}

fn measured_once(stem: &[u8]) -> bool {
    measure(stem) == 1
}

fn measured_twice(stem: &[u8]) -> bool {
    measure(stem) > 1
}

fn measured_twice_after_s_or_t(stem: &[u8]) -> bool {
    (stem.ends_with(b"s") || stem.ends_with(b"t")) && measured_twice(stem)
}

fn has_vowel(stem: &[u8]) -> bool {
    let mut letters = stem.iter().enumerate();
    letters.any(|(nth, letter)| is_vowel(*letter, nth > 0))
}

/// Ends with consonant, vowel and a consonant other than w, x and y.
fn ends_short(stem: &[u8]) -> bool {
    let all: Vec<bool> = consonants(stem).collect();
    all.ends_with(&[true, false, true]) && !matches!(stem.last(), Some(b'w' | b'x' | b'y'))
}
