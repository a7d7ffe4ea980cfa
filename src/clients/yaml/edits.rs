//! Changes of a YAML text at the positions of its values.

use std::ops::Range;

use serde_json::Value as Json;

use super::tree::{Kind, Node};
use super::{Layout, block, check, whole};
use crate::clients::entry::is_switch;
use crate::clients::lines::with_ends_of;
use crate::diagnostics::Diagnostic;

/// A text without quotes, where it needs none.
pub(super) fn word(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_plain = text.starts_with(is_word)
        && text
            .chars()
            .all(|c| is_word(c) || c.is_ascii_digit() || c == '-');
    // Some readers take more words than YAML 1.2 does for truth values.
    let has_meaning = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match is_plain && !has_meaning.contains(&&*text.to_lowercase()) {
        true => text.to_owned(),
        false => Json::from(text).to_string(),
    }
}

/// A value on one line, in JSON with spaces.
pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => word(text),
        Json::Array(list) => {
            let items: Vec<String> = list.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) => {
            let pair = |(key, value): (&String, &Json)| format!("{}: {}", word(key), flow(value));
            let pairs: Vec<String> = map.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// Changes of a text at positions that it has before all of them.
pub(super) struct Edits<'a> {
    pub(super) text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Edits {
            text,
            edits: Vec::new(),
        }
    }

    pub(super) fn replace(&mut self, span: Range<usize>, with: &str) {
        self.edits.push((span, with.to_owned()));
    }

    /// Puts lines after the line in which something ends.
    pub(super) fn insert_lines(&mut self, end: usize, lines: &str) {
        let at = self.next_line(end);
        let is_begun = at > 0 && !self.text[..at].ends_with('\n');
        let begin = if is_begun { "\n" } else { "" };
        self.edits.push((at..at, format!("{begin}{lines}")));
    }

    /// Removes all lines in which `span` is.
    pub(super) fn remove_lines(&mut self, span: Range<usize>) {
        let lines = self.line_start(span.start)..self.next_line(span.end);
        self.replace(lines, "");
    }

    /// Sets a key of an entry to what is wanted. A map keeps what it has besides that.
    pub(super) fn merge(
        &mut self,
        entry: &Node,
        key: &str,
        wanted: &Json,
    ) -> Result<(), Diagnostic> {
        let Some((name, value)) = entry.pair(key)? else {
            let pair = format!("{}: {}", word(key), flow(wanted));
            match &entry.kind {
                Kind::Map { is_flow: true, .. } => self.append_flow(entry, &pair),
                _ => {
                    let margin = " ".repeat(self.column(entry.span.start));
                    self.insert_lines(entry.span.end, &format!("{margin}{pair}\n"));
                }
            }
            return Ok(());
        };
        let now = value.json();
        if now == *wanted || (is_switch(key) && now.is_boolean()) {
            return Ok(());
        }
        if let (Kind::Map { .. }, Json::Object(wanted)) = (&value.kind, wanted) {
            for (key, wanted) in wanted {
                self.merge(value, key, wanted)?;
            }
            return Ok(());
        }
        let colon = self.after_colon(name)?;
        let is_below = self.text.get(colon..value.span.start);
        let is_block = is_below.is_some_and(|between| between.trim_start().starts_with(['|', '>']));
        if is_block {
            self.replace(colon..value.span.end, &format!(" {}\n", flow(wanted)));
        } else if value.span.is_empty() {
            self.replace(colon..colon, &format!(" {}", flow(wanted)));
        } else if is_below.is_some_and(|between| between.contains('\n')) {
            self.replace(colon..colon, &format!(" {}", flow(wanted)));
            self.remove_lines(value.span.clone());
        } else {
            self.replace(value.span.clone(), &flow(wanted));
        }
        Ok(())
    }

    /// Adds servers to those that are there; `first` is where the first one begins.
    pub(super) fn append(
        &mut self,
        key: &Node,
        all: &Node,
        first: Option<usize>,
        is_flow: bool,
        more: &[(String, Json)],
        layout: Layout,
    ) -> Result<(), Diagnostic> {
        match first.filter(|_| !is_flow) {
            Some(first) => {
                let lines = block(more, layout, self.column(first));
                self.insert_lines(all.span.end, &lines);
            }
            // An empty one becomes lines.
            None if first.is_none() && self.line_start(all.span.start) <= key.span.start => {
                let indent = self.column(key.span.start) + 2;
                let colon = self.after_colon(key)?;
                self.replace(colon..all.span.end, "");
                self.insert_lines(all.span.end, &block(more, layout, indent));
            }
            None => {
                let all_of = flow(&whole(more, layout));
                self.append_flow(all, &all_of[1..all_of.len() - 1]);
            }
        }
        Ok(())
    }

    /// Adds to a map or list in brackets.
    pub(super) fn append_flow(&mut self, all: &Node, added: &str) {
        let inside = &self.text[..all.span.end - 1];
        let at = inside.trim_end().len();
        let is_first = inside.trim_end().ends_with(['{', '[', ',']);
        let comma = match (is_first, inside.trim_end().ends_with(',')) {
            (false, _) => ", ",
            (true, true) => " ",
            (true, false) => "",
        };
        self.replace(at..at, &format!("{comma}{added}"));
    }

    /// Where the dash of a list's item is.
    pub(super) fn dash(&self, item: &Node) -> Result<usize, Diagnostic> {
        let before = self.text[..item.span.start].trim_end_matches([' ', '\n', '\r']);
        match before.ends_with('-') {
            true => Ok(before.len() - 1),
            false => check(false).map(|()| 0),
        }
    }

    pub(super) fn after_colon(&self, key: &Node) -> Result<usize, Diagnostic> {
        let rest = &self.text[key.span.end..];
        match rest.trim_start_matches(' ').starts_with(':') {
            true => Ok(key.span.end + rest.find(':').unwrap_or(0) + 1),
            false => check(false).map(|()| 0),
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Where the line after `end` begins. Something that ends with its line ends there.
    fn next_line(&self, end: usize) -> usize {
        if end > 0 && self.text[..end].ends_with('\n') {
            return end;
        }
        let newline = self.text[end..].find('\n');
        newline.map_or(self.text.len(), |newline| end + newline + 1)
    }

    pub(super) fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// The text with all changes and the line ends that it had.
    pub(super) fn apply(mut self) -> String {
        self.edits.sort_by_key(|(span, _)| span.start);
        let mut new = self.text.to_owned();
        for (span, with) in self.edits.into_iter().rev() {
            new.replace_range(span, &with);
        }
        with_ends_of(self.text, &new)
    }
}
