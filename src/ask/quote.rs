//! Making untrusted text safe to quote: nothing is left that could end the
//! quotation or mislead its reader. Pure.

/// [`visible`] text with single instead of double quotes, so that it cannot end
/// its own quotation.
pub(crate) fn neutral(text: &str) -> String {
    visible(text).replace(['"', '\u{201c}', '\u{201d}'], "'")
}

/// Text on one line: control characters and white space become single spaces;
/// characters that are invisible or change the reading order are removed.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_whitespace() || c.is_control() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            _ if is_invisible(c) => {}
            _ => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Format characters. The two joiners stay: scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FEFF}'
        | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{202A}'..='\u{202E}'   // embeddings and overrides
        | '\u{2060}'..='\u{206F}'   // isolates, invisible operators
        | '\u{FFF9}'..='\u{FFFB}'   // interlinear marks
        | '\u{E0000}'..='\u{E007F}' // tags
    )
}

/// The sentences of a text, each [`neutral`], without blank ones.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in text.split(['\n', '\r', '\u{2028}', '\u{2029}']) {
        let mut start = 0;
        for (at, c) in line.char_indices() {
            let end = at + c.len_utf8();
            if ends_sentence(c, &line[start..at], &line[end..]) {
                out.push(neutral(&line[start..end]));
                start = end;
            }
        }
        out.push(neutral(&line[start..]));
    }
    out.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    out
}

fn ends_sentence(c: char, before: &str, after: &str) -> bool {
    match c {
        '\u{3002}' | '\u{FF01}' | '\u{FF1F}' => true,
        '!' | '?' => after.starts_with(char::is_whitespace),
        '.' => {
            let next = after.trim_start().chars().next();
            let begins = !next.is_some_and(char::is_lowercase);
            after.starts_with(char::is_whitespace) && begins && !is_abbreviation(before)
        }
        _ => false,
    }
}

/// Whether the period after `before` belongs to its last word: an abbreviation,
/// an initial, the number of a list item.
fn is_abbreviation(before: &str) -> bool {
    const ABBREVIATIONS: &[&str] = &[
        "mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "etc", "no", "approx", "ca",
    ];
    let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    let word = word.trim_start_matches(['(', '\'', '"']).to_lowercase();
    let is_initial = word.chars().count() == 1;
    let opens_a_list = word == before.trim() && word.chars().all(|c| c.is_ascii_digit());
    is_initial || opens_a_list || ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_invisible_characters_are_neutralized() {
        for (text, expected) in [
            ("a\u{0}b\r\n\tc", "a b c"),
            ("\u{1b}[31mred", "[31mred"),
            ("say \"hi\" [memory:9]", "say 'hi' [memory:9]"),
            ("a\u{202e}b\u{200b}c\u{e0041}", "abc"),
            ("  ", ""),
        ] {
            assert_eq!(neutral(text), expected, "{text:?}");
        }
    }

    #[test]
    fn abbreviations_and_numbers_do_not_end_sentences() {
        for (text, expected) in [
            (
                "One. Two! Three? Four",
                vec!["One.", "Two!", "Three?", "Four"],
            ),
            (
                "Dr. Berg came at 3.15 p.m. today.",
                vec!["Dr. Berg came at 3.15 p.m. today."],
            ),
            (
                "J. Smith left.\n- a\n\n- b",
                vec!["J. Smith left.", "- a", "- b"],
            ),
            ("Use v1.2.3. Not v2.", vec!["Use v1.2.3.", "Not v2."]),
            (
                "1. First do this. Then that.",
                vec!["1. First do this.", "Then that."],
            ),
            ("終わり。次へ！", vec!["終わり。", "次へ！"]),
            ("...", vec![]),
        ] {
            assert_eq!(sentences(text), expected, "{text:?}");
        }
    }
}
