//! Encodes a reply as the JSON text of a result in the client's revision. Members
//! that only some revisions have are added; a forwarded result, which has none of
//! them, stays byte for byte. Pure.

use serde_json::value::RawValue;

use crate::tools::Reply;

/// The name of a member of a result, and its value as JSON.
type Member = (&'static str, &'static str);

/// The members that results have since revision 2026-07-28.
const COMPLETE: (&str, &str) = ("resultType", "\"complete\"");
const TTL: (&str, &str) = ("ttlMs", "0");
const SCOPE: (&str, &str) = ("cacheScope", "\"private\"");

/// Which of the revision's members a result gets; in older revisions none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultMembers {
    None,
    Complete,
    /// `resultType`, and how long a cache may keep the result.
    Cacheable,
}

impl ResultMembers {
    fn list(self) -> &'static [Member] {
        match self {
            ResultMembers::None => &[],
            ResultMembers::Complete => &[COMPLETE],
            ResultMembers::Cacheable => &[COMPLETE, TTL, SCOPE],
        }
    }
}

/// One line of JSON.
pub(super) fn encode(reply: &Reply, members: ResultMembers) -> Result<String, serde_json::Error> {
    let mut text = match reply {
        Reply::Forwarded(raw) => one_line(raw),
        own => serde_json::to_string(own)?,
    };
    let mut missing = members.list().to_vec();
    if let Reply::Object(object) = reply {
        missing.retain(|(name, _)| object.get(name).is_none());
    }
    let missing: Vec<String> = missing
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let mut members = missing.join(",");
    if let Some(rest) = text.strip_prefix('{')
        && !members.is_empty()
    {
        if !rest.trim_start().starts_with('}') {
            members.push(',');
        }
        text.insert_str(1, &members);
    }
    Ok(text)
}

fn one_line(raw: &RawValue) -> String {
    match memchr::memchr2(b'\n', b'\r', raw.get().as_bytes()) {
        None => raw.get().to_owned(),
        Some(_) => raw.get().replace(['\n', '\r'], " "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tools::Document;

    fn encoded(text: &str, members: ResultMembers) -> String {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        encode(&Reply::Forwarded(raw.into()), members).expect("text")
    }

    #[test]
    fn a_forwarded_result_reaches_an_older_client_byte_for_byte() {
        let text =
            r#"{"content":["resultType"], "big":123456789012345678901234567890,"x":1.0,"x":2}"#;
        assert_eq!(encoded(text, ResultMembers::None), text);
    }

    #[test]
    fn a_newer_client_gets_each_mark_once() {
        assert_eq!(
            encoded(r#"{"content":[1.50]}"#, ResultMembers::Complete),
            r#"{"resultType":"complete","content":[1.50]}"#
        );
        assert_eq!(
            encoded("{ }", ResultMembers::Complete),
            r#"{"resultType":"complete" }"#
        );
        assert_eq!(
            encode(
                &Reply::Object(json!({"tools": []})),
                ResultMembers::Cacheable
            )
            .expect("text"),
            r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}"#
        );
        let question = json!({"resultType": "input_required"});
        assert_eq!(
            encode(&Reply::Object(question), ResultMembers::Complete).expect("text"),
            r#"{"resultType":"input_required"}"#
        );
    }

    #[test]
    fn a_result_is_one_line() {
        assert_eq!(encoded("{\"a\":\r\n1}", ResultMembers::None), "{\"a\":  1}");
        let document = Reply::Document(Document("{\n}".to_owned()));
        assert_eq!(
            encode(&document, ResultMembers::None).expect("text"),
            r#"{"content":[{"type":"text","text":"{\n}"}]}"#
        );
    }
}
