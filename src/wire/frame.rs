//! Parses one line into messages or faults. Pure, and fuzzed: no input makes it
//! panic, and each request in it can be answered exactly once.

use std::fmt;

use rmcp::model::{ClientNotification, ClientRequest, ErrorCode};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::id::Id;
use super::method::Head;
use super::{method, salvage};
use crate::limits::{BATCH_MEMBERS_MAX, LINE_BYTES_MAX};

/// A parsed line.
#[derive(Debug)]
pub enum Frame {
    Single(Item),
    /// A batch: its answers go out together as one array.
    Batch(Vec<Item>),
}

impl Frame {
    /// Whether anything in it will be answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.items().iter().any(Item::is_answered)
    }

    /// The head of the request, where the frame is one request alone.
    pub(crate) fn only_head(&self) -> Option<Head<'_>> {
        match self {
            Frame::Single(Item::Request { request, .. }) => Some(method::head(request)),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Item] {
        match self {
            Frame::Single(item) => std::slice::from_ref(item),
            Frame::Batch(items) => items,
        }
    }
}

impl Item {
    pub(super) fn is_answered(&self) -> bool {
        matches!(self, Item::Request { .. } | Item::Invalid(_))
    }
}

/// One message, or the fault in it.
#[derive(Debug)]
pub enum Item {
    /// A request, to be answered under `id`.
    Request {
        id: Id,
        /// As rmcp takes it.
        request: Box<ClientRequest>,
    },
    /// A notification other than a cancellation.
    Notification(Box<ClientNotification>),
    /// `notifications/cancelled`.
    Cancel { id: Value, reason: Option<String> },
    /// The client's answer to a request, as it was written: most of these requests
    /// come from a skill, which knows what it asked for.
    Response {
        id: u64,
        reply: Result<Box<RawValue>, Box<RawValue>>,
    },
    /// Nothing to act on and nobody to answer, such as a malformed answer:
    /// answering that could start an endless exchange.
    Ignored,
    /// To be answered with an error.
    Invalid(Invalid),
}

/// A malformed line or batch member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The request's id, where it could be found.
    pub id: Option<Id>,
    pub code: i32,
    pub reason: String,
}

/// Parses a line without its newline; `None` if it is blank. A carriage return at
/// its end and a byte order mark before it are skipped.
pub fn parse(line: &[u8]) -> Option<Frame> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let line = trim(line);
    if line.is_empty() {
        return None;
    }
    Some(match std::str::from_utf8(line) {
        Err(error) => Frame::Single(Item::Invalid(Invalid {
            id: None,
            code: ErrorCode::PARSE_ERROR.0,
            reason: format!("the line is not UTF-8 at byte {}", error.valid_up_to()),
        })),
        Ok(text) if line[0] == b'[' => batch(text),
        Ok(text) => Frame::Single(message(text)),
    })
}

/// Without JSON's white space, which is less than ASCII's.
fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let Some(start) = line.iter().position(|byte| !blank(byte)) else {
        return &[];
    };
    let end = line.iter().rposition(|byte| !blank(byte)).unwrap_or(start);
    &line[start..=end]
}

/// The fault of a line longer than [`LINE_BYTES_MAX`], of which only the two ends
/// were kept.
pub fn oversize(head: &[u8], tail: &[u8]) -> Invalid {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    Invalid {
        id: salvage::id(head, tail),
        code: ErrorCode::INVALID_REQUEST.0,
        reason: format!("the line is longer than {LINE_BYTES_MAX} bytes and was not read"),
    }
}

fn batch(text: &str) -> Frame {
    let members = match serde_json::from_str::<Members<'_>>(text) {
        Ok(Members::Few(members)) => members,
        Ok(Members::TooMany) => {
            return Frame::Single(invalid_request(
                None,
                format!("a batch holds at most {BATCH_MEMBERS_MAX} messages"),
            ));
        }
        Err(error) => return Frame::Single(parse_error(&error)),
    };
    if members.is_empty() {
        return Frame::Single(invalid_request(None, "the batch is empty".to_owned()));
    }
    Frame::Batch(members.iter().map(|raw| message(raw.get())).collect())
}

fn message(text: &str) -> Item {
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope.open(),
        Err(error) => unreadable(text, &error),
    }
}

/// A text that is no message: JSON in form, or not even that.
fn unreadable(text: &str, error: &serde_json::Error) -> Item {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return parse_error(error);
    }
    if let Some(repaired) = without_lone_surrogates(text) {
        return message(&repaired);
    }
    // Well formed, so the id can be trusted: it is no object, nested too deep, or
    // holds a number out of range.
    let id = salvage::id(text.as_bytes(), text.as_bytes());
    invalid_request(id, format!("not a JSON-RPC message: {error}"))
}

fn parse_error(error: &serde_json::Error) -> Item {
    Item::Invalid(Invalid {
        id: None,
        code: ErrorCode::PARSE_ERROR.0,
        reason: format!("the line is not JSON: {error}"),
    })
}

fn invalid_request(id: Option<Id>, reason: String) -> Item {
    Item::Invalid(Invalid {
        id,
        code: ErrorCode::INVALID_REQUEST.0,
        reason,
    })
}

/// A JavaScript program that cuts a text inside an emoji sends half of a
/// surrogate pair as an escape. That is JSON in form but encodes no
/// character, so it is read as U+FFFD. `None` if there is none.
pub(crate) fn without_lone_surrogates(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut repaired = String::new();
    let (mut at, mut copied) = (0, 0);
    // Text that is no JSON may end inside an escape.
    while let Some(next) = memchr::memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        at += next;
        match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => {
                repaired.push_str(&text[copied..at]);
                repaired.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            // Any other escape; the byte after the backslash is one of it.
            _ => at += 2,
        }
    }
    (copied > 0).then(|| repaired + &text[copied..])
}

/// The members of a batch, unparsed; not collected beyond the bound.
enum Members<'a> {
    Few(Vec<&'a RawValue>),
    TooMany,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a batch")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while members.len() < BATCH_MEMBERS_MAX {
                    match seq.next_element::<&RawValue>()? {
                        Some(member) => members.push(member),
                        None => return Ok(Members::Few(members)),
                    }
                }
                let mut more = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    more = true;
                }
                Ok(if more {
                    Members::TooMany
                } else {
                    Members::Few(members)
                })
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

/// A message's members, read in one pass.
#[derive(Default)]
struct Envelope<'a> {
    is_version_2: bool,
    id: Option<&'a RawValue>,
    method: Option<Value>,
    params: Option<Value>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    /// A member that occurs twice: either could be meant.
    duplicate: Option<&'static str>,
}

impl Envelope<'_> {
    fn open(self) -> Item {
        let id = self.id.and_then(Id::of);
        if let Some(fault) = self.fault(id.is_some()) {
            // A malformed answer must not be answered.
            let is_answer =
                self.method.is_none() && (self.result.is_some() || self.error.is_some());
            return if is_answer {
                Item::Ignored
            } else {
                invalid_request(id, fault)
            };
        }
        match (self.method, id) {
            (Some(Value::String(name)), Some(id)) => Item::Request {
                id,
                request: Box::new(method::request(&name, self.params)),
            },
            (Some(Value::String(name)), None) => notification(&name, self.params),
            (_, Some(id)) => response(&id, self.result, self.error),
            (_, None) => Item::Ignored,
        }
    }

    /// Why this is no valid message, if it is none.
    fn fault(&self, has_id: bool) -> Option<String> {
        if let Some(member) = self.duplicate {
            return Some(format!("\"{member}\" occurs twice"));
        }
        if !self.is_version_2 {
            return Some("\"jsonrpc\" must be \"2.0\"".to_owned());
        }
        if self.id.is_some() && !has_id {
            return Some("\"id\" must be a string or a number".to_owned());
        }
        match (&self.method, &self.result, &self.error) {
            (Some(Value::String(_)), None, None) => None,
            (Some(Value::String(_)), _, _) => {
                Some("a message with \"method\" has no \"result\" or \"error\"".to_owned())
            }
            (Some(_), _, _) => Some("\"method\" must be a string".to_owned()),
            (None, Some(_), Some(_)) => {
                Some("a message has \"result\" or \"error\", not both".to_owned())
            }
            (None, None, None) => Some("\"method\" is missing".to_owned()),
            (None, _, _) => None,
        }
    }
}

fn notification(name: &str, params: Option<Value>) -> Item {
    if name == "notifications/cancelled" {
        let Some(Value::Object(mut params)) = params else {
            return Item::Ignored;
        };
        let reason = match params.remove("reason") {
            Some(Value::String(reason)) => Some(reason),
            _ => None,
        };
        return match params.remove("requestId") {
            Some(id) => Item::Cancel { id, reason },
            None => Item::Ignored,
        };
    }
    match method::notification(name, params) {
        Some(notification) => Item::Notification(Box::new(notification)),
        None => Item::Ignored,
    }
}

fn response(id: &Id, result: Option<&RawValue>, error: Option<&RawValue>) -> Item {
    // Our own requests are numbered, so any other id answers nobody.
    let Ok(id) = id.raw().parse() else {
        return Item::Ignored;
    };
    let reply = match (result, error) {
        (Some(result), _) => Ok(result.to_owned()),
        (None, Some(error)) if error.get().starts_with('{') => Err(error.to_owned()),
        (None, _) => return Item::Ignored,
    };
    Item::Response { id, reply }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Envelope<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                let mut seen = [false; MEMBERS.len()];
                while let Some(Member(member)) = map.next_key()? {
                    let Some(member) = member else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if std::mem::replace(&mut seen[member], true) {
                        envelope.duplicate = Some(MEMBERS[member]);
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    match MEMBERS[member] {
                        "jsonrpc" => {
                            let version: Value = map.next_value()?;
                            envelope.is_version_2 = version == "2.0";
                        }
                        "id" => envelope.id = Some(map.next_value()?),
                        "method" => envelope.method = Some(map.next_value()?),
                        "params" => envelope.params = Some(map.next_value()?),
                        "result" => envelope.result = Some(map.next_value()?),
                        "error" => envelope.error = Some(map.next_value()?),
                        other => return Err(A::Error::custom(other)),
                    }
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// A key of the envelope as its index in [`MEMBERS`], if it is one. Read without
/// an allocation.
struct Member(Option<usize>);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Member;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a key")
            }
            fn visit_str<E>(self, key: &str) -> Result<Member, E> {
                Ok(Member(MEMBERS.iter().position(|member| *member == key)))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
