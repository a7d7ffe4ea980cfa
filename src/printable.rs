//! Makes untrusted text printable: no character of it can control a terminal, change
//! the reading order or hide. Such characters are shown as `\u{202e}`, not dropped.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::platform;

/// Text of several lines: line ends and tabs stay.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'), braced)
}

/// Text of several lines within a page: no line of it can pass for one of the page's
/// own.
pub(crate) fn quoted(given: &str) -> String {
    text(given).replace('\n', "\n  | ")
}

/// Text that must stay on its line, such as a name: line ends and tabs are escaped
/// too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, braced)
}

/// A serialized JSON text: escapes in its strings, which mean the same. The white
/// space around its values stays.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let hidden = |c| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t');
    escaped(text, hidden, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _to_a_string = write!(out, "\\u{unit:04x}");
        }
    })
}

/// `text` as one word of a shell.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || platform::PLAIN_IN_SHELLS.contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The longest beginning of `text` in at most `bytes` bytes.
pub(crate) fn prefix(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether this character is invisible itself: controls, and characters that Unicode
/// calls default ignorable, which change the reading order, take no space, or carry
/// text in tags and variation selectors. The two selectors that choose an emoji's
/// presentation stay.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn braced(c: char, out: &mut String) {
    out.extend(c.escape_unicode());
}

fn escaped(
    text: &str,
    hidden: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let Some(first) = text.find(&hidden) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        match hidden(c) {
            true => escape(c, &mut out),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hidden_character_is_shown_and_the_others_stay() {
        for (given, shown) in [
            (
                "a\x1b[2Jb\rc\u{9b}1m\u{7f}",
                "a\\u{1b}[2Jb\\u{d}c\\u{9b}1m\\u{7f}",
            ),
            (
                "x\u{202e}y\u{2066}z\u{200b}",
                "x\\u{202e}y\\u{2066}z\\u{200b}",
            ),
            ("\u{e0041}\u{feff}\u{2028}", "\\u{e0041}\\u{feff}\\u{2028}"),
            ("é 木曜日 ❤\u{fe0f}\n\tend", "é 木曜日 ❤\u{fe0f}\n\tend"),
        ] {
            assert_eq!(text(given), shown);
            assert_eq!(text(shown), shown, "what is shown stays as it is");
        }
        assert_eq!(line("a\nb\tc"), "a\\u{a}b\\u{9}c");
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let document = serde_json::json!({"a\u{202e}": "\x1b\u{7f}\u{9b}\u{e0041}\u{200d}é"});
        for written in [document.to_string(), format!("{document:#}")] {
            let shown = json(&written);
            assert!(!shown.chars().any(|c| is_hidden(c) && c != '\n'), "{shown}");
            let read: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
            assert_eq!(read, document);
        }
    }
}
