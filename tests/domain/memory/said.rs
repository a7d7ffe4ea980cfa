//! `said_at`: when a memory was said or happened, where that is not when it was stored.

use mimo::failure::Kind;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

/// Stored at one moment, the fixed clock's 2026-11-22: said in March, two weeks ago, and
/// at no known time.
fn trips() -> Mimo {
    let mimo = Mimo::new();
    mimo.store(json!([
        {"content": "We saw the boat in Bremen", "said_at": "2026-03-18"},
        {"content": "We saw the boat in Kiel", "said_at": "14d"},
        {"content": "We saw the boat in Oslo"},
    ]));
    mimo
}

#[test]
fn age_is_counted_from_when_it_was_said() {
    let mimo = trips();
    for (filter, expected) in [
        (json!({}), vec![3, 2, 1]),
        (json!({"since": "7d"}), vec![3]),
        (json!({"since": "2026-03", "until": "2026-03"}), vec![1]),
        (json!({"until": "2026-11-15"}), vec![2, 1]),
        (json!({"as_of": "2026-04-01"}), vec![1]),
        (json!({"as_of": "2026-03-17"}), vec![]),
        (json!({"query": "the boat", "until": "2026-10"}), vec![1]),
        (
            json!({"query": "Where did we see the boat in March?"}),
            vec![1],
        ),
        (
            json!({"query": "Where did we see the boat two weeks ago?"}),
            vec![2],
        ),
        (json!({"query": "What happened on March 18?"}), vec![1]),
    ] {
        assert_eq!(mimo.ids(filter.clone()), expected, "{filter}");
    }
    let query = "Where did we see the boat most recently?";
    assert_eq!(mimo.ids(json!({ "query": query }))[0], 3);
    let first = mimo
        .call("memory_search", json!({"limit": 1}))
        .expect("found");
    let next = json!({"limit": 1, "cursor": first["next_cursor"]});
    assert_eq!(mimo.ids(next), [2], "pages are in the same order");
}

#[test]
fn it_is_shown_where_it_is_not_when_the_memory_was_stored() {
    let mimo = trips();
    let said_at = |mimo: &Mimo| -> Vec<Value> {
        let items = mimo.search(json!({"ids": [1, 2, 3, 4]}));
        items.iter().map(|item| item["said_at"].clone()).collect()
    };
    let now = mimo.now();
    mimo.store(json!([{"content": "We sold the boat", "said_at": now}]));
    let expected = [
        json!("2026-03-18T00:00:00Z"),
        json!("2026-11-08T12:00:00Z"),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(said_at(&mimo), expected);
}

#[test]
fn update_sets_it_and_undo_takes_it_back() {
    let mimo = trips();
    let said_at = || mimo.search(json!({"ids": [3]}))[0]["said_at"].clone();
    let edit = json!({"action": "update", "ids": [3], "said_at": "2025-12-24"});
    let edited = mimo.call("memory_edit", edit.clone()).expect("edited");
    assert_eq!(edited["changed"], json!([3]));
    assert_eq!(said_at(), "2025-12-24T00:00:00Z");
    assert_eq!(mimo.ids(json!({})), [2, 1, 3]);
    let again = mimo.call("memory_edit", edit).expect("nothing to do");
    assert_eq!(again["changed"], json!([]));
    let undo = json!({"action": "undo", "undo_id": edited["undo_id"]});
    mimo.call("memory_edit", undo).expect("undone");
    assert_eq!(said_at(), Value::Null);
}

#[test]
fn storing_the_text_again_keeps_it_or_sets_it() {
    let mimo = trips();
    let said_at = || mimo.search(json!({"ids": [1]}))[0]["said_at"].clone();
    let text = "We saw the boat in Bremen";
    mimo.store(json!([{ "content": text }]));
    assert_eq!(said_at(), "2026-03-18T00:00:00Z");
    mimo.store(json!([{"content": text, "said_at": "2026-03-19T08:00:00Z"}]));
    assert_eq!(said_at(), "2026-03-19T08:00:00Z");
}

/// One version is believed at any time, in the order in which they were said.
#[test]
fn later_version_counts_from_when_it_was_said() {
    let mimo = Mimo::new();
    let lives = |city: &str, said_at: &str| {
        let content = format!("Anna lives in {city}");
        mimo.store(json!([{"content": content, "topic_key": "anna/home", "said_at": said_at}]));
        mimo.clock.advance_seconds(3600);
    };
    lives("Berlin", "2020-01-01");
    lives("Munich", "2024-01-01");
    for (as_of, city) in [
        ("2019", None),
        ("2022", Some("Berlin")),
        ("2025", Some("Munich")),
    ] {
        let expected: Vec<String> = city
            .map(|city| format!("Anna lives in {city}"))
            .into_iter()
            .collect();
        assert_eq!(mimo.texts(json!({ "as_of": as_of })), expected, "{as_of}");
    }
    let munich = mimo.ids(json!({}))[0];
    let edit = json!({"action": "update", "ids": [munich], "content": "Anna lives in Munich now"});
    mimo.call("memory_edit", edit).expect("edited");
    assert_eq!(
        mimo.texts(json!({"as_of": "2025"})),
        ["Anna lives in Munich now"],
        "a correction stands for what it corrects"
    );
}

#[test]
fn moments_far_away_and_no_moments_are_refused() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "The bridge opens", "said_at": "2030-05-01"}]));
    let found = mimo.search(json!({}));
    assert_eq!(found[0]["said_at"], "2030-05-01T00:00:00Z");
    for (said_at, why) in [
        ("2101-01-01", "\"2101-01-01\" is beyond the year 2100"),
        ("0000-01-01", "\"0000-01-01\" is before the year 1"),
        ("soon", "\"soon\" is not a date, a time or a span"),
    ] {
        let store = json!({"content": "x", "said_at": said_at});
        let refused = mimo.call("memory_store", store).expect_err("refused");
        assert_eq!(refused.kind, Kind::InvalidArguments, "{said_at}");
        assert_eq!(refused.message, why);
        let edit = json!({"action": "update", "ids": [1], "said_at": said_at});
        let refused = mimo.call("memory_edit", edit).expect_err("refused");
        assert_eq!(refused.message, why);
    }
}
