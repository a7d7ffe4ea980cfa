//! `memory_edit`.

use mimo::failure::Kind;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

fn edit(mimo: &Mimo, arguments: Value) -> Value {
    mimo.call("memory_edit", arguments).expect("edited")
}

fn undo(mimo: &Mimo, edited: &Value) -> Value {
    edit(
        mimo,
        json!({"action": "undo", "undo_id": edited["undo_id"]}),
    )
}

#[test]
fn forgotten_memory_leaves_search_and_restore_brings_it_back() {
    let mimo = Mimo::new();
    mimo.store_texts(&["the cat sleeps", "the dog barks"]);
    let forgotten = edit(
        &mimo,
        json!({"action": "forget", "ids": [1], "reason": "wrong"}),
    );
    assert_eq!(forgotten["changed"], json!([1]));
    for arguments in [
        json!({}),
        json!({"query": "cat"}),
        json!({"query": "cat", "include_superseded": true}),
        json!({"query": "cat", "as_of": mimo.now()}),
    ] {
        assert!(!mimo.ids(arguments.clone()).contains(&1), "{arguments}");
    }
    let again = edit(&mimo, json!({"action": "forget", "ids": [1]}));
    assert_eq!(
        again,
        json!({"changed": [], "dry_run": false}),
        "nothing to undo"
    );
    assert_eq!(
        edit(&mimo, json!({"action": "restore", "ids": [1, 2]}))["changed"],
        json!([1])
    );
    assert_eq!(mimo.ids(json!({"query": "cat", "mode": "keyword"})), [1]);
}

#[test]
fn update_changes_search_and_keeps_the_old_text() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "the port is 4000", "tags": ["net"]}]));
    let then = mimo.now();
    mimo.clock.advance_seconds(5);
    let updated = edit(
        &mimo,
        json!({"action": "update", "ids": [1], "content": "the port is 5000"}),
    );
    assert_eq!(updated["changed"], json!([1]));
    assert_eq!(mimo.ids(json!({"query": "5000", "mode": "keyword"})), [1]);
    assert_eq!(
        mimo.ids(json!({"query": "4000", "mode": "keyword"})),
        Vec::<i64>::new()
    );
    assert_eq!(
        mimo.texts(json!({"query": "4000", "as_of": then})),
        ["the port is 4000"]
    );
    assert_eq!(mimo.search(json!({"ids": [1]}))[0]["tags"], json!(["net"]));
    edit(
        &mimo,
        json!({"action": "update", "ids": [1], "importance": 1, "tags": []}),
    );
    let item = &mimo.search(json!({"ids": [1]}))[0];
    assert_eq!(
        (&item["importance"], &item["tags"]),
        (&json!(1.0), &Value::Null)
    );
}

#[test]
fn update_without_a_difference_changes_nothing() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "as it is", "tags": ["a"]}]));
    let same = json!({"action": "update", "ids": [1], "content": "as it is", "tags": ["a"], "importance": 0.5});
    assert_eq!(edit(&mimo, same)["changed"], json!([]));
    assert_eq!(mimo.ids(json!({"include_superseded": true})), [1]);
    // Another spelling of the same statement counts as a change.
    let spelt = json!({"action": "update", "ids": [1], "content": "As it is."});
    assert_eq!(edit(&mimo, spelt)["changed"], json!([1]));
}

#[test]
fn edits_and_undos_can_be_undone() {
    let cases = [
        json!({"action": "update", "content": "after", "importance": 0.9, "tags": ["b"]}),
        json!({"action": "update", "tags": []}),
        json!({"action": "forget"}),
        json!({"action": "protect"}),
    ];
    for mut arguments in cases {
        let mimo = Mimo::new();
        mimo.store(json!([{"content": "before", "tags": ["a"]}]));
        let shown = || {
            let mut item = mimo.search(json!({"ids": [1]})).remove(0);
            // A new version gets its own timestamps; only its text is compared.
            for key in ["created_at", "edited_at", "supersedes"] {
                item.as_object_mut().expect("an item").remove(key);
            }
            item
        };
        let before = shown();
        arguments["ids"] = json!([1]);
        let edited = edit(&mimo, arguments.clone());
        let after = shown();
        assert_ne!(before, after, "{arguments}");
        let undone = undo(&mimo, &edited);
        assert_eq!(undone["changed"], json!([1]));
        assert_eq!(shown(), before, "{arguments}");
        undo(&mimo, &undone);
        assert_eq!(shown(), after, "{arguments}");
    }
}

#[test]
fn undo_never_loses_a_later_change() {
    let mimo = Mimo::new();
    mimo.store_texts(&["first"]);
    let edited = edit(
        &mimo,
        json!({"action": "update", "ids": [1], "content": "second"}),
    );
    edit(
        &mimo,
        json!({"action": "update", "ids": [1], "content": "third"}),
    );
    let arguments = json!({"action": "undo", "undo_id": edited["undo_id"]});
    let failure = mimo.call("memory_edit", arguments).expect_err("refused");
    assert_eq!(failure.kind, Kind::Conflict, "{failure}");
    assert_eq!(mimo.texts(json!({})), ["third"]);
}

#[test]
fn dry_run_reports_changes_and_makes_none() {
    let mimo = Mimo::new();
    mimo.store_texts(&["one", "two"]);
    let dry = edit(
        &mimo,
        json!({"action": "forget", "ids": [1, 2], "dry_run": true}),
    );
    let expected = json!({"changed": [1, 2], "dry_run": true, "project": "global"});
    assert_eq!(dry, expected);
    let update = json!({"action": "update", "ids": [1], "content": "uno", "dry_run": true});
    assert_eq!(edit(&mimo, update)["changed"], json!([1]));
    assert_eq!(
        mimo.texts(json!({"include_superseded": true})),
        ["two", "one"]
    );
    let missing = json!({"action": "forget", "ids": [9], "dry_run": true});
    assert_eq!(
        mimo.call("memory_edit", missing).expect_err("checked").kind,
        Kind::NotFound
    );
}

#[test]
fn protected_memories_stay_until_they_are_unprotected() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "keep me", "topic_key": "k"}]));
    edit(&mimo, json!({"action": "protect", "ids": [1]}));
    for arguments in [
        json!({"action": "forget", "ids": [1]}),
        json!({"action": "update", "ids": [1], "content": "changed"}),
    ] {
        let failure = mimo.call("memory_edit", arguments).expect_err("refused");
        assert_eq!(failure.kind, Kind::Refused, "{failure}");
    }
    let upsert = json!({"content": "changed", "topic_key": "k"});
    assert_eq!(
        mimo.call("memory_store", upsert).expect_err("refused").kind,
        Kind::Refused
    );
    assert_eq!(mimo.search(json!({}))[0]["protected"], true);
    edit(&mimo, json!({"action": "unprotect", "ids": [1]}));
    edit(&mimo, json!({"action": "forget", "ids": [1]}));
    assert_eq!(mimo.search(json!({})), Vec::<Value>::new());
}

#[test]
fn impossible_edit_changes_nothing() {
    let mimo = Mimo::new();
    mimo.store(json!([{"content": "one", "topic_key": "k"}, {"content": "two"}]));
    edit(&mimo, json!({"action": "forget", "ids": [1]}));
    mimo.store(json!([{"content": "one more", "topic_key": "k"}, {"content": "TWO!"}]));
    edit(&mimo, json!({"action": "forget", "ids": [2]}));
    mimo.store(json!([{"content": "two"}]));
    let before = mimo.search(json!({"limit": 100, "include_superseded": true}));
    let cases = [
        (json!({"action": "forget", "ids": [3, 99]}), Kind::NotFound),
        (json!({"action": "restore", "ids": [1]}), Kind::Conflict),
        (json!({"action": "restore", "ids": [2]}), Kind::Conflict),
        (
            json!({"action": "update", "ids": [3], "content": "Two."}),
            Kind::Conflict,
        ),
        (
            json!({"action": "update", "ids": [1], "importance": 0.1}),
            Kind::Conflict,
        ),
        (json!({"action": "undo", "undo_id": "feed"}), Kind::NotFound),
    ];
    for (arguments, kind) in cases {
        let failure = mimo
            .call("memory_edit", arguments.clone())
            .expect_err("refused");
        assert_eq!(failure.kind, kind, "{arguments} {failure}");
    }
    assert_eq!(
        mimo.search(json!({"limit": 100, "include_superseded": true})),
        before
    );
}

#[test]
fn invalid_arguments_name_their_path() {
    let mimo = Mimo::new();
    mimo.store_texts(&["one", "two"]);
    let cases = [
        (json!({"action": "erase", "ids": [1]}), "/action"),
        (json!({"action": "forget"}), "/ids"),
        (json!({"action": "forget", "ids": []}), "/ids"),
        (
            json!({"action": "forget", "ids": [1], "content": "x"}),
            "/content",
        ),
        (json!({"action": "update", "ids": [1]}), ""),
        (
            json!({"action": "update", "ids": [1, 2], "content": "x"}),
            "/content",
        ),
        (
            json!({"action": "update", "ids": [1], "content": ""}),
            "/content",
        ),
        (
            json!({"action": "update", "ids": [1], "importance": 7}),
            "/importance",
        ),
        (json!({"action": "undo"}), "/undo_id"),
        (
            json!({"action": "undo", "undo_id": "a", "ids": [1]}),
            "/ids",
        ),
        (
            json!({"action": "forget", "ids": [1], "reason": "x".repeat(3_000)}),
            "/reason",
        ),
    ];
    for (arguments, path) in cases {
        let failure = mimo.call("memory_edit", arguments).expect_err(path);
        assert_eq!(failure.kind, Kind::InvalidArguments, "{failure}");
        assert_eq!(failure.path.as_deref(), Some(path), "{failure}");
    }
}

#[test]
fn a_memory_moves_to_another_project_and_back() {
    let mimo = Mimo::in_project("site");
    mimo.store(json!([
        {"content": "The user likes short answers", "topic_key": "style", "tags": ["a"]},
        {"content": "The user is called Ada"},
    ]));
    let recorded = mimo.search(json!({"ids": [1]}))[0]["created_at"].clone();
    let moved = json!({"action": "update", "ids": [1, 2], "project": "global"});
    let answer = mimo.call("memory_edit", moved).expect("moved");
    assert_eq!(
        (&answer["changed"], &answer["project"]),
        (&json!([1, 2]), &json!("global"))
    );
    for mode in ["keyword", "semantic", "hybrid"] {
        let found =
            json!({"query": "short answers", "mode": mode, "project": "global", "limit": 1});
        assert_eq!(mimo.ids(found), [1], "{mode}");
        let found = json!({"query": "short answers", "mode": mode, "project": "site"});
        assert_eq!(mimo.ids(found), Vec::<i64>::new(), "{mode}");
    }
    let item = &mimo.search(json!({"ids": [1]}))[0];
    assert_eq!(
        (&item["project"], &item["topic_key"]),
        (&json!("global"), &json!("style"))
    );
    assert_eq!(item["created_at"], recorded, "the date of recording stays");
    // Another memory of that topic is in the way.
    mimo.store(json!([{"content": "Long answers", "topic_key": "style"}]));
    let undo = json!({"action": "undo", "undo_id": answer["undo_id"]});
    let failure = mimo.call("memory_edit", undo.clone()).expect_err("taken");
    assert_eq!(failure.kind, Kind::Conflict, "{failure}");
    let others = mimo.ids(json!({"query": "Long answers", "project": "site", "limit": 1}));
    mimo.call("memory_edit", json!({"action": "forget", "ids": others}))
        .expect("forgotten");
    let answer = mimo.call("memory_edit", undo).expect("undone");
    assert_eq!(
        (&answer["changed"], &answer["project"]),
        (&json!([1, 2]), &json!("site"))
    );
    assert_eq!(
        mimo.ids(json!({"query": "Ada", "project": "site", "limit": 1})),
        [2]
    );
    // To where it is already, nothing moves.
    let stays = json!({"action": "update", "ids": [2], "project": "site"});
    let answer = mimo.call("memory_edit", stays).expect("checked");
    assert_eq!(answer["changed"], json!([]));
    let both = json!({"action": "update", "ids": [2], "project": "p", "content": "Called Ada"});
    mimo.call("memory_edit", both).expect("moved");
    assert_eq!(mimo.texts(json!({"project": "p"})), ["Called Ada"]);
}

#[test]
fn an_edit_keeps_the_date_of_recording() {
    let mimo = Mimo::new();
    mimo.store_texts(&["Ada was hired in May"]);
    let recorded = mimo.search(json!({}))[0]["created_at"].clone();
    mimo.clock.advance_seconds(86_400);
    let edit = json!({"action": "update", "ids": [1], "content": "Ada was hired in June"});
    mimo.call("memory_edit", edit).expect("edited");
    let item = &mimo.search(json!({}))[0];
    assert_eq!(item["created_at"], recorded);
    assert_ne!(item["edited_at"], Value::Null);
}
