//! The normal form of texts: equality, and the words by which a text is found.
//! Pure. Domains and stores share it, so that they always agree.

pub(crate) mod dates;
mod excerpts;
pub(crate) mod features;
mod index;
mod irregular;
mod language;
mod stem;

use std::borrow::Cow;
use std::collections::HashSet;

pub(crate) use excerpts::{beginning, passage};
pub use index::index_words;
pub(crate) use index::one_spelling;
pub(crate) use language::is_english;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::limits;

pub(crate) use stem::stem;

/// A hash that is equal for texts that differ only in Unicode form, case, white
/// space and closing punctuation.
pub fn key(text: &str) -> [u8; 32] {
    Sha256::digest(normalized(text)).into()
}

/// NFKC, lower case, single spaces, without periods or exclamation marks at the
/// end. A question mark stays, because a question is not a statement.
fn normalized(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut joined = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    let closing = |c: char| matches!(c, '.' | '!' | '。' | '…' | ' ');
    joined.truncate(joined.trim_end_matches(closing).len());
    joined
}

/// The form in which a person looks for a text: any case of it, in any script, so that
/// STRASSE finds Straße.
pub(crate) fn folded(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    composed.to_uppercase().to_lowercase().replace('ς', "σ")
}

/// The form in which names are equal: one Unicode form, lower case, `_` for white
/// space. Every symbol counts, so that C, C++ and C# differ, and so do raised and
/// lowered characters: 10⁵ is not 105.
pub(crate) fn identity(name: &str) -> String {
    let mut composed = String::with_capacity(name.len());
    let mut plain = String::new();
    for c in name.chars() {
        if is_raised_or_lowered(c) {
            composed.extend(std::mem::take(&mut plain).nfkc());
            composed.push(c);
        } else {
            plain.push(c);
        }
    }
    composed.extend(plain.nfkc());
    let folded: String = composed.chars().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join("_")
}

/// Characters that NFKC would make into plain ones of another meaning.
fn is_raised_or_lowered(c: char) -> bool {
    matches!(c, 'ª' | 'º' | '²' | '³' | '¹' | '¼'..='¾')
        || matches!(c, '\u{2070}'..='\u{209C}' | '\u{2150}'..='\u{215F}' | '\u{2460}'..='\u{24FF}')
}

/// The form in which names are alike: their words, or where there are none (`+++`)
/// their identity. Much looser than [`identity`], so it only suggests.
pub(crate) fn name_words(name: &str) -> String {
    let words = words(name);
    match words.is_empty() {
        true => identity(name),
        false => words,
    }
}

/// The words of a text, separated by spaces. Text in scripts
/// without spaces becomes overlapping pairs (京都府 becomes 京都 都府 府), so that any
/// two characters find it. The single last character makes every character the
/// beginning of a word.
pub fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for piece in pieces(text) {
        match piece {
            Piece::Word(word) => push_word(&mut out, &word),
            Piece::Run(run) => {
                for start in 0..run.len() {
                    let pair: String = run[start..].iter().take(2).collect();
                    push_word(&mut out, &pair);
                }
            }
        }
    }
    out
}

/// The distinct phrases of up to `most` adjacent words that could be names, in the
/// result of [`words`].
pub(crate) fn phrases(words: &str, most: usize) -> impl Iterator<Item = &str> {
    // The beginning and the end of each word.
    let bounds: Vec<(usize, usize)> = words
        .split(' ')
        .scan(0, |at, word| {
            let start = *at;
            *at += word.len() + 1;
            Some((start, start + word.len()))
        })
        .collect();
    let mut seen = HashSet::new();
    (0..bounds.len())
        .flat_map(move |first| {
            let last = (first + most).min(bounds.len());
            let runs = bounds[first..last].iter();
            let start = bounds[first].0;
            runs.map(move |(_, end)| &words[start..*end])
                .collect::<Vec<_>>()
        })
        .filter(move |phrase| is_distinctive(phrase) && seen.insert(*phrase))
}

/// Whether a phrase of [`words`] can be a name: no stop word, and longer than two
/// characters.
pub(crate) fn is_distinctive(name: &str) -> bool {
    name.chars().count() > 2 && STOP_WORDS.binary_search(&name).is_err()
}

/// One word of a keyword query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryWord {
    pub(crate) word: String,
    /// Whether longer words that begin with it match too.
    pub(crate) prefix: bool,
    /// Equivalent words: the forms of an irregular word (go, went, gone), and other
    /// spellings.
    pub(crate) forms: Vec<Cow<'static, str>>,
}

/// The distinct keywords of a query, at most `limits::QUERY_WORDS_MAX`. Stop words
/// are left out unless there are no others.
pub fn query_words(query: &str) -> Vec<QueryWord> {
    let mut asked: Vec<QueryWord> = Vec::new();
    for (word, prefix, variants) in index::asked_words(query) {
        if let Some(known) = asked.iter_mut().find(|known| known.word == word) {
            known.prefix |= prefix;
        } else if asked.len() < limits::QUERY_WORDS_MAX {
            let forms = irregular::forms(&word).iter().map(|form| Cow::from(*form));
            asked.push(QueryWord {
                forms: forms.chain(variants.into_iter().map(Cow::from)).collect(),
                word,
                prefix,
            });
        }
    }
    let keywords: Vec<QueryWord> = asked
        .iter()
        .filter(|asked| STOP_WORDS.binary_search(&asked.word.as_str()).is_err())
        .cloned()
        .collect();
    if keywords.is_empty() { asked } else { keywords }
}

/// Whether the word alone changes what a sentence says.
pub(crate) fn is_decisive(word: &str) -> bool {
    word.chars().any(char::is_numeric) || NEGATIONS.contains(&word)
}

/// Contractions appear as the piece before the apostrophe.
const NEGATIONS: &[&str] = &[
    "no", "not", "never", "without", "don", "doesn", "isn", "wasn", "didn",
];

fn push_word(out: &mut String, word: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(word);
}

enum Piece {
    /// Letters and digits of a script with spaces, in lower case.
    Word(String),
    /// Characters of a script without spaces.
    Run(Vec<char>),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut in_piece = false;
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if is_spaceless(c) {
            match pieces.last_mut() {
                Some(Piece::Run(run)) if in_piece => run.push(c),
                _ => pieces.push(Piece::Run(vec![c])),
            }
            in_piece = true;
        } else if c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c) {
            match pieces.last_mut() {
                Some(Piece::Word(word)) if in_piece => word.push(c),
                _ => pieces.push(Piece::Word(c.to_string())),
            }
            in_piece = true;
        } else {
            in_piece = false;
        }
    }
    pieces
}

/// Chinese, Japanese and Korean letters, and Thai, Lao, Burmese and Khmer ones.
fn is_spaceless(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'     // Thai, Lao
        | '\u{1000}'..='\u{109F}'   // Burmese
        | '\u{1100}'..='\u{11FF}'   // Hangul Jamo
        | '\u{1780}'..='\u{17FF}'   // Khmer
        | '\u{3005}'..='\u{3007}'   // ideographic marks
        | '\u{3040}'..='\u{30FF}'   // Hiragana, Katakana
        | '\u{3130}'..='\u{318F}'   // Hangul compatibility
        | '\u{31F0}'..='\u{31FF}'   // Katakana extensions
        | '\u{3400}'..='\u{4DBF}'   // Han extension A
        | '\u{4E00}'..='\u{9FFF}'   // Han
        | '\u{AC00}'..='\u{D7AF}'   // Hangul
        | '\u{F900}'..='\u{FAFF}'   // Han compatibility
        | '\u{20000}'..='\u{323AF}' // Han extensions B to H
    ) && c.is_alphanumeric()
}

/// In byte order. Contractions appear as the pieces around the apostrophe (`don`
/// and `t`).
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "both", "but", "by", "can", "could", "d", "did",
    "didn", "do", "does", "doesn", "doing", "don", "during", "each", "for", "from", "had", "has",
    "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into",
    "is", "isn", "it", "its", "just", "ll", "m", "me", "might", "more", "most", "must", "my", "no",
    "nor", "not", "of", "on", "once", "only", "or", "other", "our", "ours", "out", "over", "own",
    "re", "s", "same", "shall", "she", "should", "so", "some", "such", "t", "than", "that", "the",
    "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through", "to",
    "too", "under", "until", "up", "us", "ve", "very", "was", "wasn", "we", "were", "what", "when",
    "where", "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you",
    "your", "yours",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_in_order() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn texts_are_equal_despite_form_case_space_and_closing_punctuation() {
        let same = [
            ("We use Postgres.", "we use  postgres"),
            ("Ship it!", "ship it"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("１２３", "123"),
            ("終わり。", "終わり"),
            ("a\tb\n", "a b"),
        ];
        for (one, other) in same {
            assert_eq!(key(one), key(other), "{one:?} {other:?}");
        }
        let different = [
            ("We use Postgres", "We use Postgres?"),
            ("v1.2", "v12"),
            ("cafe", "caf\u{e9}"),
            ("a b", "ab"),
        ];
        for (one, other) in different {
            assert_ne!(key(one), key(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn words_of_scripts_with_and_without_spaces() {
        let cases = [
            ("Hello, World 42", "hello world 42"),
            ("snake_case v1.2", "snake case v1 2"),
            ("京都府", "京都 都府 府"),
            ("Rustは速い", "rust は速 速い い"),
            ("한국어 검색", "한국 국어 어 검색 색"),
            ("", ""),
            ("¿?…", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names_are_equal_by_form_case_and_space_alone() {
        let same = [
            ("Alice  Smith", "alice smith"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("alice_smith", "Alice Smith"),
            ("１２ Ａ", "12 a"),
        ];
        for (one, other) in same {
            assert_eq!(identity(one), identity(other), "{one:?} {other:?}");
        }
        let different = [
            "C", "C++", "C#", ".NET", "NET", "A-", "A+", "10.5", "10-5", "105", "10⁵", "x²", "x2",
            "src/a.rs", "src a rs", "#general", "General", "½", "1/2", "①", "1",
        ];
        let distinct: HashSet<String> = different.iter().map(|name| identity(name)).collect();
        assert_eq!(distinct.len(), different.len());
        assert_eq!(name_words("src/a.rs"), name_words("SRC a rs"));
        assert_eq!(name_words("+++"), "+++");
    }

    #[test]
    fn phrases_are_adjacent_words_that_could_be_names() {
        let found: Vec<&str> = phrases("the acme corp of the acme", 2).collect();
        let expected = ["the acme", "acme", "acme corp", "corp", "corp of", "of the"];
        assert_eq!(found, expected);
        assert_eq!(phrases("", 3).count(), 0);
    }

    #[test]
    fn queries_keep_stop_words_only_without_other_words() {
        let asked = |query: &str| -> Vec<String> {
            let star = |word: QueryWord| word.word + if word.prefix { "*" } else { "" };
            query_words(query).into_iter().map(star).collect()
        };
        assert_eq!(asked("What's the name of the dog?"), ["name", "dog"]);
        assert_eq!(asked("who are you"), ["who", "are", "you"]);
        assert_eq!(asked("dog Dog dogs"), ["dog", "dogs"]);
        assert_eq!(asked("犬"), ["犬*"]);
        assert_eq!(asked("日本語"), ["日本", "本语"]);
        assert_eq!(asked("\"; --"), Vec::<String>::new());
    }
}
