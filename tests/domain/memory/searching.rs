//! `memory_search`.

use std::sync::atomic::Ordering;

use mimo::failure::Kind;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

#[test]
fn search_without_a_query_pages_newest_first() {
    let mimo = Mimo::new();
    // All have the same time, so they are ordered by id.
    let texts: Vec<String> = (1..=25).map(|n| format!("memory number {n}")).collect();
    mimo.store_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let found = mimo
            .call("memory_search", json!({"limit": 10, "cursor": cursor}))
            .expect("found");
        let items = found["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| item["id"].as_i64().expect("id")));
        assert_eq!(found["truncated"], false);
        cursor = found["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<i64>>());
}

#[test]
fn filters_are_exact_for_any_number_of_matches() {
    let mimo = Mimo::new();
    // 400 better matches that the filter leaves out, 5 poor ones it lets through.
    for start in [0, 200] {
        let noise: Value = (start..start + 200)
            .map(|n| json!({"content": format!("release release plan {n}")}))
            .collect();
        mimo.store(noise);
    }
    let wanted: Value = (0..5)
        .map(|n| json!({
            "content": format!("a note of many other words that names a release once, number {n}"),
            "category": "plan", "tags": ["q4", "board"],
        }))
        .collect();
    let mut wanted = mimo.store(wanted);
    mimo.store(json!([{"content": "release with one tag", "category": "plan", "tags": ["q4"]}]));
    wanted.sort_unstable();
    for mode in ["hybrid", "semantic", "keyword"] {
        let mut found = mimo.ids(json!({
            "query": "release", "mode": mode, "threshold": 0, "limit": 5,
            "category": "plan", "tags": ["board", "q4"],
        }));
        found.sort_unstable();
        assert_eq!(found, wanted, "{mode}");
    }
}

#[test]
fn search_covers_the_project_and_global() {
    let mimo = Mimo::in_project("app");
    mimo.store(json!([
        {"content": "note one"},
        {"content": "note two", "project": "global"},
        {"content": "note three", "project": "other"},
    ]));
    let found = |arguments: Value| {
        let mut ids = mimo.ids(arguments);
        ids.sort_unstable();
        ids
    };
    assert_eq!(
        found(json!({"query": "note"})),
        [1, 2],
        "the current one and global"
    );
    assert_eq!(found(json!({"query": "note", "project": "*"})), [1, 2, 3]);
    assert_eq!(found(json!({"query": "note", "project": "other"})), [3]);
    assert_eq!(
        found(json!({"query": "note", "project": "none"})),
        Vec::<i64>::new()
    );
    let items = mimo.search(json!({"query": "note"}));
    let project = |id: i64| items.iter().find(|i| i["id"] == id).expect("found")["project"].clone();
    assert_eq!((project(1), project(2)), (Value::Null, json!("global")));
}

#[test]
fn time_filters_bound_creation_and_validity() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "old note", "valid_until": "2026-11-24"}]));
    mimo.clock.advance_seconds(24 * 3600);
    mimo.store_texts(&["new note"]);
    assert_eq!(mimo.texts(json!({"since": "2026-11-23"})), ["new note"]);
    assert_eq!(mimo.texts(json!({"since": "2h"})), ["new note"]);
    assert_eq!(mimo.texts(json!({"since": "2d"})), ["new note", "old note"]);
    assert_eq!(mimo.texts(json!({"as_of": "2026-11-22"})), ["old note"]);
    assert_eq!(
        mimo.texts(json!({"as_of": "2026-11-21"})),
        Vec::<String>::new()
    );
    mimo.clock.advance_seconds(2 * 24 * 3600);
    assert_eq!(
        mimo.texts(json!({"query": "note"})),
        ["new note"],
        "the other has expired"
    );
    assert_eq!(
        mimo.texts(json!({"include_superseded": true})),
        ["new note", "old note"]
    );
    assert_eq!(
        mimo.texts(json!({"as_of": "2026-11-23"})),
        ["new note", "old note"]
    );
}

#[test]
fn threshold_applies_to_similarity_not_to_keyword_matches() {
    let mimo = Mimo::new();
    mimo.store_texts(&[
        "tea",
        "tea with a dozen words that have nothing at all to do with the question asked",
        "coffee",
    ]);
    assert_eq!(
        mimo.ids(json!({"query": "tea", "mode": "semantic", "threshold": 0.9})),
        [1]
    );
    let mut both = mimo.ids(json!({"query": "tea", "threshold": 0.9}));
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    assert_eq!(
        mimo.ids(json!({"query": "tea", "mode": "semantic", "threshold": -1}))
            .len(),
        3
    );
}

#[test]
fn keywords_are_found_in_every_script() {
    let mimo = Mimo::new();
    let ids = mimo.store_texts(&[
        "会議は京都で行われます",
        "我们在北京开会",
        "회의는 서울에서 열립니다",
        "Die Besprechung ist in Köln",
        "running the deployments",
    ]);
    let cases = [
        ("京都", 0),
        ("会議", 0),
        ("北京", 1),
        ("京", 0),
        ("서울", 2),
        ("koln", 3),
        ("KÖLN", 3),
        ("deployment run", 4),
    ];
    for (query, nth) in cases {
        let found = mimo.ids(json!({"query": query, "mode": "keyword"}));
        assert!(found.contains(&ids[nth]), "{query}: {found:?}");
    }
    assert_eq!(
        mimo.ids(json!({"query": "京都", "mode": "keyword"})),
        [ids[0]]
    );
}

#[test]
fn query_operators_are_plain_words() {
    let mimo = Mimo::new();
    mimo.store_texts(&["alpha beta", "gamma"]);
    let hostile = [
        "\"",
        "alpha\" OR \"gamma",
        "NEAR(alpha beta)",
        "alpha AND",
        "NOT",
        "alpha*",
        "^alpha",
        "words: alpha",
        "{words}: alpha",
        "(((",
        "'; DROP TABLE memory; --",
        "%",
        "\u{0}alpha",
    ];
    for query in hostile {
        for mode in ["hybrid", "keyword", "semantic"] {
            mimo.call("memory_search", json!({"query": query, "mode": mode}))
                .expect(query);
        }
    }
    assert_eq!(
        mimo.ids(json!({"query": "alpha* gamma(", "mode": "keyword"}))
            .len(),
        2
    );
    let found = mimo
        .call("memory_search", json!({"query": "?!", "mode": "keyword"}))
        .expect("found");
    assert!(
        found["degraded"]
            .as_str()
            .expect("said")
            .contains("no words")
    );
}

#[test]
fn thread_neighbors_raise_each_others_rank() {
    let turns = |thread: &str| {
        json!([
            {"content": "Where did you go on holiday?", "thread": thread},
            {"content": "We stayed at a lake in the mountains", "thread": thread},
            {"content": "That sounds lovely", "thread": thread},
        ])
    };
    let mimo = Mimo::new();
    mimo.store(turns("t"));
    mimo.store(json!([{"content": "A lake is on the map", "thread": "elsewhere"}]));
    let found = mimo.ids(json!({"query": "holiday lake", "mode": "keyword"}));
    assert_eq!(
        found[..2],
        [1, 2],
        "the turn beside the question comes before the lone lake"
    );
}

#[test]
fn broken_encoder_falls_back_to_keywords_with_a_note() {
    let mimo = Mimo::new();
    mimo.store_texts(&["the gateway listens on port 4000"]);
    mimo.encoder.broken.store(true, Ordering::Relaxed);
    let found = mimo
        .call("memory_search", json!({"query": "gateway port"}))
        .expect("found");
    assert_eq!(found["items"][0]["id"], 1);
    assert!(
        found["degraded"]
            .as_str()
            .expect("said")
            .contains("keywords only")
    );
    let failure = mimo
        .call(
            "memory_search",
            json!({"query": "gateway", "mode": "semantic"}),
        )
        .expect_err("nothing else to search by");
    assert_eq!(failure.kind, Kind::Unavailable);
}

#[test]
fn long_text_matches_by_its_best_window_and_is_excerpted() {
    let mimo = Mimo::new();
    let filler = "word salad ".repeat(2_000);
    let long = format!("{filler} the treasure lies under the old oak {filler}");
    mimo.store_texts(&[&long, "short and unrelated"]);
    let found = mimo.search(json!({
        "query": "treasure under the old oak", "mode": "semantic", "threshold": 0,
    }));
    assert_eq!(found[0]["id"], 1);
    assert_eq!(found[0]["content_bytes"], long.len());
    let shown = found[0]["content"].as_str().expect("text");
    assert!(shown.contains("treasure lies under the old oak") && shown.len() <= 1_500);
    // Whole, over as many pages as it takes.
    let mut whole = String::new();
    let mut cursor = Value::Null;
    loop {
        let ask = json!({"ids": [1], "cursor": cursor, "max_tokens": 1_000});
        let page = mimo.call("memory_search", ask).expect("found");
        assert!(page.to_string().len() <= 4_000);
        whole += page["items"][0]["content"].as_str().expect("text");
        assert_eq!(page["truncated"], !page["next_cursor"].is_null());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(whole, long);
}

#[test]
fn search_by_ids_returns_full_texts_in_order_and_any_state() {
    let mimo = Mimo::new();
    mimo.store_texts(&["one", "two", "three"]);
    mimo.call("memory_edit", json!({"action": "forget", "ids": [2]}))
        .expect("forgotten");
    assert_eq!(mimo.ids(json!({"ids": [3, 2, 1, 3]})), [3, 2, 1]);
    let found = mimo
        .call("memory_search", json!({"ids": [1, 77]}))
        .expect("found");
    assert!(found["degraded"].as_str().expect("said").contains("77"));
    let failure = mimo
        .call("memory_search", json!({"ids": [77]}))
        .expect_err("not there");
    assert_eq!(failure.kind, Kind::NotFound);
}

#[test]
fn result_stays_within_budget_and_its_cursor_reaches_the_rest() {
    let mimo = Mimo::new();
    let memories: Value = (0..40)
        .map(|n| json!({
            "content": format!("budget {n} \"quoted\" \u{1} ütf {}", "lorem ipsum ".repeat(n * 4)),
            "tags": [format!("tag-{n}")],
        }))
        .collect();
    mimo.store(memories);
    for (max_tokens, limit) in [(1, 40), (64, 40), (200, 7), (1_000, 40), (20_000, 100)] {
        let mut seen = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let ask = json!({"query": "budget", "limit": limit, "max_tokens": max_tokens, "cursor": cursor});
            let found = mimo.call("memory_search", ask).expect("found");
            let bytes = found.to_string().len();
            assert!(bytes <= 4 * max_tokens.max(64), "{max_tokens}: {bytes}");
            let items = found["items"].as_array().expect("items");
            assert!(!items.is_empty(), "a page always leads on");
            seen.extend(items.iter().map(|item| item["id"].as_i64().expect("id")));
            cursor = found["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=40).collect::<Vec<i64>>(), "{max_tokens}");
    }
}

#[test]
fn invalid_arguments_name_their_path() {
    let mimo = Mimo::new();
    mimo.store_texts(&["one thing", "one more", "one last"]);
    let page = mimo
        .call("memory_search", json!({"query": "one", "limit": 1}))
        .expect("found");
    let cursor = page["next_cursor"].as_str().expect("more").to_owned();
    let cases = [
        (json!({"query": "a", "ids": [1]}), "/ids"),
        (json!({"query": "a", "mode": "exact"}), "/mode"),
        (json!({"query": "a", "limit": 0}), "/limit"),
        (json!({"query": "a", "limit": 101}), "/limit"),
        (json!({"query": "a", "threshold": 3}), "/threshold"),
        (json!({"query": "a", "since": "some day"}), "/since"),
        (json!({"query": "a", "as_of": "x"}), "/as_of"),
        (json!({"query": "a", "tags": "[1]"}), "/tags"),
        (json!({"query": "a", "max_tokens": 0}), "/max_tokens"),
        (json!({"query": "a", "category": "idea"}), "/category"),
        (json!({"query": "a", "cursor": "r.1"}), "/cursor"),
        (json!({"query": "another", "cursor": cursor}), "/cursor"),
        (json!({"cursor": cursor}), "/cursor"),
        (json!({"query": "x".repeat(200_000)}), "/query"),
    ];
    for (arguments, path) in cases {
        let failure = mimo.call("memory_search", arguments).expect_err(path);
        assert_eq!(failure.kind, Kind::InvalidArguments, "{failure}");
        assert_eq!(failure.path.as_deref(), Some(path), "{failure}");
    }
    assert_eq!(
        mimo.ids(json!({"query": "one", "limit": 2, "cursor": cursor}))
            .len(),
        2
    );
}

#[test]
fn a_thread_filters_exactly() {
    let mimo = Mimo::new();
    mimo.store(json!([
        {"content": "Boats in the harbour", "thread": "one"},
        {"content": "Boats on the lake", "thread": "two"},
    ]));
    let found = |arguments| mimo.ids(arguments);
    assert_eq!(found(json!({"query": "boats", "thread": "two"})), [2]);
    assert_eq!(found(json!({"thread": "one"})), [1]);
}

/// Four todos and a fact; none shares a word with "what is still open".
fn todos() -> (Mimo, Vec<i64>) {
    let mimo = Mimo::new();
    let todos: Value = [
        "Call the plumber",
        "Renew the passport",
        "Pay rent",
        "Order ink",
    ]
    .iter()
    .map(|text| json!({"content": text, "category": "plan", "tags": ["todo"]}))
    .collect();
    let mut ids = mimo.store(todos);
    ids.sort_unstable();
    mimo.store(json!([{"content": "Lisbon lies on the Tagus", "tags": ["geography"]}]));
    (mimo, ids)
}

#[test]
fn under_a_filter_the_query_only_ranks() {
    let (mimo, todos) = todos();
    for filter in [json!({"tags": ["todo"]}), json!({"category": "plan"})] {
        for mode in ["hybrid", "semantic", "keyword"] {
            for query in ["what is still open", "passport"] {
                let mut asked = json!({"query": query, "mode": mode});
                asked
                    .as_object_mut()
                    .expect("an object")
                    .extend(filter.as_object().expect("an object").clone());
                let mut found = mimo.ids(asked.clone());
                if query == "passport" && mode != "semantic" {
                    assert_eq!(found[0], todos[1], "{asked}");
                }
                found.sort_unstable();
                assert_eq!(found, todos, "{asked}");
            }
        }
    }
    let since = mimo.ids(json!({"query": "zzz", "since": "1d", "mode": "keyword"}));
    assert_eq!(since.len(), 5);
}

#[test]
fn memories_beyond_the_matches_are_paged_once_each() {
    let (mimo, todos) = todos();
    let mut seen = Vec::new();
    let mut asked = json!({"query": "passport", "tags": ["todo"], "mode": "keyword", "limit": 1});
    loop {
        let found = mimo.call("memory_search", asked.clone()).expect("found");
        let items = found["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| item["id"].as_i64().expect("id")));
        match found["next_cursor"].as_str() {
            Some(cursor) => asked["cursor"] = json!(cursor),
            None => break,
        }
    }
    assert_eq!(seen[0], todos[1]);
    seen.sort_unstable();
    assert_eq!(seen, todos);
}

#[test]
fn a_threshold_that_is_given_holds_under_a_filter_too() {
    let (mimo, _) = todos();
    let asked = json!({"query": "zzz", "tags": ["todo"], "threshold": 1});
    assert_eq!(mimo.ids(asked), [0; 0]);
}

#[test]
fn a_search_that_finds_nothing_says_what_there_is() {
    let (mimo, _) = todos();
    let hint = |asked: Value| {
        let found = mimo.call("memory_search", asked).expect("found");
        assert_eq!(found["items"], json!([]));
        found["hint"].as_str().expect("a hint").to_owned()
    };
    let asked =
        json!({"query": "the river of Lisbon", "category": "plan", "tags": ["todo", "geography"]});
    let said = hint(asked);
    let counts = "nothing found; there are 4 plans, 4 tagged todo, 1 tagged geography, 5 in all";
    assert!(said.starts_with(counts), "{said}");
    assert!(said.contains("; nearest: "), "{said}");
    let said = hint(json!({"tags": ["todoo"]}));
    assert_eq!(said, "nothing found; there are 0 tagged todoo, 5 in all");
    let said = hint(json!({"query": "zzz", "mode": "keyword"}));
    assert_eq!(said, "nothing found; there are 5 memories here");
}

#[test]
fn search_without_a_limit_ends_where_the_rest_is_far_weaker() {
    let mimo = Mimo::new();
    let fits: Vec<String> = (1..=2)
        .map(|n| format!("the spare key hangs behind clock {n}"))
        .collect();
    let others: Vec<String> = (1..=20)
        .map(|n| format!("a note on quite another matter with one key {n}"))
        .collect();
    let texts: Vec<&str> = fits.iter().chain(&others).map(String::as_str).collect();
    mimo.store_texts(&texts);
    let query = "where hangs the spare key behind the clock";
    let found = |arguments: Value| mimo.call("memory_search", arguments).expect("found");
    let count = |found: &Value| found["items"].as_array().expect("items").len();
    let first = found(json!({ "query": query }));
    assert_eq!(count(&first), 5, "{first}");
    let next = found(json!({"query": query, "cursor": first["next_cursor"]}));
    assert_eq!(count(&next), 10, "the cursor leads on");
    for more in [
        json!({"query": query, "limit": 10}),
        json!({"query": query, "threshold": 0}),
        json!({"query": query, "category": "fact"}),
    ] {
        assert_eq!(count(&found(more.clone())), 10, "{more}");
    }
}
