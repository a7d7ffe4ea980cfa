//! One spelling for the words of the keyword index and of its queries: letters that
//! people write in several ways, and other forms of names, numbers and identifiers. Pure.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Piece, pieces, push_word, words};

/// The words of a text as the keyword index has them, separated by spaces: those of
/// [`words`] in one spelling, then other forms of some of them. The others come last, so
/// that words which stand side by side in the text do so here.
pub fn index_words(text: &str) -> String {
    let mut out = one_spelling(&words(text));
    for form in other_forms(text) {
        push_word(&mut out, &form);
    }
    out
}

/// The result of [`words`] in the spelling of the index.
pub(crate) fn one_spelling(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        push_word(&mut out, &spelled(word));
    }
    out
}

/// One word in lower case in the spelling of the index.
pub(super) fn spelled(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            'ø' => out.push('o'),
            'đ' | 'ð' => out.push('d'),
            'ł' => out.push('l'),
            'ħ' => out.push('h'),
            'ı' => out.push('i'),
            'ё' => out.push('е'),
            'أ' | 'إ' | 'آ' | 'ٱ' => out.push('ا'),
            'ى' | 'ی' => out.push('ي'),
            'ک' => out.push('ك'),
            'ة' => out.push('ه'),
            '\u{660}'..='\u{669}' => out.push(digit(c, 0x660)),
            '\u{6F0}'..='\u{6F9}' => out.push(digit(c, 0x6F0)),
            // The lengthening of a line, and the marks of vowels and of cantillation.
            '\u{640}' => {}
            '\u{591}'..='\u{5C7}' | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}' | '\u{670}'
                if is_combining_mark(c) => {}
            '\u{4E00}'..='\u{9FFF}' => out.push(simplified(c)),
            _ => out.push(c),
        }
    }
    match without_article(&out) {
        Some(rest) => rest.to_owned(),
        None => out,
    }
}

fn digit(c: char, zero: u32) -> char {
    char::from_digit(u32::from(c) - zero, 10).unwrap_or(c)
}

/// An Arabic or Hebrew word without the article that is written as its beginning.
fn without_article(word: &str) -> Option<&str> {
    const ARTICLES: [&str; 10] = [
        "وال", "بال", "كال", "فال", "ال", "لل", "וה", "שה", "מה", "ה",
    ];
    const REST_CHARS_MIN: usize = 3;
    let rest = ARTICLES
        .iter()
        .find_map(|article| word.strip_prefix(article))?;
    (rest.chars().count() >= REST_CHARS_MIN).then_some(rest)
}

/// Traditional characters, each before its simplified one, in their order: of OpenCC's
/// `TSCharacters` (Apache License 2.0) those of the Unicode block of common characters,
/// where several are simplified ones the first.
const SIMPLIFIED: &[u8] = include_bytes!("simplified.txt");

fn simplified(c: char) -> char {
    let mut bytes = [0; 4];
    let key = c.encode_utf8(&mut bytes).as_bytes();
    let (pairs, _) = SIMPLIFIED.as_chunks::<6>();
    // UTF-8 has the order of the characters.
    let found = pairs.binary_search_by(|pair| pair[..3].cmp(key));
    let simple = found
        .ok()
        .and_then(|at| std::str::from_utf8(&pairs[at][3..]).ok());
    simple.and_then(|simple| simple.chars().next()).unwrap_or(c)
}

/// Other forms of the names, numbers and identifiers in a text, and its emoji, which
/// [`words`] leaves out.
fn other_forms(text: &str) -> Vec<String> {
    let mut forms = joined_names(text);
    forms.extend(grouped_numbers(text).1);
    for word in identifiers(text).flat_map(|word| word.split('_')) {
        let humps = humps(word);
        // `GitHub` is a name: who asks for a hub does not mean it.
        let is_identifier = word.starts_with(|c: char| c.is_ascii_lowercase()) || humps.len() > 2;
        if humps.len() > 1 && is_identifier {
            forms.extend(humps);
        }
    }
    forms.extend(emoji(text));
    forms
}

/// The words of a query in the spelling of the index, with those of which longer ones
/// count too, and each with other spellings of it.
pub(super) fn asked_words(query: &str) -> Vec<(String, bool, Vec<String>)> {
    let (query, _) = grouped_numbers(query);
    let mut asked = Vec::new();
    for piece in pieces(&query) {
        match piece {
            Piece::Word(word) => asked.push((spelled(&word), is_hash(&word), variants(&word))),
            Piece::Run(run) => {
                let run: Vec<char> = run.into_iter().map(simplified).collect();
                match run.len() {
                    1 => asked.push((run.iter().collect(), true, Vec::new())),
                    _ => asked.extend(
                        run.windows(2)
                            .map(|pair| (pair.iter().collect(), false, Vec::new())),
                    ),
                }
            }
        }
    }
    let mut also = |word: String, prefix: bool| asked.push((word, prefix, Vec::new()));
    joined_names(&query)
        .into_iter()
        .for_each(|name| also(name, false));
    for word in identifiers(&query) {
        let parts: Vec<&str> = word.split('_').filter(|part| !part.is_empty()).collect();
        let has_letters = |part: &&str| part.bytes().any(|byte| byte.is_ascii_alphabetic());
        if parts.len() > 1 && parts.iter().all(has_letters) {
            also(parts.concat().to_lowercase(), true);
        }
        for part in parts {
            let humps = humps(part);
            if humps.len() > 1 {
                also(part.to_lowercase(), true);
                humps.into_iter().for_each(|hump| also(hump, false));
            }
        }
    }
    emoji(&query).for_each(|word| also(word, false));
    asked
}

/// Whether a word may be the beginning of a longer hash, as people shorten them.
fn is_hash(word: &str) -> bool {
    const MIXED_BYTES_MIN: usize = 6;
    const PLAIN_BYTES_MIN: usize = 7;
    const WHOLE_BYTES: usize = 40;
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let least = match has_digit && has_letter {
        true => MIXED_BYTES_MIN,
        false => PLAIN_BYTES_MIN,
    };
    (least..WHOLE_BYTES).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A word with its umlauts as two letters, or with such letters as one: Mueller is
/// Müller, whose index has `muller`.
fn variants(word: &str) -> Vec<String> {
    const CHARS_MIN: usize = 5;
    let mut written_out = String::with_capacity(word.len() + 2);
    for c in word.chars() {
        match c {
            'ä' | 'æ' => written_out.push_str("ae"),
            'ö' | 'ø' | 'œ' => written_out.push_str("oe"),
            'ü' => written_out.push_str("ue"),
            'å' => written_out.push_str("aa"),
            'ß' => written_out.push_str("ss"),
            _ => written_out.push(c),
        }
    }
    if written_out != word {
        return vec![written_out];
    }
    let letters = word.as_bytes();
    if !word.is_ascii() || letters.len() < CHARS_MIN {
        return Vec::new();
    }
    let is_vowel = |at: Option<&u8>| at.is_none_or(|c| b"aeiouy".contains(c));
    let mut single = String::with_capacity(word.len());
    let mut at = 0;
    while at < letters.len() {
        single.push(char::from(letters[at]));
        let is_pair = matches!(
            &letters[at..],
            [b'a' | b'o' | b'u', b'e', ..] | [b'a', b'a', ..]
        );
        // Between vowels, and in `que`, the letters are two.
        let before = at.checked_sub(1).map(|before| letters[before]);
        let is_apart = before.is_some_and(|c| b"aeiouyq".contains(&c));
        let is_one = is_pair && !is_apart && !is_vowel(letters.get(at + 2));
        at += if is_one { 2 } else { 1 };
    }
    match single == word {
        true => Vec::new(),
        false => vec![single],
    }
}

/// The names with an apostrophe in a text as one word: `obrien`. Contractions are none.
fn joined_names(text: &str) -> Vec<String> {
    const CONTRACTED: [&str; 7] = ["s", "t", "d", "m", "ll", "re", "ve"];
    let is_apostrophe = |c: char| matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{2BC}' | '`');
    let mut names = Vec::new();
    for word in text.split(|c: char| !(c.is_alphanumeric() || is_apostrophe(c))) {
        if !word.contains(is_apostrophe) {
            continue;
        }
        let parts = word.split(is_apostrophe).filter(|part| !part.is_empty());
        let parts: Vec<String> = parts.map(str::to_lowercase).collect();
        let is_contraction = |last: &String| CONTRACTED.contains(&last.as_str());
        let parts = match parts.split_last() {
            Some((last, rest)) if is_contraction(last) => rest,
            _ => &parts,
        };
        if parts.len() > 1 {
            names.push(spelled(&parts.concat().nfkc().collect::<String>()));
        }
    }
    names
}

/// A text with its numbers in groups of three digits (1,000, 1.000, 1 000) in one piece,
/// and these numbers.
fn grouped_numbers(text: &str) -> (String, Vec<String>) {
    let chars: Vec<char> = text.nfkc().collect();
    let mut out = String::with_capacity(text.len());
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let is_inside = at > 0 && chars[at - 1].is_alphanumeric();
        match grouped_number(&chars[at..]).filter(|_| !is_inside) {
            Some((number, length)) => {
                out.push_str(&number);
                numbers.push(number);
                at += length;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    (out, numbers)
}

/// The number in groups that a text begins with, and how many characters it has there.
fn grouped_number(chars: &[char]) -> Option<(String, usize)> {
    const GROUP: usize = 3;
    let digits = |from: usize| {
        let rest = chars[from.min(chars.len())..].iter();
        rest.take_while(|c| c.is_ascii_digit()).count()
    };
    let first = digits(0);
    let separator = *chars.get(first)?;
    let is_separator = matches!(separator, ',' | '.' | ' ' | '\'' | '\u{2019}' | '_');
    if !(1..=GROUP).contains(&first) || !is_separator {
        return None;
    }
    let mut end = first;
    while chars.get(end) == Some(&separator) && digits(end + 1) == GROUP {
        end += 1 + GROUP;
    }
    let is_word = chars.get(end).is_some_and(|c| c.is_alphanumeric());
    let number = chars[..end].iter().filter(|c| c.is_ascii_digit()).collect();
    (end > first && !is_word).then_some((number, end))
}

/// What may be identifiers in a text: runs of letters, digits and `_`.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    const BYTES_MIN: usize = 4;
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| word.is_ascii() && word.len() >= BYTES_MIN)
}

/// `parseInvoiceDate` in lower case at its capitals: parse, invoice, date.
fn humps(word: &str) -> Vec<String> {
    let mut humps: Vec<String> = Vec::new();
    let mut before_is_lower = false;
    for c in word.chars() {
        match humps.last_mut() {
            Some(hump) if !(before_is_lower && c.is_ascii_uppercase()) => {
                hump.push(c.to_ascii_lowercase());
            }
            _ => humps.push(c.to_ascii_lowercase().to_string()),
        }
        before_is_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    humps
}

/// A word for each emoji in a text, without its tone of skin.
fn emoji(text: &str) -> impl Iterator<Item = String> {
    let is_emoji = |c: &char| {
        matches!(c,
            '\u{231A}' | '\u{231B}' | '\u{23E9}'..='\u{23F3}' | '\u{2600}'..='\u{27BF}'
            | '\u{2B50}' | '\u{2B55}' | '\u{1F1E6}'..='\u{1F1FF}'
            | '\u{1F300}'..='\u{1F3FA}' | '\u{1F400}'..='\u{1FAFF}'
        ) && !c.is_alphanumeric()
    };
    let found = text.chars().filter(is_emoji);
    // In digits, which no stemmer changes.
    found.map(|c| format!("emoji{}", u32::from(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_characters_is_in_order() {
        let (pairs, rest) = SIMPLIFIED.as_chunks::<6>();
        assert!(rest.is_empty());
        assert!(pairs.is_sorted_by(|one, other| one[..3] < other[..3]));
        let simple = ['漢', '人', '𫠠'].map(simplified);
        assert_eq!(simple, ['汉', '人', '𫠠']);
    }

    #[test]
    fn words_stay_side_by_side_and_other_forms_follow() {
        for (text, expected) in [
            ("the cat sat", "the cat sat"),
            ("O'Brien pays 1,000", "o brien pays 1 000 obrien 1000"),
            ("don't", "don t"),
            (
                "getUserName in GitHub",
                "getusername in github get user name",
            ),
            ("🚀 up", "up emoji128640"),
        ] {
            assert_eq!(index_words(text), expected, "{text}");
        }
    }
}
