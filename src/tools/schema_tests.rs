//! Repaired arguments, refused arguments, and the messages.

use super::*;

const DEFINITION: &str = r#"{"name":"t","inputSchema":{"type":"object","required":["kind"],
 "properties":{"kind":{"type":"string","enum":["a","b"]},"ids":{"type":"array","items":{"type":"integer"},"maxItems":2,"minItems":1},
  "deep":{"type":"object","properties":{"inner":{"type":"object","properties":{"name":{"type":"string","minLength":6,"maxLength":8}},"additionalProperties":false}}},
  "rate":{"type":"number","exclusiveMinimum":0,"default":0.5},"word":{"type":"string","pattern":"^x+$","examples":["xx"]}},
 "additionalProperties":false}}"#;

fn check(arguments: Value) -> Result<Arguments, Failure> {
    Schema::new("t", DEFINITION).check(arguments)
}

fn refused(arguments: Value) -> (String, String, String) {
    let failure = check(arguments).expect_err("it does not fit");
    assert_eq!(failure.kind, Kind::InvalidArguments);
    (
        failure.path.clone().unwrap_or_default(),
        failure.message.clone(),
        failure.next_step().unwrap_or_default(),
    )
}

#[test]
fn every_error_has_a_path_a_reason_and_a_correct_call() {
    let table = [
        (
            json!({}),
            "",
            r#"the arguments must have "kind", which is missing"#,
        ),
        (
            json!({"kind":"c"}),
            "/kind",
            r#""kind" must be one of ["a","b"], not "c""#,
        ),
        (
            json!({"kind":"a","ids":[1,"two"]}),
            "/ids/1",
            r#""1" must be of type "integer", not a string"#,
        ),
        (
            json!({"kind":"a","ids":[1,2,3]}),
            "/ids",
            r#""ids" takes at most 2 items"#,
        ),
        (
            json!({"kind":"a","ids":[]}),
            "/ids",
            r#""ids" needs at least 1 item"#,
        ),
        (
            json!({"kind":"a","rate":0}),
            "/rate",
            r#""rate" must be more than 0, not 0"#,
        ),
        (
            json!({"kind":"a","word":"y"}),
            "/word",
            r#""word" must match ^x+$, which "y" does not"#,
        ),
        (
            json!({"kind":"a","deep":{"inner":{"name":"x"}}}),
            "/deep/inner/name",
            r#""name" needs at least 6 characters"#,
        ),
        (
            json!({"kind":"a","deep":{"inner":{"nam":"x"}}}),
            "/deep/inner",
            r#"unknown property "nam""#,
        ),
        (
            json!({"kind":"a","x":1,"y":2}),
            "",
            r#"unknown arguments "x", "y""#,
        ),
        (
            json!(5),
            "",
            r#"the arguments must be of type "object", not a number"#,
        ),
    ];
    for (arguments, path, message) in table {
        let shown = arguments.to_string();
        let (got_path, got_message, hint) = refused(arguments);
        assert_eq!(
            (got_path.as_str(), got_message.as_str()),
            (path, message),
            "{shown}"
        );
        let call = &hint[hint.find("{\"name\"").expect("a call")..];
        let call: Value = serde_json::from_str(call).expect("JSON");
        let followed = check(call["arguments"].clone());
        assert_eq!(followed.is_ok(), !hint.contains('<'), "{hint}");
    }
}

#[test]
fn a_misspelt_property_is_suggested_and_corrected() {
    let (_, message, hint) = refused(json!({"knd": "a"}));
    assert_eq!(message, r#"unknown argument "knd""#);
    assert!(hint.starts_with("did you mean \"kind\"? "), "{hint}");
    let (_, _, hint) = refused(json!({"kind":"a","wrd":"xx"}));
    assert!(hint.ends_with(r#"{"kind":"a","word":"xx"}}"#), "{hint}");
    let (_, _, hint) = refused(json!({"kind":"a","deep":{"inner":{"nam":1}}}));
    assert!(hint.starts_with("did you mean \"name\"? "), "{hint}");
}

#[test]
fn known_mistakes_in_form_are_repaired() {
    for arguments in [
        json!({"kind":"a"}),
        json!(r#"{"kind":"a"}"#),
        json!(r#" {"kind":"a"} "#),
        json!({"arguments":{"kind":"a"}}),
        json!({"arguments":r#"{"kind":"a"}"#}),
        json!("\"{\\\"kind\\\":\\\"a\\\"}\""),
    ] {
        let shown = arguments.to_string();
        let checked = check(arguments).unwrap_or_else(|failure| panic!("{shown}: {failure}"));
        assert_eq!(Value::Object(checked), json!({"kind":"a"}));
    }
    let all = Schema::new(
        "t",
        r#"{"inputSchema":{"type":"object","properties":{"arguments":{"type":"object"}}}}"#,
    );
    for none in [Value::Null, json!(""), json!("null"), json!({})] {
        let _ = all.check(none);
    }
    // A tool that has an argument of that name gets it.
    let kept = all.check(json!({"arguments":{"a":1}})).expect("it matches");
    assert_eq!(Value::Object(kept), json!({"arguments":{"a":1}}));
}

#[test]
fn a_null_argument_counts_as_absent() {
    let checked = check(json!({"kind": "a", "ids": null, "rate": null})).expect("it matches");
    assert_eq!(Value::Object(checked), json!({"kind": "a"}));
    let (_, message, _) = refused(json!({"kind": null}));
    assert!(message.contains("must have \"kind\""), "{message}");
    let (_, message, _) = refused(json!({"kind": "a", "x": null}));
    assert_eq!(message, r#"unknown argument "x""#);
    let checked = check(json!({"kind": "a", "deep": {"inner": null}})).expect("it matches");
    assert_eq!(Value::Object(checked), json!({"kind": "a", "deep": {}}));
}

#[test]
fn a_long_value_is_cut_short_in_the_message() {
    let (_, message, _) = refused(json!({"kind": "c".repeat(10_000)}));
    assert!(message.len() < 200, "{}", message.len());
}

#[test]
fn a_broken_schema_is_an_internal_failure() {
    for definition in ["not json", r#"{"inputSchema":{"type":"nonsense"}}"#] {
        let failure = Schema::new("t", definition)
            .check(json!({}))
            .expect_err("broken");
        assert_eq!(failure.kind, Kind::Internal);
    }
}

#[test]
fn the_call_is_the_callers_own_corrected() {
    let table = [
        (
            json!({"kind": "b", "ids": [3], "rate": -1}),
            r#"put your values in place of the <..>: {"name":"t","arguments":{"kind":"b","ids":[3],"rate":"<number>"}}"#,
        ),
        (
            json!({"ids": [3], "colour": "red"}),
            r#"put your values in place of the <..>: {"name":"t","arguments":{"ids":[3],"kind":"<a|b>"}}"#,
        ),
        (
            json!({"kind": "b", "colour": "red"}),
            r#"it takes kind, ids, deep, rate, word; a correct call without "colour": {"name":"t","arguments":{"kind":"b"}}"#,
        ),
        (
            json!({"kind": "b", "ids": [1, 2, 3], "rate": -1}),
            r#"put your values in place of the <..>: {"name":"t","arguments":{"kind":"b","ids":["<integer>"],"rate":"<number>"}}"#,
        ),
        (
            json!({"kind": "b", "id": 3}),
            r#"did you mean "ids"? a correct call: {"name":"t","arguments":{"kind":"b","ids":[3]}}"#,
        ),
        (
            json!({"kind": "as"}),
            r#"a correct call: {"name":"t","arguments":{"kind":"a"}}"#,
        ),
    ];
    for (sent, expected) in table {
        let shown = sent.to_string();
        let (_, _, hint) = refused(sent);
        assert!(hint.ends_with(expected), "{shown}: {hint}");
    }
    let long = json!({"kind": "b", "deep": {"inner": {"name": "x".repeat(400)}}});
    let (_, _, hint) = refused(long);
    assert!(hint.len() < 300 && hint.contains("\"<name>\""), "{hint}");
}

#[test]
fn a_placeholder_is_no_value() {
    let one = Schema::new(
        "t",
        r#"{"inputSchema":{"type":"object","properties":{"content":{"type":"string"},
            "tags":{"type":"array","items":{"type":"string"}},"open":{"type":"object","properties":{}}}}}"#,
    );
    for (sent, path) in [
        (json!({"content": "<content>"}), "/content"),
        (json!({"content": "x", "tags": ["a", "<tags>"]}), "/tags/1"),
    ] {
        let refused = one.check(sent).expect_err("a placeholder");
        assert_eq!(refused.path.as_deref(), Some(path), "{refused}");
    }
    let sent = json!({"content": "a <content> b", "tags": ["<b>"], "open": {"x": "<x>"}});
    assert!(one.check(sent).is_ok());
}
