//! Parses a line of a skill into JSON-RPC messages. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits::BATCH_MEMBERS_MAX;

#[derive(Debug)]
pub(crate) enum Message<'a> {
    Response {
        /// Absent where it is no id that Mimo gives.
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
    /// Not a JSON-RPC message.
    Junk,
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
            Ok(_) | Err(_) => on_message(Message::Junk),
        },
        Some(_) => on_message(message(line)),
    }
}

fn message(text: &[u8]) -> Message<'_> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
        return Message::Junk;
    };
    let Envelope {
        id,
        method,
        params,
        result,
        error,
    } = envelope;
    let number = |id: &RawValue| id.get().parse().ok();
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
        _ => Message::Junk,
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
