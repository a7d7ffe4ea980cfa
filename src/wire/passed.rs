//! A result of another server, made fit to be sent as it stands: only what
//! marks our client's revision comes or goes. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rmcp::model::ServerResult;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a result says of itself in revision 2026-07-28, and in no older one.
const MARKS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// `result` with the marks that `own`, which would have been sent in its place,
/// has or has not.
pub fn dressed<'a>(result: &'a RawValue, own: &ServerResult) -> Cow<'a, RawValue> {
    let text = result.get();
    let own = serde_json::to_value(own).unwrap_or_default();
    let marks: Vec<(&str, &Value)> = MARKS
        .iter()
        .filter_map(|mark| Some((*mark, own.get(mark)?)))
        .collect();
    // A line is one line, and most results neither have a mark nor get one.
    let plain = memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none();
    let marked = MARKS
        .iter()
        .any(|mark| memchr::memmem::find(text.as_bytes(), mark.as_bytes()).is_some());
    if plain && !marked && marks.is_empty() {
        return Cow::Borrowed(result);
    }
    let written = match marked {
        true => rewritten(text, &marks),
        false => spliced(text, &marks),
    };
    match written.map(RawValue::from_string) {
        Some(Ok(result)) => Cow::Owned(result),
        // No object, so there is nowhere to put a mark.
        Some(Err(_)) | None => Cow::Borrowed(result),
    }
}

fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn member(name: &str, value: impl std::fmt::Display) -> String {
    format!("{}:{value}", Value::from(name))
}

fn spliced(text: &str, marks: &[(&str, &Value)]) -> Option<String> {
    let rest = text.trim_start().strip_prefix('{')?;
    let mut members: Vec<String> = marks
        .iter()
        .map(|(name, value)| member(name, value))
        .collect();
    if !rest.trim_start().starts_with('}') {
        members.push(on_one_line(rest));
        return Some(format!("{{{}", members.join(",")));
    }
    Some(format!("{{{}}}", members.join(",")))
}

/// Where the text holds the name of a mark somewhere, perhaps as one.
fn rewritten(text: &str, marks: &[(&str, &Value)]) -> Option<String> {
    let mut found: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let revision = !marks.is_empty();
    found.retain(|name, _| revision || !MARKS.contains(&name.as_str()));
    let missing = marks.iter().filter(|(name, _)| !found.contains_key(*name));
    let mut members: Vec<String> = missing.map(|(name, value)| member(name, value)).collect();
    let kept = found.iter();
    members.extend(kept.map(|(name, value)| member(name, on_one_line(value.get()))));
    Some(format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CallToolResult, ContentBlock};

    use super::*;

    fn own(modern: bool) -> ServerResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text("ours")]);
        if !modern {
            result.result_type = None;
        }
        ServerResult::CallToolResult(result)
    }

    fn sent(text: &str, modern: bool) -> String {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        dressed(&raw, &own(modern)).get().to_owned()
    }

    #[test]
    fn an_old_client_gets_it_byte_for_byte() {
        let text = r#"{"content":[], "big":123456789012345678901234567890,"x":1.0,"x":2}"#;
        assert_eq!(sent(text, false), text);
    }

    #[test]
    fn a_new_client_gets_the_mark_once() {
        assert_eq!(
            sent(r#"{"content":[1.50]}"#, true),
            r#"{"resultType":"complete","content":[1.50]}"#
        );
        assert_eq!(sent("{ }", true), r#"{"resultType":"complete"}"#);
        let theirs = r#"{"content":[],"resultType":"complete"}"#;
        assert_eq!(sent(theirs, true), theirs);
    }

    #[test]
    fn an_old_client_does_not_get_the_mark_of_a_new_server() {
        let theirs = r#"{"content":[{"text":"a resultType"}],"resultType":"complete","ttlMs":3}"#;
        assert_eq!(
            sent(theirs, false),
            r#"{"content":[{"text":"a resultType"}]}"#
        );
    }

    #[test]
    fn it_stays_one_line() {
        assert_eq!(sent("{\"a\":\r\n1}", false), "{\"a\":  1}");
    }
}
