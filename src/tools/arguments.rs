//! Reads typed arguments out of a JSON object, or fails with their path. The
//! schema was checked before; this also serves the nested objects that a schema
//! leaves open.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Arguments;
use super::schema::words::matching_names;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::moment::{self, Edge, Here, SpanDirection};

pub(crate) struct ArgumentReader<'a> {
    object: &'a Arguments,
    path: String,
}

impl<'a> ArgumentReader<'a> {
    /// Reads the arguments of a call.
    pub(crate) fn new(object: &'a Arguments) -> Self {
        ArgumentReader::at(object, String::new())
    }

    /// Reads an object within them; `path` is its JSON Pointer.
    pub(crate) fn at(object: &'a Arguments, path: String) -> Self {
        ArgumentReader { object, path }
    }

    /// JSON Pointer of `key` in this object.
    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.path)
    }

    /// The value of `key`; `null` counts as absent.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Fails if a key is not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Failure> {
        let mut keys = self.object.keys();
        let Some(key) = keys.find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let mut meant = matching_names(key, known).into_iter();
        let meant = meant.find(|name| !self.object.contains_key(*name));
        let meant = meant.map(|name| format!("did you mean {name:?}? "));
        let hint = meant.unwrap_or_default() + "the fields are " + &known.join(", ");
        Err(Failure::invalid(self.path(key), format!("unknown field {key:?}")).hint(hint))
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Failure> {
        self.typed(key, "a string", Value::as_str)
    }

    /// A string that is a name: not blank, without control characters, within
    /// `limits::NAME_BYTES_MAX`. Comes back trimmed.
    pub(crate) fn name(&self, key: &str) -> Result<Option<String>, Failure> {
        self.text(key)?
            .map(|text| check_name(text, &self.path(key)))
            .transpose()
    }

    /// A text to search for; `None` where it is blank, or one of the words by which
    /// clients ask for everything.
    pub(crate) fn query(&self, key: &str) -> Result<Option<&'a str>, Failure> {
        let asks_for_all = |text: &str| {
            let text = text.trim();
            let words = ["", "*", ".*", "all", "everything"];
            words.iter().any(|word| text.eq_ignore_ascii_case(word))
        };
        Ok(self.text(key)?.filter(|text| !asks_for_all(text)))
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, Failure> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// From 0 to 1.
    pub(crate) fn share(&self, key: &str) -> Result<Option<f64>, Failure> {
        match self.number(key)? {
            Some(number) if !(0.0..=1.0).contains(&number) => Err(Failure::invalid(
                self.path(key),
                format!("{number} is not between 0 and 1"),
            )),
            number => Ok(number),
        }
    }

    /// Accepts 12 and 12.0.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Failure> {
        self.typed(key, "an integer", integer)
    }

    /// `limit`, or `default` where it is absent, from 1 to `most`.
    pub(crate) fn limit(&self, default: i64, most: usize) -> Result<usize, Failure> {
        let limit = self.integer("limit")?.unwrap_or(default);
        let limit_or_none = usize::try_from(limit).ok();
        limit_or_none
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| {
                let why = format!("{limit} is not between 1 and {most}");
                Failure::invalid(self.path("limit"), why)
            })
    }

    /// The result's budget in bytes, from `max_tokens`, or `default` where it is
    /// absent, within the bounds of every result.
    pub(crate) fn budget(&self, default: i64) -> Result<usize, Failure> {
        let tokens = self.integer("max_tokens")?.unwrap_or(default);
        let tokens = usize::try_from(tokens).unwrap_or(0);
        if tokens == 0 {
            return Err(Failure::invalid(
                self.path("max_tokens"),
                "max_tokens must be at least 1",
            ));
        }
        let tokens = tokens.clamp(limits::RESULT_TOKENS_MIN, limits::RESULT_TOKENS_MAX);
        Ok(tokens * limits::TOKEN_BYTES)
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, Failure> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(crate) fn list(&self, key: &str) -> Result<Option<&'a Vec<Value>>, Failure> {
        self.typed(key, "a list", Value::as_array)
    }

    /// A list of names (see [`ArgumentReader::name`]), at most `most`.
    pub(crate) fn names(&self, key: &str, most: usize) -> Result<Option<Vec<String>>, Failure> {
        let name = |value: &Value, path: &str| match value.as_str() {
            Some(text) => check_name(text, path),
            None => Err(Failure::invalid(path, "must be a string")),
        };
        self.members(key, most, name)
    }

    /// A list of ids, at most `most`.
    pub(crate) fn ids(&self, key: &str, most: usize) -> Result<Option<Vec<i64>>, Failure> {
        let id = |value: &Value, path: &str| {
            integer(value).ok_or_else(|| Failure::invalid(path, "must be an integer"))
        };
        self.members(key, most, id)
    }

    fn members<T>(
        &self,
        key: &str,
        most: usize,
        read: impl Fn(&Value, &str) -> Result<T, Failure>,
    ) -> Result<Option<Vec<T>>, Failure> {
        let Some(list) = self.list(key)? else {
            return Ok(None);
        };
        if list.len() > most {
            return Err(Failure::invalid(
                self.path(key),
                format!(
                    "{} items are too many; at most {most} are allowed",
                    list.len()
                ),
            ));
        }
        let path = self.path(key);
        list.iter()
            .enumerate()
            .map(|(nth, value)| read(value, &format!("{path}/{nth}")))
            .collect::<Result<Vec<T>, Failure>>()
            .map(Some)
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| Failure::invalid(self.path(key), format!("must be {wanted}")))
    }
}

fn integer(value: &Value) -> Option<i64> {
    let whole = |number: f64| number.fract() == 0.0 && number.abs() < 9e15;
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|n| whole(*n)).map(|n| n as i64))
}

fn check_name(text: &str, path: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::invalid(path, "must not be blank"));
    }
    if text.len() > limits::NAME_BYTES_MAX {
        let most = limits::NAME_BYTES_MAX;
        return Err(Failure::invalid(
            path,
            format!(
                "{} bytes are too many; at most {most} are allowed",
                text.len()
            ),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::invalid(
            path,
            "must not contain control characters",
        ));
    }
    Ok(text.to_owned())
}

/// A moment in any of the forms of [`moment::FORMS`]; `edge` is the end of a period
/// that counts, `direction` that of a span.
pub(crate) fn moment(
    reader: &ArgumentReader<'_>,
    key: &str,
    edge: Edge,
    direction: SpanDirection,
    here: Here,
) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = reader.text(key)? else {
        return Ok(None);
    };
    let read = moment::read(text, edge, direction, here);
    read.map(Some).ok_or_else(|| {
        let why = format!("{text:?} is not a date, a time or a span");
        Failure::invalid(reader.path(key), why).hint(moment::FORMS)
    })
}

/// Fingerprint of a query, so that a cursor of another query is noticed.
pub(crate) fn fingerprint(arguments: &Arguments) -> u32 {
    let asks = |key: &str| !matches!(key, "cursor" | "limit" | "max_tokens");
    let mut asked: Vec<String> = arguments
        .iter()
        .filter(|(key, value)| asks(key) && !value.is_null())
        .map(|(key, value)| format!("{key}={value};"))
        .collect();
    asked.sort_unstable();
    let digest = Sha256::digest(asked.concat());
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}
