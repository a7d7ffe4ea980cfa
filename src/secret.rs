//! A value that must not be shown: a key or a password from the environment.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::limits;

/// Replaces a secret in a text.
const REDACTED: &str = "(secret)";

/// A secret value. It has no readable `Debug`, no `Display`, is never serialised,
/// and its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(value.into()))
    }

    /// The value, for the one place that uses it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(REDACTED)
    }
}

/// Whether one of the space-separated addresses in `text` contains a user name or a
/// password.
pub(crate) fn holds_sign_in(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let (_, rest) = word.split_once("://").unwrap_or_default();
        rest[..authority_length(rest)].contains('@')
    })
}

/// `text` without the user names and passwords of its addresses.
pub(crate) fn without_sign_ins(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let authority = &after[..authority_length(after)];
        rest = match authority.rfind('@') {
            Some(at) => {
                out.push_str(REDACTED);
                &after[at..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

fn authority_length(rest: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`');
    rest.find(ends).unwrap_or(rest.len())
}

/// The secrets of one skill, which are redacted from its output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Adds a value; of several lines, each line too, because a key is often
    /// printed line by line. A very short one would be found in every text.
    pub fn add(&mut self, value: &str) {
        for each in std::iter::once(value).chain(value.lines()) {
            let secret = Secret::new(each);
            if each.len() >= limits::SECRET_BYTES_MIN && !self.0.contains(&secret) {
                self.0.push(secret);
            }
        }
        // The longest first: it may hold a shorter one.
        self.0
            .sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
    }

    /// `text` without the secrets.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact_those(text, |_| true)
    }

    /// Redacts a name, except for secrets that are plain words: a password `read` must
    /// not change the name of a tool or an argument.
    fn redact_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let is_of_word = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '-');
        self.redact_those(name, |secret| !secret.chars().all(is_of_word))
    }

    fn redact_those<'a>(&self, text: &'a str, is_meant: impl Fn(&str) -> bool) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.0.iter().filter(|secret| is_meant(secret.reveal())) {
            if text.contains(secret.reveal()) {
                text = Cow::Owned(text.replace(secret.reveal(), REDACTED));
            }
        }
        text
    }

    /// Redacts names and strings in JSON; rewrites it only if there was a secret.
    pub(crate) fn redact_json<'a>(&self, raw: &'a RawValue) -> Cow<'a, RawValue> {
        if self.0.is_empty() {
            return Cow::Borrowed(raw);
        }
        let Ok(mut value) = serde_json::from_str(raw.get()) else {
            return Cow::Borrowed(raw);
        };
        if !self.redact_value(&mut value, false) {
            return Cow::Borrowed(raw);
        }
        let redacted = serde_json::value::to_raw_value(&value).unwrap_or_default();
        Cow::Owned(redacted)
    }

    /// Whether anything was redacted.
    fn redact_value(&self, value: &mut Value, is_name: bool) -> bool {
        match value {
            Value::String(text) => {
                let redacted = match is_name {
                    true => self.redact_name(text),
                    false => self.redact(text),
                };
                match redacted {
                    Cow::Borrowed(_) => false,
                    Cow::Owned(redacted) => {
                        *text = redacted;
                        true
                    }
                }
            }
            Value::Array(items) => {
                let redacted = items.iter_mut();
                let redacted = redacted.map(|item| self.redact_value(item, is_name));
                redacted.fold(false, |any, one| any | one)
            }
            Value::Object(members) => {
                let mut any = false;
                for (key, value) in members.iter_mut() {
                    let is_name = matches!(&**key, "name" | "required" | "uri" | "uriTemplate");
                    any |= self.redact_value(value, is_name);
                }
                let is_secret = |key: &String| matches!(self.redact_name(key), Cow::Owned(_));
                if members.keys().any(is_secret) {
                    let taken = std::mem::take(members).into_iter();
                    let named =
                        taken.map(|(key, value)| (self.redact_name(&key).into_owned(), value));
                    *members = named.collect();
                    any = true;
                }
                any
            }
            _ => false,
        }
    }
}

/// Redacts secrets from a stream, even across chunks.
pub(crate) struct Redaction {
    secrets: Secrets,
    /// The end of the input so far, which may be the beginning of a secret.
    held: Vec<u8>,
}

impl Redaction {
    pub(crate) fn of(secrets: Secrets) -> Redaction {
        let held = Vec::new();
        Redaction { secrets, held }
    }

    /// The text that can be shown after `more` has arrived.
    pub(crate) fn pass(&mut self, more: &[u8]) -> Vec<u8> {
        if self.secrets.0.is_empty() {
            return more.to_vec();
        }
        self.held.extend_from_slice(more);
        self.take(|secret, rest| secret.len() > rest.len() && secret.starts_with(rest))
    }

    /// The text that was held back until the end of the stream.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.take(|_, _| false)
    }

    /// Takes the held text up to where an incomplete secret may begin.
    fn take(&mut self, may_begin: impl Fn(&[u8], &[u8]) -> bool) -> Vec<u8> {
        let (mut out, mut at) = (Vec::with_capacity(self.held.len()), 0);
        while at < self.held.len() {
            let rest = &self.held[at..];
            let secrets = self.secrets.0.iter();
            let mut secrets = secrets.map(|secret| secret.reveal().as_bytes());
            if secrets.clone().any(|secret| may_begin(secret, rest)) {
                break;
            }
            match secrets.find(|secret| rest.starts_with(secret)) {
                Some(secret) => {
                    out.extend_from_slice(REDACTED.as_bytes());
                    at += secret.len();
                }
                None => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_of_addresses_are_found_and_taken_out() {
        let text = "GET 'https://ann:hunter2@npm.example/x@1' failed: http://b@c:1, d@e ://";
        assert!(holds_sign_in(text) && holds_sign_in("corp=https://a:b@c/simple"));
        let shown = "GET 'https://(secret)@npm.example/x@1' failed: http://(secret)@c:1, d@e ://";
        assert_eq!(without_sign_ins(text), shown);
        assert!(!holds_sign_in(
            "https://npm.example/@scope/x ann@example.org"
        ));
    }

    #[test]
    fn a_stream_loses_its_secrets_wherever_it_is_cut() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2-hunter3");
        secrets.add("hunter2");
        let text = "a hunter2-hunter3, b hunter2-hunt, c hunterhunter2";
        let shown = "a (secret), b (secret)-hunt, c hunter(secret)";
        assert_eq!(secrets.redact(text), shown);
        for length in 1..text.len() {
            let mut redaction = Redaction::of(secrets.clone());
            let pieces = text.as_bytes().chunks(length);
            let mut out: Vec<u8> = pieces.flat_map(|piece| redaction.pass(piece)).collect();
            out.extend(redaction.end());
            assert_eq!(String::from_utf8_lossy(&out), shown, "pieces of {length}");
        }
    }

    #[test]
    fn names_lose_secrets_and_keep_words() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("read");
        let text = r#"{"name": "read_file", "description": "read hunter2", "hunter2": [{"name": "hunter2"}]}"#;
        let raw: Box<RawValue> = serde_json::from_str(text).expect("JSON");
        let shown: Value = serde_json::from_str(secrets.redact_json(&raw).get()).expect("JSON");
        let expected = serde_json::json!({"name": "read_file", "description": "(secret) (secret)",
            "(secret)": [{"name": "(secret)"}]});
        assert_eq!(shown, expected);
    }
}
