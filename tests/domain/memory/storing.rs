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
    assert_eq!(items[0]["content"], "  we DEPLOY on\nFridays");
    assert_eq!(items[0]["tags"], json!(["ops", "risk"]));
    assert_eq!(items[0]["importance"], 0.9);
}

#[test]
fn equal_texts_of_one_batch_are_one_memory() {
    let mimo = Mimo::new();
    let batch = json!({"memories": [
        {"content": "Same"}, {"content": "Other"}, {"content": " Same "}
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
    let text = "the build runs on every push to the main branch";
    let texts = json!([{"id": 1, "content": text}]);
    assert_eq!(stored["results"][0]["similar_texts"], texts);
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
        .call("memory_store", key("We use SQLite"))
        .expect("stored");
    assert_eq!(outcomes(&stored), [(1, "merged")]);
}

#[test]
fn a_correction_of_case_or_form_takes_the_newer_text() {
    for (older, newer) in [
        ("User is called Mcdonald", "User is called McDonald"),
        ("The limit is maxSize", "The limit is MaxSize"),
        ("See README.md", "See readme.md"),
        ("It has 105 rows", "It has 10⁵ rows"),
        ("Ship it", "Ship it!"),
    ] {
        let mimo = Mimo::new();
        mimo.store_texts(&[older]);
        let stored = mimo.call("memory_store", json!({"content": newer}));
        let stored = stored.expect("stored");
        let expected = json!([{
            "id": 1, "outcome": "merged", "project": "global", "text": "updated", "supersedes": 2,
        }]);
        assert_eq!(stored["results"], expected, "{newer}");
        assert_eq!(mimo.texts(json!({})), [newer]);
        let all = json!({"include_superseded": true, "query": older});
        assert!(mimo.texts(all).contains(&older.to_owned()), "kept: {older}");

        // Said again exactly, nothing changes.
        let stored = mimo.call("memory_store", json!({"content": newer}));
        let expected = json!([{"id": 1, "outcome": "merged", "project": "global"}]);
        assert_eq!(stored.expect("stored")["results"], expected, "{newer}");
    }
}

#[test]
fn an_explicit_key_or_id_acts_on_a_text_that_differs_in_case() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "Called Mcdonald", "topic_key": "name", "tags": ["a"]}]));
    let upsert = json!({"content": "Called McDonald", "topic_key": "name"});
    let stored = mimo.call("memory_store", upsert).expect("stored");
    assert_eq!(outcomes(&stored), [(1, "upserted")]);
    assert_eq!(mimo.texts(json!({})), ["Called McDonald"]);
    let supersede = json!({"content": "called McDonald", "supersedes_id": 1});
    let stored = mimo.call("memory_store", supersede).expect("stored");
    assert_eq!(outcomes(&stored), [(3, "superseded")]);
    assert_eq!(stored["results"][0]["supersedes"], 1);
    let items = mimo.search(json!({}));
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["content"], "called McDonald");
    assert_eq!(items[0]["topic_key"], "name");
    // A memory that was replaced, of another wording of a third.
    mimo.store(json!([{"content": "Port 80"}, {"content": "The port is 8080."}]));
    let supersede = json!({"content": "the port is 8080", "supersedes_id": 4});
    let stored = mimo.call("memory_store", supersede).expect("stored");
    assert_eq!(outcomes(&stored), [(5, "merged")]);
    let result = &stored["results"][0];
    assert_eq!(
        (&result["text"], &result["supersedes"]),
        (&json!("updated"), &json!(4))
    );
    assert_eq!(mimo.search(json!({"ids": [4]}))[0]["state"], "superseded");
}

#[test]
fn a_merge_ignores_no_argument() {
    let mimo = Mimo::new();
    let first = json!({
        "content": "Call Bob", "category": "plan", "importance": 0.9, "tags": ["a"], "thread": "one",
    });
    mimo.call("memory_store", first).expect("stored");
    // What is left out stays.
    mimo.call("memory_store", json!({"content": "Call Bob"}))
        .expect("merged");
    let item = &mimo.search(json!({"ids": [1]}))[0];
    assert_eq!(
        (&item["category"], &item["importance"]),
        (&json!("plan"), &json!(0.9))
    );
    let again = json!({
        "content": "Call Bob", "category": "action", "importance": 0.2, "tags": ["b"],
        "thread": "two", "valid_until": "2026-12-01", "topic_key": "bob",
    });
    mimo.call("memory_store", again).expect("merged");
    let item = &mimo.search(json!({"ids": [1]}))[0];
    assert_eq!(
        (&item["category"], &item["importance"]),
        (&json!("action"), &json!(0.2))
    );
    assert_eq!(item["tags"], json!(["a", "b"]));
    assert_eq!(
        (&item["topic_key"], &item["valid_until"]),
        (&json!("bob"), &json!("2026-12-02T00:00:00Z"))
    );
    // The same text elsewhere is a memory of that project.
    let elsewhere = json!({"content": "Call Bob", "project": "p"});
    let stored = mimo.call("memory_store", elsewhere).expect("stored");
    assert_eq!(outcomes(&stored), [(2, "created")]);
    assert_eq!(stored["results"][0]["project"], "p");
}

#[test]
fn a_replacement_goes_where_the_older_version_is() {
    let mimo = Mimo::in_project("site");
    mimo.store(json!([{
        "content": "The database is PostgreSQL 15 on db1, port 5433, with nightly backups to s3",
        "project": "global", "topic_key": "db",
    }]));
    let next = json!({"content": "The database is SQLite", "supersedes_id": 1});
    let stored = mimo.call("memory_store", next).expect("stored");
    let result = &stored["results"][0];
    assert_eq!(
        (&result["project"], &result["supersedes"]),
        (&json!("global"), &json!(1))
    );
    let said = result["replaced_text"].as_str().expect("it said more");
    assert!(said.contains("nightly backups"), "{said}");
    // Named explicitly, another project takes it over.
    let next = json!({"content": "The database is DuckDB", "supersedes_id": 2, "project": "site"});
    let stored = mimo.call("memory_store", next).expect("stored");
    assert_eq!(stored["results"][0]["project"], "site");
    assert_eq!(
        mimo.texts(json!({"project": "*"})),
        ["The database is DuckDB"]
    );
}

#[test]
fn a_contradiction_is_named_at_once() {
    let mimo = Mimo::new();
    mimo.store_texts(&[
        "The rate limit of the API is 60 requests a minute",
        "Tea is hot",
    ]);
    let other = json!({"content": "The rate limit of the API is 100 requests a minute"});
    let stored = mimo.call("memory_store", other).expect("stored");
    let result = &stored["results"][0];
    let old = json!([{"id": 1, "content": "The rate limit of the API is 60 requests a minute"}]);
    assert_eq!(
        (&result["outcome"], &result["contradicts"]),
        (&json!("created"), &old)
    );
    // What it replaces is no contradiction.
    let next =
        json!({"content": "The rate limit of the API is 10 requests a minute", "supersedes_id": 3});
    let stored = mimo.call("memory_store", next).expect("stored");
    let result = &stored["results"][0];
    assert_eq!(result["contradicts"], old);
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
fn repeated_memory_ends_when_it_was_last_said_to() {
    let mimo = Mimo::new();
    let until = |end: Value| json!({"content": "On leave", "valid_until": end});
    let shown = |mimo: &Mimo| mimo.search(json!({"ids": [1]}))[0]["valid_until"].clone();
    mimo.call("memory_store", until(json!("2026-12-01")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-12-02T00:00:00Z", "all of the day");
    mimo.call("memory_store", until(json!("2026-11-25")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-11-26T00:00:00Z");
    mimo.call("memory_store", until(json!("30d")))
        .expect("stored");
    assert_eq!(shown(&mimo), "2026-12-22T12:00:04Z");
    mimo.call("memory_store", json!({"content": "On leave"}))
        .expect("stored");
    assert_eq!(shown(&mimo), Value::Null);
}

#[test]
fn a_field_of_an_item_under_another_name_is_told_its_own() {
    let mimo = Mimo::new();
    let arguments = json!({"memories": [{"text": "Anna drinks tea"}]});
    let failure = mimo.call("memory_store", arguments).expect_err("refused");
    let hint = failure.hint.as_deref().unwrap_or_default();
    assert!(
        hint.starts_with(r#"did you mean "content"? the fields are content, "#),
        "{hint}"
    );
    let both = json!({"memories": [{"content": "Anna", "text": "Anna drinks tea"}]});
    let failure = mimo.call("memory_store", both).expect_err("refused");
    let hint = failure.hint.as_deref().unwrap_or_default();
    assert!(hint.starts_with("the fields are content, "), "{hint}");
}
