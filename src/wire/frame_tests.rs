//! Lines and the frames they parse to, as tables and as properties.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A short notation for frames, used in the tables below.
fn short(line: &[u8]) -> String {
    match parse(line) {
        None => "blank".to_owned(),
        Some(Frame::Single(item)) => item_short(&item),
        Some(Frame::Batch(items)) => {
            let items: Vec<String> = items.iter().map(item_short).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn item_short(item: &Item) -> String {
    match item {
        Item::Request { id, request } => format!("{} {id}", request.method()),
        Item::Notification(_) => "notification".to_owned(),
        Item::Cancel { id, .. } => format!("cancel {id}"),
        Item::Response { .. } => "response".to_owned(),
        Item::Ignored => "nothing".to_owned(),
        Item::Invalid(Invalid { id, code, .. }) => {
            format!("{code} {}", id.as_ref().map_or("null", Id::raw))
        }
    }
}

#[test]
fn lines_are_parsed() {
    let table = [
        ("", "blank"),
        (" \t\r", "blank"),
        ("\u{feff}", "blank"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "ping 1"),
        (
            r#"{"method":"ping","id":1.0,"jsonrpc":"2.0","more":{"a":[1]}}"#,
            "ping 1.0",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
            "ping 1",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"p\u0069ng"}"#, "ping 1"),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            "-32600 null",
        ),
        (r#"{"jsonrpc":"2.0","method":"x"}"#, "notification"),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}"#,
            "cancel [1]",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
            "nothing",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "response"),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#,
            "response",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"error":1}"#, "nothing"),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#,
            "nothing",
        ),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, "-32600 1"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}"#,
            "-32600 1",
        ),
        ("[]", "-32600 null"),
        ("[1", "-32700 null"),
        ("[1]", "[-32600 null]"),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{}]"#,
            "[ping 1, -32600 null]",
        ),
        ("{", "-32700 null"),
        ("nul", "-32700 null"),
        ("null\u{c}", "-32700 null"),
        ("\u{c}", "-32700 null"),
        ("null", "-32600 null"),
    ];
    for (line, expected) in table {
        assert_eq!(short(line.as_bytes()), expected, "{line}");
    }
    assert_eq!(short(b"\"\xff\""), "-32700 null");
}

#[test]
fn bad_parameters_stay_with_their_request() {
    let line =
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","requestState":1}}"#;
    let Some(Frame::Single(Item::Request { request, .. })) = parse(line) else {
        panic!("a request");
    };
    let ClientRequest::CustomRequest(custom) = *request else {
        panic!("no typed request");
    };
    let bad: &method::BadParams = custom.extensions.get().expect("the fault");
    assert_eq!(bad.tool.as_deref(), Some("t"));
    assert!(bad.reason.contains("requestState"), "{}", bad.reason);
}

#[test]
fn ids_are_compared_by_value() {
    let id = |text: &str| Id::of(serde_json::from_str(text).expect("raw")).expect("an id");
    assert!(id(r#""\u0061""#).equals(&json!("a")));
    assert!(id("1.50").equals(&json!(1.5)));
    assert!(!id("1").equals(&json!("1")));
}

#[test]
fn lone_surrogates_are_replaced_and_pairs_kept() {
    let repaired = |text: &str| without_lone_surrogates(text);
    assert_eq!(repaired(r#""\ud83d\ude00""#), None);
    assert_eq!(repaired(r#""\\ud83d""#), None);
    assert_eq!(repaired(r#""\ud83d""#).as_deref(), Some(r#""\ufffd""#));
    assert_eq!(
        repaired(r#""\ud83d\ud83d\ude00\ude00x""#).as_deref(),
        Some(r#""\ufffd\ud83d\ude00\ufffdx""#)
    );
    assert_eq!(repaired("\\ud83d \\"), Some("\\ufffd \\".to_owned()));
}

fn id_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|id| id.to_string()),
        any::<String>().prop_map(|id| json!(id).to_string()),
        "[1-9][0-9]{20,40}",
        any::<f64>().prop_filter_map("finite", |id| id.is_finite().then(|| json!(id).to_string())),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = oversize(&bytes, &bytes);
    }

    #[test]
    fn a_request_keeps_its_id_byte_for_byte(id in id_text(), method in any::<String>(), late in any::<bool>()) {
        let method = json!(method);
        let line = if late {
            format!(r#"{{"jsonrpc":"2.0","params":{{"id":7}},"method":{method},"id":{id}}}"#)
        } else {
            format!(r#"{{"id":{id},"jsonrpc":"2.0","method":{method}}}"#)
        };
        match parse(line.as_bytes()) {
            Some(Frame::Single(Item::Request { id: got, .. })) => prop_assert_eq!(got.raw(), id.as_str()),
            other => prop_assert!(false, "{:?}", other),
        }
        let Invalid { id: found, .. } = oversize(line.as_bytes(), line.as_bytes());
        prop_assert_eq!(found.as_ref().map(Id::raw), Some(id.as_str()));
        // With its front out of reach an id at the end is found all the same.
        if late {
            let from = line.find("},\"method\"").unwrap_or(0);
            let Invalid { id: found, .. } = oversize(b"{\"a", &line.as_bytes()[from + 1..]);
            prop_assert_eq!(found.as_ref().map(Id::raw), Some(id.as_str()));
        }
    }

    #[test]
    fn each_batch_member_becomes_an_item(members in proptest::collection::vec(prop_oneof![
        Just(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Just("5"), Just(r#"{"jsonrpc":"2.0","method":"x"}"#), Just("[[]]")
    ], 1..20)) {
        let line = format!("[{}]", members.join(","));
        match parse(line.as_bytes()) {
            Some(Frame::Batch(items)) => prop_assert_eq!(items.len(), members.len()),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
