//! Results of skills, whatever they are: every client gets one that it accepts.

use mimo::skills::client::results::repair_result;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::support::definitions;
use crate::support::official::{REVISIONS, check, official};
use crate::support::random::repeat;

/// The result that clients get.
fn repaired(method: &str, given: &RawValue) -> Value {
    let repaired = repair_result(method, Some("odd://asked"), given);
    let text = repaired.as_deref().unwrap_or(given).get();
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn odd_result_says_what_it_said() {
    let heard = json!([{"type": "text", "text": "heard"}]);
    for (method, given, expected) in [
        ("tools/call", json!(null), json!({"content": []})),
        ("tools/call", json!("heard"), json!({ "content": heard })),
        ("tools/call", json!({}), json!({"content": []})),
        (
            "tools/call",
            json!({"content": "heard", "isError": "true"}),
            json!({"content": heard, "isError": true}),
        ),
        (
            "tools/call",
            json!({"content": ["heard", null, {"text": "heard"}], "isError": null}),
            json!({"content": [heard[0], heard[0]]}),
        ),
        (
            "tools/call",
            json!({"content": heard, "structuredContent": null, "_meta": null}),
            json!({ "content": heard }),
        ),
        (
            "tools/call",
            json!({"structuredContent": {"n": 1}}),
            json!({"structuredContent": {"n": 1}, "content": [{"type": "text", "text": "{\"n\":1}"}]}),
        ),
        (
            "tools/call",
            json!({"structuredContent": [1]}),
            json!({"content": [{"type": "text", "text": "[1]"}]}),
        ),
        (
            "tools/call",
            json!({"toolResult": 5}),
            json!({"toolResult": 5, "content": [{"type": "text", "text": "{\"toolResult\":5}"}]}),
        ),
        (
            "tools/call",
            json!({"content": [{"type": "video", "url": "a"}]}),
            json!({"content": [{"type": "text", "text": "{\"type\":\"video\",\"url\":\"a\"}"}]}),
        ),
        (
            "tools/call",
            json!({"content": [{"type": "resource_link", "uri": "odd://a", "annotations": {"priority": 7}}]}),
            json!({"content": [{"type": "resource_link", "uri": "odd://a", "name": "odd://a", "annotations": {}}]}),
        ),
        // A result may not ask the client's user.
        (
            "tools/call",
            json!({"resultType": "input_required", "inputRequests": {}, "content": heard}),
            json!({ "content": heard }),
        ),
        (
            "prompts/get",
            json!({"messages": [{"role": "system", "content": ["heard", {"type": "text", "text": "b"}]}]}),
            json!({"messages": [
                {"role": "user", "content": heard[0]},
                {"role": "user", "content": {"type": "text", "text": "b"}},
            ]}),
        ),
        (
            "resources/read",
            json!({"contents": [{"text": "a", "blob": null}, "b", {"uri": 1, "blob": "AA=="}]}),
            json!({"contents": [
                {"text": "a", "blob": null, "uri": "odd://asked"},
                {"text": "b", "uri": "odd://asked"},
                {"uri": "odd://asked", "blob": "AA=="},
            ]}),
        ),
        (
            "completion/complete",
            json!({"completion": {"values": ["a", 1], "total": "2"}}),
            json!({"completion": {"values": ["a"]}}),
        ),
        ("resources/subscribe", json!(true), json!({})),
    ] {
        let raw = to_raw_value(&given).expect("JSON");
        assert_eq!(repaired(method, &raw), expected, "{method}: {given}");
    }
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(300), "]".repeat(300));
    let deep = RawValue::from_string(deep).expect("JSON");
    let told = repaired("tools/call", &deep);
    assert_eq!(told["content"][0]["text"], deep.get());
}

#[test]
fn valid_result_is_left_alone() {
    for text in [
        r#"{"content":[ ]}"#,
        r#"{"content":[{"type":"text","text":"\u0061"}],"isError":false,"structuredContent":{"n":1e3}}"#,
        r#"{"z":1.0,"content":[{"type":"text","text":"a","x-own":1},{"data":"AA==","type":"image","mimeType":"image/png"}],"_meta":{"k":1}}"#,
        r#"{"content":[{"type":"resource","resource":{"uri":"odd://a","text":"","mimeType":"text/plain"}}]}"#,
    ] {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        let repaired = repair_result("tools/call", None, &raw);
        assert!(repaired.is_none(), "{text} became {repaired:?}");
    }
}

#[test]
fn no_result_is_refused_by_a_client() {
    let methods = [
        ("tools/call", "CallToolResult"),
        ("prompts/get", "GetPromptResult"),
        ("resources/read", "ReadResourceResult"),
        ("completion/complete", "CompleteResult"),
    ];
    let methods =
        methods.map(|(method, name)| (method, REVISIONS.map(|revision| official(revision, name))));
    repeat(10_000, |random| {
        let given = definitions::result(random);
        let raw = to_raw_value(&given).expect("JSON");
        for (method, validators) in &methods {
            let repaired = repaired(method, &raw);
            let again = to_raw_value(&repaired).expect("JSON");
            assert!(repair_result(method, None, &again).is_none(), "{given}");
            let mut marked = repaired;
            // Members of the newest revision, which Mimo adds for it.
            for (name, value) in [
                ("resultType", json!("complete")),
                ("ttlMs", json!(0)),
                ("cacheScope", json!("private")),
            ] {
                assert!(marked.get(name).is_none(), "{given} became {marked}");
                marked[name] = value;
            }
            for validator in validators {
                check(validator, &marked);
            }
        }
    });
}
