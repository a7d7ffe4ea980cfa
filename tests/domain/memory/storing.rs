//! `memory_store`.

use std::sync::atomic::Ordering;

use mimo::failure::Kind;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

fn outcomes(stored: &Value) -> Vec<(i64, &str)> {
    let results = stored["results"].as_array().expect("results");
    results
        .iter()
        .map(|r| {
            (
                r["id"].as_i64().expect("id"),
                r["outcome"].as_str().expect("outcome"),
            )
        })
        .collect()
}

#[test]
fn equal_texts_merge_their_fields() {
    let mimo = Mimo::new();
    let first = json!({"content": "We deploy on Fridays.", "tags": ["ops"], "importance": 0.4});
    let again = json!({"content": "  we DEPLOY on\nFridays", "tags": ["risk"], "importance": 0.9});
    let stored = mimo.call("memory_store", first).expect("stored");
    assert_eq!(outcomes(&stored), [(1, "created")]);
    let stored = mimo.call("memory_store", again).expect("stored");
    assert_eq!(outcomes(&stored), [(1, "merged")]);
    let items = mimo.search(json!({"query": "deploy"}));
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["content"], "We deploy on Fridays.");
    assert_eq!(items[0]["tags"], json!(["ops", "risk"]));
    assert_eq!(items[0]["importance"], 0.9);
}

#[test]
fn equal_texts_of_one_batch_are_one_memory() {
    let mimo = Mimo::new();
    let batch = json!({"memories": [
        {"content": "Same"}, {"content": "Other"}, {"content": "same!"}
    ]});
    let stored = mimo.call("memory_store", batch).expect("stored");
    assert_eq!(
        outcomes(&stored),
        [(1, "created"), (2, "created"), (1, "merged")]
    );
}

#[test]
fn equal_texts_of_different_projects_stay_separate() {
    let mimo = Mimo::new();
    let ids = mimo.store(json!([
        {"content": "The port is 80", "project": "one"},
        {"content": "The port is 80", "project": "two"},
    ]));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn similar_texts_are_reported_and_never_merged() {
    let mimo = Mimo::new();
    mimo.store_texts(&["the build runs on every push to the main branch"]);
    let near = json!({"content": "the build runs on every push to a main branch"});
    let stored = mimo.call("memory_store", near).expect("stored");
    assert_eq!(stored["results"][0]["outcome"], "created");
    assert_eq!(stored["results"][0]["similar"], json!([1]));
    let far = json!({"content": "Alice likes tea"});
    let stored = mimo.call("memory_store", far).expect("stored");
    assert_eq!(stored["results"][0].get("similar"), None);
}

#[test]
fn topic_key_upserts_and_keeps_the_history() {
    let mimo = Mimo::new();
    let key = |content: &str| json!({"content": content, "topic_key": "decision/db"});
    let stored = mimo
        .call("memory_store", key("We use Postgres"))
        .expect("stored");
    assert_eq!(outcomes(&stored), [(1, "created")]);
    let then = mimo.now();
    mimo.clock.advance_seconds(60);
    let stored = mimo
        .call("memory_store", key("We use SQLite"))
        .expect("stored");
    assert_eq!(outcomes(&stored), [(1, "upserted")], "the id stays");
    assert_eq!(mimo.texts(json!({"query": "use"})), ["We use SQLite"]);
    let believed = json!({"query": "which database do we use", "as_of": then});
    assert_eq!(mimo.texts(believed), ["We use Postgres"]);
    let all = mimo.search(json!({"query": "use", "include_superseded": true}));
    assert_eq!(all.len(), 2);
    let old = all
        .iter()
        .find(|item| item["state"] == "superseded")
        .expect("kept");
    let new = all
        .iter()
        .find(|item| item["id"] == 1)
        .expect("the current one");
    assert_eq!(new["supersedes"], old["id"]);
    // Repeating it changes nothing.
    let stored = mimo
        .call("memory_store", key("we use sqlite"))
        .expect("stored");
    assert_eq!(outcomes(&stored), [(1, "merged")]);
}

#[test]
fn topic_key_moves_to_the_equal_memory() {
    let mimo = Mimo::new();
    mimo.store(json!([
        {"content": "We use Postgres", "topic_key": "decision/db"},
        {"content": "We use SQLite"},
    ]));
    let upsert = json!({"content": "We use SQLite", "topic_key": "decision/db"});
    let stored = mimo.call("memory_store", upsert).expect("stored");
    assert_eq!(outcomes(&stored), [(2, "upserted")]);
    let items = mimo.search(json!({"query": "use"}));
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["topic_key"], "decision/db");
    assert_eq!(items[0]["supersedes"], 1);
}

#[test]
fn supersede_keeps_the_chain_and_its_topic_key() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "Port 80", "topic_key": "port"}]));
    let next = json!({"content": "Port 8080", "supersedes_id": 1});
    let stored = mimo.call("memory_store", next).expect("stored");
    assert_eq!(outcomes(&stored), [(2, "superseded")]);
    let items = mimo.search(json!({"query": "port"}));
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["supersedes"], &items[0]["topic_key"]),
        (&json!(1), &json!("port"))
    );
    let old = mimo.search(json!({"ids": [1]}));
    assert_eq!(old[0]["state"], "superseded");
    let upsert = json!({"content": "Port 9090", "topic_key": "port"});
    let stored = mimo.call("memory_store", upsert).expect("stored");
    assert_eq!(outcomes(&stored), [(2, "upserted")], "the key went on");
}

#[test]
fn impossible_supersede_stores_nothing() {
    let mimo = Mimo::new();
    mimo.store_texts(&["one", "two"]);
    mimo.call(
        "memory_store",
        json!({"content": "one, newer", "supersedes_id": 1}),
    )
    .expect("stored");
    mimo.call("memory_edit", json!({"action": "protect", "ids": [2]}))
        .expect("protected");
    let before = mimo.ids(json!({"limit": 100, "include_superseded": true}));
    let cases = [
        (json!({"content": "x", "supersedes_id": 99}), Kind::NotFound),
        (json!({"content": "x", "supersedes_id": 1}), Kind::Conflict),
        (
            json!({"content": "x", "supersedes_id": 2, "project": "p"}),
            Kind::Conflict,
        ),
        (json!({"content": "x", "supersedes_id": 2}), Kind::Refused),
        (
            json!({"memories": [{"content": "fine"}, {"content": "x", "supersedes_id": 99}]}),
            Kind::NotFound,
        ),
    ];
    for (arguments, kind) in cases {
        let failure = mimo
            .call("memory_store", arguments.clone())
            .expect_err("refused");
        assert_eq!(failure.kind, kind, "{arguments} {failure}");
    }
    assert_eq!(
        mimo.ids(json!({"limit": 100, "include_superseded": true})),
        before
    );
}

#[test]
fn invalid_arguments_name_their_path_and_store_nothing() {
    let mimo = Mimo::new();
    let long = "x".repeat(100 * 1024 + 1);
    let many: Vec<String> = (0..65).map(|n| format!("tag {n}")).collect();
    let cases = [
        (json!({}), "/content", "missing"),
        (json!({"content": " \n"}), "/content", "blank"),
        (json!({"content": long}), "/content", "102401 bytes"),
        (json!({"content": "a\u{0}b"}), "/content", "NUL"),
        (json!({"content": "a", "tags": [" "]}), "/tags/0", "blank"),
        (
            json!({"content": "a", "tags": many}),
            "/tags",
            "65 items are too many",
        ),
        (
            json!({"content": "a", "topic_key": ""}),
            "/topic_key",
            "blank",
        ),
        (
            json!({"content": "a", "project": "*"}),
            "/project",
            "single project",
        ),
        (
            json!({"content": "a", "valid_until": "soon"}),
            "/valid_until",
            "not a date",
        ),
        (
            json!({"content": "a", "memories": [{"content": "b"}]}),
            "/content",
            "several",
        ),
        (json!({"memories": []}), "/memories", "0 memories"),
        (
            json!({"memories": [{"content": "a"}, {"contents": "b"}]}),
            "/memories/1/contents",
            "unknown field",
        ),
        (
            json!({"memories": [{"content": "a"}, 7]}),
            "/memories/1",
            "object",
        ),
        (
            json!({"memories": [{"content": "a", "importance": 2}]}),
            "/memories/0/importance",
            "between 0 and 1",
        ),
        (
            json!({"memories": [{"content": "a", "category": "idea"}]}),
            "/memories/0/category",
            "no category",
        ),
        (
            json!({"memories": [{"content": "a", "tags": "b"}]}),
            "/memories/0/tags",
            "a list",
        ),
    ];
    for (arguments, path, part) in cases {
        let failure = mimo.call("memory_store", arguments).expect_err("refused");
        assert_eq!(failure.kind, Kind::InvalidArguments, "{failure}");
        assert_eq!(failure.path.as_deref(), Some(path), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
    assert_eq!(mimo.search(json!({})), Vec::<Value>::new());
}

#[test]
fn batch_fields_are_defaults_for_its_memories() {
    let mimo = Mimo::new();
    let batch = json!({
        "project": "p", "tags": ["meeting"], "category": "observation",
        "memories": [{"content": "one"}, {"content": "two", "tags": [], "category": "plan"}],
    });
    mimo.call("memory_store", batch).expect("stored");
    let items = mimo.search(json!({"project": "p"}));
    let field = |nth: usize, key: &str| items[nth][key].clone();
    assert_eq!(
        (field(1, "category"), field(1, "tags")),
        (json!("observation"), json!(["meeting"]))
    );
    assert_eq!(
        (field(0, "category"), field(0, "tags")),
        (json!("plan"), Value::Null)
    );
}

#[test]
fn nothing_is_stored_when_the_encoder_fails() {
    let mimo = Mimo::new();
    mimo.encoder.broken.store(true, Ordering::Relaxed);
    let failure = mimo
        .call("memory_store", json!({"content": "a"}))
        .expect_err("refused");
    assert_eq!(failure.kind, Kind::Unavailable);
    mimo.encoder.broken.store(false, Ordering::Relaxed);
    assert_eq!(mimo.search(json!({})), Vec::<Value>::new());
}

#[test]
fn repeated_memory_keeps_the_later_end() {
    let mimo = Mimo::new();
    let until = |end: Value| json!({"content": "On leave", "valid_until": end});
    let shown = |mimo: &Mimo| mimo.search(json!({"ids": [1]}))[0]["valid_until"].clone();
    mimo.call("memory_store", until(json!("2026-12-01")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-12-02T00:00:00Z", "all of the day");
    mimo.call("memory_store", until(json!("2026-11-25")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-12-02T00:00:00Z");
    mimo.call("memory_store", until(json!("30d")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-12-22T12:00:04Z");
    mimo.call("memory_store", json!({"content": "On leave"}))
        .expect("stored");
    assert_eq!(shown(&mimo), Value::Null);
}
