//! Parses a line of a skill into JSON-RPC messages. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits::{BANNER_BRACES_MAX, BATCH_MEMBERS_MAX};

#[derive(Debug)]
pub(crate) enum Message<'a> {
    Response {
        /// Absent if it is not an id that Mimo uses.
        id: Option<u64>,
        /// The result, or the error.
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
    Request {
        id: &'a RawValue,
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    /// Not a JSON-RPC message: the text.
    Junk(&'a [u8]),
}

/// Hands each message of a line to `on_message`; a blank line has none.
pub(crate) fn parse<'a>(line: &'a [u8], mut on_message: impl FnMut(Message<'a>)) {
    let line = line.trim_ascii();
    match line.first() {
        None => {}
        // Revision 2025-03-26 has batches.
        Some(b'[') => match serde_json::from_slice::<Vec<&RawValue>>(line) {
            Ok(members) if members.len() <= BATCH_MEMBERS_MAX => {
                for member in members {
                    on_message(message(member.get().as_bytes()));
                }
            }
            Ok(_) | Err(_) => on_message(Message::Junk(line)),
        },
        Some(_) => match message(line) {
            junk @ Message::Junk(_) => {
                on_message(junk);
                answer_in(line).into_iter().for_each(on_message);
            }
            message => on_message(message),
        },
    }
}

/// The answer that follows other text on its line, such as a banner that a server
/// prints without a line break. A request there may be only quoted.
fn answer_in(line: &[u8]) -> Option<Message<'_>> {
    let starts = memchr::memchr_iter(b'{', line).take(BANNER_BRACES_MAX);
    starts
        .map(|at| message(&line[at..]))
        .find(|message| matches!(message, Message::Response { id: Some(_), .. }))
}

fn message(text: &[u8]) -> Message<'_> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
        return Message::Junk(text);
    };
    let Envelope {
        id,
        method,
        params,
        result,
        error,
    } = envelope;
    // Some servers write the number as a string.
    let number = |id: &RawValue| id.get().trim_matches('"').parse().ok();
    let is_null = |value: &&RawValue| value.get() == "null";
    // Some write both, and null for the one that does not apply.
    let (result, error) = match (result, error) {
        (Some(result), Some(error)) if is_null(&error) => (Some(result), None),
        (Some(result), Some(error)) if is_null(&result) => (None, Some(error)),
        both => both,
    };
    match (method, id, result, error) {
        (Some(method), Some(id), ..) => Message::Request { id, method, params },
        (Some(method), None, ..) => Message::Notification { method, params },
        (None, Some(id), Some(result), None) => Message::Response {
            id: number(id),
            outcome: Ok(result),
        },
        (None, Some(id), None, Some(error)) => Message::Response {
            id: number(id),
            outcome: Err(error),
        },
        _ => Message::Junk(text),
    }
}

/// The members of a message. Serde refuses a member that occurs twice, so no two
/// readers can see two meanings.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` as a value; serde reads it as an absent `Option`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}
