//! Searches that say when, ask for no subject, ask why, and show long texts.

use serde_json::{Value, json};

use crate::support::tools::Mimo;

const DAY: i64 = 24 * 3600;

/// Three notes about the boat, each stored ten days after the one before.
fn boat() -> Mimo {
    let mimo = Mimo::new();
    for text in [
        "The boat got a new engine.",
        "The boat got a new sail.",
        "The boat got a new rope.",
    ] {
        mimo.store_texts(&[text]);
        mimo.clock.advance_seconds(10 * DAY);
    }
    mimo.clock.advance_seconds(-9 * DAY);
    mimo
}

#[test]
fn question_that_says_when_finds_only_what_is_of_that_time() {
    let mimo = boat();
    for (query, expected) in [
        ("What did the boat get yesterday?", vec![3]),
        ("What did the boat get in the last 12 days?", vec![3, 2]),
        ("What was new on the boat before last week?", vec![1]),
        ("What happened yesterday?", vec![3]),
    ] {
        let mut found = mimo.ids(json!({ "query": query }));
        found.sort_unstable();
        let mut expected: Vec<i64> = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    let said = mimo.call("memory_search", json!({"query": "boat news of yesterday"}));
    let said = said.expect("found");
    assert_eq!(said["hint"], "only what was stored \"yesterday\"", "{said}");
    // Nothing is of that time: the rest of the question counts, and the answer says so.
    let said = mimo.call(
        "memory_search",
        json!({"query": "What did the boat get 5 days ago?"}),
    );
    let said = said.expect("found");
    assert_eq!(said["items"].as_array().map(Vec::len), Some(3), "{said}");
    let why = said["degraded"].as_str().expect("said");
    assert!(why.contains("nothing was stored \"5 days ago\""), "{why}");
    // What the caller says of time comes first.
    let given = json!({"query": "the boat yesterday", "until": "2026-11-25"});
    assert_eq!(mimo.ids(given), [1]);
}

#[test]
fn newest_comes_first_if_it_is_asked_for() {
    let mimo = boat();
    let query = "Which new part has the boat got most recently?";
    assert_eq!(mimo.ids(json!({ "query": query })), [3, 2, 1]);
    assert_eq!(
        mimo.ids(json!({"query": "latest memories", "limit": 2})),
        [3, 2]
    );
}

#[test]
fn user_is_described_by_what_matters_most() {
    let mimo = Mimo::in_project("site");
    mimo.store(json!([
        {"content": "Anna prefers tea", "project": "global", "importance": 0.6},
        {"content": "The build takes an hour"},
        {"content": "Anna is a sailor", "project": "global", "importance": 0.9},
        {"content": "The tests are slow", "importance": 0.4},
    ]));
    for query in ["Who am I?", "What do you know about me?"] {
        assert_eq!(mimo.ids(json!({ "query": query })), [3, 1, 2, 4], "{query}");
    }
    let answer = mimo.call("ask_mimo", json!({"query": "What do you know about me?"}));
    let answer = answer.expect("an answer");
    assert_eq!(
        answer["synthesis"]["citations"][0], "memory:3",
        "{answer:#}"
    );
}

#[test]
fn explained_items_say_what_put_them_there() {
    let mimo = Mimo::new();
    let turns = [
        "Anna: Where is the boat?",
        "Ben: In the harbour since Monday.",
        "Anna: And the key?",
        "Ben: Under the blue pot.",
        "Anna: Is it locked?",
        "Ben: No.",
    ];
    mimo.store_texts(&turns);
    let query = json!({"query": "Where is the key of the boat?", "explain": true, "limit": 2});
    let found = mimo.search(query);
    let why = found[0]["why"].as_object().expect("an object");
    assert!(why["keyword"].as_f64().expect("a score") > 0.0, "{why:?}");
    assert!(
        why["meaning"].is_number() && why["words"].is_number(),
        "{why:?}"
    );
    assert!(why["neighbours"].is_object(), "{why:?}");
    assert!(
        why["rules"]["asks"].as_f64().expect("a factor") < 1.0,
        "{why:?}"
    );
    let plain = mimo.search(json!({"query": "Where is the key of the boat?"}));
    assert_eq!(plain[0].get("why"), None);
}

#[test]
fn long_text_is_shown_around_what_matched() {
    let mimo = Mimo::new();
    let filler = "The weather was as usual and nobody minded it. ".repeat(100);
    let long = format!("{filler}The treasure lies under the old oak. {filler}");
    mimo.store_texts(&[&long]);
    let found = mimo.search(json!({"query": "treasure under the oak"}));
    let shown = found[0]["content"].as_str().expect("a text");
    assert!(
        shown.contains("The treasure lies under the old oak."),
        "{shown}"
    );
    assert!(shown.len() <= 1_500);
    let offset = found[0]["offset"].as_u64().expect("an offset") as usize;
    assert!(long[offset..].starts_with(shown), "{offset}");
    assert_eq!(found[0]["content_bytes"], long.len());
    let whole = mimo.search(json!({"ids": [1], "max_tokens": 100_000}));
    assert_eq!(whole[0]["content"], Value::from(long));
}
