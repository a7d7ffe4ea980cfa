//! Lines: no input makes the parser panic, and it agrees with an independent
//! parser on requests and their ids.

use mimo::wire::Id;
use mimo::wire::frame::{Frame, Invalid, Item, oversize, parse};
use mimo::wire::lines::{Line, Lines};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::support::random::fuzz;

const SEEDS: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":"a\"b\\","method":"tools/call","params":{"name":"test_echo","arguments":{"text":"h\u00e9 \ud83d\ude00"},"_meta":{"progressToken":1}}}"#,
    r#"{"jsonrpc":"2.0","id":1.5e3,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
    r#"{"params":{"id":[{},"}{",null,true,-0.1]},"method":"tools/list","jsonrpc":"2.0","id":123456789012345678901234567890}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},5]"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0.5}}"#,
    r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#,
    r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"m","data":{}}}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "null",
    "true",
    "1e999",
    "-",
    "0",
    "1.0",
    "\n",
    "\r",
    " ",
    "\u{feff}",
    "\"id\":",
    "\"id\":null",
    "\"id\":1,",
    "\"method\":",
    "\"jsonrpc\":\"2.0\",",
    "\"result\":",
    "\"error\":",
    "\"params\":",
    "\"arguments\":",
    "\"_meta\":{}",
    "\"tools/call\"",
    "\"ping\"",
    "[[[[[[[[[[",
    "{\"a\":",
    "\u{0}",
    "\u{1F600}",
];

#[test]
fn lines_parse_as_with_an_independent_parser() {
    fuzz(|random| {
        let bytes = random.mutated(SEEDS, PIECES);
        let frame = parse(&bytes);
        compare(&bytes, frame.as_ref());
        let at = random.below(bytes.len() + 1);
        let _ = oversize(&bytes[..at], &bytes[at..]);
    });
}

fn compare(bytes: &[u8], frame: Option<&Frame>) {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes);
    let json = text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match frame {
        None => assert!(bytes.iter().all(|byte| b" \t\r\n".contains(byte))),
        Some(Frame::Single(Item::Invalid(Invalid {
            id, code: -32700, ..
        }))) => {
            assert!(!json && id.is_none());
        }
        Some(frame) => {
            assert!(json, "{frame:?}: {}", String::from_utf8_lossy(bytes));
            match (serde_json::from_slice::<Value>(bytes), frame) {
                (Ok(value), Frame::Single(item)) => compare_item(&value, item),
                (Ok(Value::Array(values)), Frame::Batch(items)) => {
                    assert_eq!(values.len(), items.len());
                    values
                        .iter()
                        .zip(items)
                        .for_each(|(value, item)| compare_item(value, item));
                }
                (Ok(value), Frame::Batch(_)) => panic!("a batch of {value}"),
                // Too deep, out of range, or half a pair: JSON all the same.
                (Err(_), _) => {}
            }
        }
    }
}

fn compare_item(value: &Value, item: &Item) {
    let is_id = |id: &Value| id.is_string() || id.is_number();
    let fits = value["jsonrpc"] == "2.0" && value["method"].is_string();
    match item {
        Item::Request { id, .. } => {
            assert!(fits && id.equals(&value["id"]), "{value}");
        }
        Item::Notification(_) | Item::Cancel { .. } => {
            assert!(fits && value.get("id").is_none(), "{value}");
        }
        Item::Response { .. } | Item::Ignored => {
            let waits = fits && value.get("id").is_some_and(is_id);
            assert!(
                !waits || value.get("result").is_some() || value.get("error").is_some(),
                "{value}"
            );
        }
        Item::Invalid(Invalid { id, code, reason }) => {
            assert_eq!(*code, -32600);
            assert!(!reason.is_empty());
            let known = value
                .as_object()
                .and_then(|members| members.get("id"))
                .filter(|id| is_id(id));
            // A duplicate member is ambiguous.
            if !reason.contains("twice") && value.is_object() {
                assert_eq!(id.is_some(), known.is_some(), "{value}");
                assert!(
                    id.as_ref()
                        .zip(known)
                        .is_none_or(|(id, known): (&Id, _)| id.equals(known))
                );
            }
        }
    }
}

#[test]
fn lines_do_not_depend_on_chunk_boundaries() {
    fuzz(|random| {
        let mut bytes = Vec::new();
        for _ in 0..random.below(5) {
            bytes.extend(random.mutated(SEEDS, PIECES));
            bytes.push(b'\n');
        }
        bytes.extend(random.mutated(SEEDS, PIECES));
        let mut lines = Lines::default();
        let (mut got, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            let space = lines.space();
            let taken = (1 + random.below(100)).min(rest.len()).min(space.len());
            space[..taken].copy_from_slice(&rest[..taken]);
            lines.filled(taken);
            rest = &rest[taken..];
            while let Some(line) = lines.line() {
                got.push(whole(&line));
            }
        }
        got.extend(lines.rest().map(|line| whole(&line)));
        let mut expected: Vec<Vec<u8>> = bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        expected.pop_if(|last| last.is_empty());
        assert_eq!(got, expected);
    });
}

fn whole(line: &Line<'_>) -> Vec<u8> {
    match line {
        Line::Whole(bytes) => bytes.to_vec(),
        Line::TooLong { .. } => panic!("no line is that long"),
    }
}
