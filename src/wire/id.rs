//! The id of a client's request.

use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

/// A request id as its raw JSON text, so that `1`, `1.0` and a number of thirty
/// digits all come back exactly as they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(Box<str>);

impl Id {
    /// The id, if this is a number or a string.
    pub(crate) fn of(raw: &RawValue) -> Option<Id> {
        let text = raw.get();
        matches!(text.as_bytes().first()?, b'"' | b'-' | b'0'..=b'9').then(|| Id(text.into()))
    }

    pub(crate) fn raw(&self) -> &str {
        &self.0
    }

    /// Whether `value` is this id, however either is written.
    pub fn equals(&self, value: &Value) -> bool {
        serde_json::from_str::<Value>(&self.0).is_ok_and(|mine| mine == *value)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
