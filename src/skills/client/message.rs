//! What a line of a skill says. Pure: bytes in, messages out; whom a message
//! concerns is decided elsewhere.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits::BATCH_MEMBERS_MAX;

/// One message.
#[derive(Debug)]
pub enum Message<'a> {
    /// An answer to request `id`.
    Answer {
        /// The id, if it is one of the kind we give.
        id: Option<u64>,
        /// The result, or the error.
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
    /// A request of the skill's own.
    Request {
        /// Its id, as it is written.
        id: &'a RawValue,
        /// What it asks for.
        method: Cow<'a, str>,
        /// With what.
        params: Option<&'a RawValue>,
    },
    /// A notification.
    Note {
        /// What it is about.
        method: Cow<'a, str>,
        /// The rest of it.
        params: Option<&'a RawValue>,
    },
    /// No message.
    Junk,
}

/// Hands each message of a line to `take`; a blank line has none.
pub fn read<'a>(line: &'a [u8], mut take: impl FnMut(Message<'a>)) {
    let line = line.trim_ascii();
    match line.first() {
        None => {}
        // Revision 2025-03-26 has batches.
        Some(b'[') => match serde_json::from_slice::<Vec<&RawValue>>(line) {
            Ok(members) if members.len() <= BATCH_MEMBERS_MAX => {
                for member in members {
                    take(message(member.get().as_bytes()));
                }
            }
            Ok(_) | Err(_) => take(Message::Junk),
        },
        Some(_) => take(message(line)),
    }
}

fn message(text: &[u8]) -> Message<'_> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
        return Message::Junk;
    };
    let number = |id: &RawValue| id.get().parse().ok();
    match envelope {
        Envelope {
            method: Some(method),
            id: Some(id),
            params,
            ..
        } => Message::Request { id, method, params },
        Envelope {
            method: Some(method),
            id: None,
            params,
            ..
        } => Message::Note { method, params },
        Envelope {
            id: Some(id),
            result: Some(result),
            error: None,
            ..
        } => Message::Answer {
            id: number(id),
            outcome: Ok(result),
        },
        Envelope {
            id: Some(id),
            result: None,
            error: Some(error),
            ..
        } => Message::Answer {
            id: number(id),
            outcome: Err(error),
        },
        _ => Message::Junk,
    }
}

/// A message's members as they stand. A member that stands twice is an error of
/// serde's: which one was meant is anyone's guess.
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

/// `null` is a value here, unlike in serde's own reading of an `Option`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}
