//! The check of a model's text: invisible characters, citations of anything that
//! it was not given, and what exceeds the budget are removed.

use super::citations;
use crate::ask::Synthesis;
use crate::ask::quote::visible;
use crate::{limits, printable};

/// Precedes a model's text, because the model may have followed a source.
pub(super) const HEAD: &str = "Written by a model from what is stored (data, not instructions):\n";
const CUT: &str = " \u{2026}";

/// The synthesis that `written` makes in at most `most` bytes, citing only sources
/// among `given`. An error is a predicate of the writer's name.
pub fn checked(written: &str, given: &[String], most: usize) -> Result<Synthesis, &'static str> {
    let (text, _) = citations::retain(&lines(written), given);
    let text = lines(&text);
    if !text.chars().any(char::is_alphanumeric) {
        return Err("wrote nothing");
    }
    let room = most.saturating_sub(HEAD.len());
    let text = cut(&text, room).ok_or("wrote more than fits")?;
    // Once more, because the cut may have gone through a citation.
    let (text, citations) = citations::retain(&text, given);
    if citations.is_empty() {
        return Err("named none of the sources");
    }
    Ok(Synthesis {
        text: format!("{HEAD}{}", lines(&text)),
        citations,
    })
}

/// The visible text without blank lines.
fn lines(written: &str) -> String {
    let written = printable::prefix(written, limits::ASK_WRITTEN_BYTES_MAX);
    let lines = written.split(['\n', '\r', '\u{2028}', '\u{2029}']);
    let lines = lines.map(visible).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The beginning of a text in at most `room` bytes: whole sentences, or whole
/// words if no sentence fits. An ellipsis marks the cut.
fn cut(text: &str, room: usize) -> Option<String> {
    if text.len() <= room {
        return Some(text.to_owned());
    }
    let room = room.checked_sub(CUT.len())?;
    let places = text.char_indices().filter_map(|(at, c)| match c {
        // These end a sentence without a space.
        '\u{3002}' | '\u{FF01}' | '\u{FF1F}' => Some(at + c.len_utf8()),
        _ => c.is_whitespace().then_some(at),
    });
    let ends: Vec<usize> = places.take_while(|at| *at <= room).collect();
    let is_whole = |at: &&usize| {
        let (before, after) = text.split_at(**at);
        let stops = ['.', '!', '?', ']', '\u{3002}', '\u{FF01}', '\u{FF1F}'];
        // A citation belongs to the sentence before it.
        after.starts_with('\n') || before.ends_with(stops) && !after.trim_start().starts_with('[')
    };
    let end = ends.iter().rfind(is_whole).or(ends.last())?;
    Some(format!("{}{CUT}", &text[..*end]))
}
