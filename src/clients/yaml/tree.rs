//! A YAML text as a tree that knows where each value stands.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value as Json};

use crate::clients::entry::mistake;
use crate::diagnostics::Diagnostic;
use crate::limits::CLIENT_FILE_LEVELS_MAX;

#[derive(Debug)]
pub(super) struct Node {
    /// In bytes. A collection in block style ends with its last value.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A plain word is read as YAML 1.2 does.
    Scalar(Json),
    /// A reference to an anchor, by the anchor's number.
    Alias(usize),
    List {
        items: Vec<Node>,
        is_flow: bool,
    },
    Map {
        pairs: Vec<(Node, Node)>,
        is_flow: bool,
    },
}

impl Node {
    pub(super) fn json(&self) -> Json {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Alias(anchor) => format!("*{anchor}").into(),
            Kind::List { items, .. } => items.iter().map(Node::json).collect(),
            Kind::Map { pairs, .. } => {
                let pair = |(key, value): &(Node, Node)| (key.name(), value.json());
                Json::Object(pairs.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }

    /// A key as JSON would have it.
    pub(super) fn name(&self) -> String {
        match self.json() {
            Json::String(name) => name,
            other => other.to_string(),
        }
    }

    /// The pair of a key that may occur once.
    pub(super) fn pair(&self, key: &str) -> Result<Option<&(Node, Node)>, Diagnostic> {
        let Kind::Map { pairs, .. } = &self.kind else {
            return Ok(None);
        };
        let mut found = pairs.iter().filter(|(each, _)| each.name() == key);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(mistake("", format!("{key:?} occurs twice"))),
            (found, None) => Ok(found),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Json::Null))
    }
}

/// The one document of `text`; `None` where it says nothing.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Diagnostic> {
    let mut reader = Reader {
        text,
        offsets: text
            .char_indices()
            .map(|(offset, _)| offset)
            .chain([text.len()])
            .collect(),
        parser: Parser::new_from_str(text),
    };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(_) if root.is_none() => {}
            Event::DocumentEnd | Event::StreamEnd => {}
            Event::DocumentStart(_) => return Err(mistake("", "it has more than one document")),
            event => root = Some(reader.node(event, span, 0)?),
        }
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    /// The byte offset of each character, and of the end.
    offsets: Vec<usize>,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Diagnostic> {
        self.parser
            .next_event()
            .transpose()
            .map_err(|error: ScanError| {
                let place = error.marker();
                mistake(
                    &format!("{}:{}", place.line(), place.col() + 1),
                    error.info(),
                )
            })
    }

    fn node(&mut self, event: Event<'a>, span: Span, level: usize) -> Result<Node, Diagnostic> {
        if level > CLIENT_FILE_LEVELS_MAX {
            let reason = format!("it is nested more than {CLIENT_FILE_LEVELS_MAX} levels deep");
            return Err(mistake("", reason));
        }
        let bytes = self.bytes(span);
        let node = match event {
            Event::Scalar(value, style, _, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let end = match is_block {
                    // What follows it is indented, perhaps.
                    true => self.text[..bytes.end].trim_end_matches(' ').len(),
                    false => bytes.end,
                };
                Node {
                    span: bytes.start..end,
                    kind: Kind::Scalar(match is_plain {
                        true => plain(&value),
                        false => value.into_owned().into(),
                    }),
                }
            }
            Event::Alias(anchor) => Node {
                span: bytes,
                kind: Kind::Alias(anchor),
            },
            Event::SequenceStart(..) => {
                let is_flow = self.text[bytes.clone()].ends_with('[');
                let mut items = Vec::new();
                loop {
                    match self.expected()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, level + 1)?),
                    }
                }
                let last = items.last().map_or(bytes.end, |item| item.span.end);
                Node {
                    span: bytes.start..self.end(last, is_flow),
                    kind: Kind::List { items, is_flow },
                }
            }
            Event::MappingStart(..) => {
                let is_flow = self.text[bytes.clone()].ends_with('{');
                let mut pairs = Vec::new();
                loop {
                    let key = match self.expected()? {
                        (Event::MappingEnd, _) => break,
                        (event, span) => self.node(event, span, level + 1)?,
                    };
                    let (event, span) = self.expected()?;
                    pairs.push((key, self.node(event, span, level + 1)?));
                }
                let last = pairs
                    .last()
                    .map_or(bytes.end, |(key, value)| value.span.end.max(key.span.end));
                Node {
                    span: bytes.start..self.end(last, is_flow),
                    kind: Kind::Map { pairs, is_flow },
                }
            }
            _ => return Err(mistake("", "it ends too early")),
        };
        Ok(node)
    }

    fn expected(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        self.next()?.ok_or_else(|| mistake("", "it ends too early"))
    }

    /// The end of a collection whose last value ends at `last`. The parser is off by a
    /// trailing comma for one in brackets.
    fn end(&self, last: usize, is_flow: bool) -> usize {
        if !is_flow {
            return last;
        }
        let mut is_comment = false;
        let closing = self.text[last..].bytes().position(|byte| {
            is_comment = byte != b'\n' && (is_comment || byte == b'#');
            !is_comment && matches!(byte, b']' | b'}')
        });
        closing.map_or(self.text.len(), |closing| last + closing + 1)
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let at = |index: usize| self.offsets.get(index).copied().unwrap_or(self.text.len());
        at(span.start.index())..at(span.end.index())
    }
}

/// A word without quotes.
fn plain(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => match serde_json::from_str(text) {
            Ok(Json::Number(number)) => number.into(),
            _ => text.into(),
        },
    }
}
