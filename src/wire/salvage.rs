//! Finds a request's id in a line that could not be parsed, so that the client's
//! request is answered with an error rather than never. Pure scanning of bytes,
//! without values and without recursion.

use serde_json::value::RawValue;

use super::id::Id;

/// The id at the top level of the object that `head` begins with, or, failing
/// that, of the object that `tail` ends with. `head` and `tail` are the two
/// ends of one line and may be the same slice.
pub(super) fn id(head: &[u8], tail: &[u8]) -> Option<Id> {
    forward(head).or_else(|| backward(tail))
}

/// Reads key by key from the front, skipping values of any depth.
fn forward(bytes: &[u8]) -> Option<Id> {
    let mut at = skip_blank(bytes, 0);
    if *bytes.get(at)? != b'{' {
        return None;
    }
    at += 1;
    loop {
        at = skip_blank(bytes, at);
        let key = at..skip_string(bytes, at)?;
        at = skip_blank(bytes, key.end);
        if *bytes.get(at)? != b':' {
            return None;
        }
        at = skip_blank(bytes, at + 1);
        let value = at..skip_value(bytes, at)?;
        if &bytes[key] == b"\"id\"" {
            return as_id(&bytes[value]);
        }
        at = skip_blank(bytes, value.end);
        if *bytes.get(at)? != b',' {
            return None;
        }
        at += 1;
    }
}

/// Reads key by key from the back. Seen from the end of an object, the first
/// quote that is not escaped opens the string that the last one closed, so
/// this is exact as long as the values in between are scalars.
fn backward(bytes: &[u8]) -> Option<Id> {
    let mut end = trim_blank(bytes, bytes.len());
    if *bytes.get(end.checked_sub(1)?)? != b'}' {
        return None;
    }
    end -= 1;
    loop {
        let value_end = trim_blank(bytes, end);
        let value_start = scalar_start(bytes, value_end)?;
        let colon = trim_blank(bytes, value_start).checked_sub(1)?;
        if bytes[colon] != b':' {
            return None;
        }
        let key_end = trim_blank(bytes, colon);
        let key_start = string_start(bytes, key_end)?;
        if &bytes[key_start..key_end] == b"\"id\"" {
            return as_id(&bytes[value_start..value_end]);
        }
        let comma = trim_blank(bytes, key_start).checked_sub(1)?;
        if bytes[comma] != b',' {
            return None;
        }
        end = comma;
    }
}

fn as_id(raw: &[u8]) -> Option<Id> {
    let raw: &RawValue = serde_json::from_slice(raw).ok()?;
    Id::of(raw)
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| blank(*byte)) {
        at += 1;
    }
    at
}

fn trim_blank(bytes: &[u8], mut end: usize) -> usize {
    while end > 0 && blank(bytes[end - 1]) {
        end -= 1;
    }
    end
}

/// The index after the string that starts at `at`.
fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let mut at = at + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The index after the value that starts at `at`; `None` if it is cut off.
fn skip_value(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut depth = 0usize;
    loop {
        match *bytes.get(at)? {
            b'"' => at = skip_string(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            byte if depth > 0 && (blank(byte) || byte == b',' || byte == b':') => at += 1,
            _ => at = skip_scalar(bytes, at)?,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The index after a number or a literal; `None` if the bytes end with it, as it
/// may be cut off.
fn skip_scalar(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes[at..]
        .iter()
        .position(|byte| blank(*byte) || matches!(byte, b',' | b':' | b'}' | b']'))?;
    (length > 0).then_some(at + length)
}

fn scalar_start(bytes: &[u8], end: usize) -> Option<usize> {
    match *bytes.get(end.checked_sub(1)?)? {
        b'"' => string_start(bytes, end),
        b'}' | b']' => None,
        _ => {
            let start = bytes[..end]
                .iter()
                .rposition(|byte| blank(*byte) || matches!(byte, b':' | b','))?
                + 1;
            (start < end).then_some(start)
        }
    }
}

/// The opening quote of the string that ends before `end`.
fn string_start(bytes: &[u8], end: usize) -> Option<usize> {
    let closing = end.checked_sub(1)?;
    if bytes[closing] != b'"' {
        return None;
    }
    let mut at = closing;
    loop {
        at = bytes[..at].iter().rposition(|byte| *byte == b'"')?;
        let slashes = bytes[..at]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        if slashes % 2 == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&str>) {
        let found = id(line.as_bytes(), line.as_bytes());
        assert_eq!(found.as_ref().map(Id::raw), expected, "{line}");
    }

    #[test]
    fn finds_the_id_at_any_position() {
        check(r#"{"id":7,"method":"x"}"#, Some("7"));
        check(
            r#" { "jsonrpc" : "2.0" , "id" : "a\"b" , "x":1}"#,
            Some(r#""a\"b""#),
        );
        check(r#"{"params":{"id":1,"x":["}",{}]},"id":2}"#, Some("2"));
        check(r#"{"params":{"id":1}}"#, None);
        check(r#"{"id":null}"#, None);
        check(r#"{"id":{"a":1}}"#, None);
        check(r#"[{"id":1}]"#, None);
        check("", None);
        check("}", None);
        check("{", None);
    }

    #[test]
    fn finds_a_late_id_from_the_tail_alone() {
        let head = br#"{"jsonrpc":"2.0","params":{"text":"aaaaaaaa"#;
        let tail = br#"aaa \"id\":5 aa","n":[1]},"id": "q\\" , "method":"tools/call" } "#;
        assert_eq!(id(head, tail).as_ref().map(Id::raw), Some(r#""q\\""#));
        assert!(id(head, br#"aaaa","id":5"#).is_none());
        assert!(id(head, br#"id":5}"#).is_none());
    }

    #[test]
    fn a_truncated_number_is_no_id() {
        assert!(forward(br#"{"id":12"#).is_none());
        assert!(backward(br#"12}"#).is_none());
    }
}
