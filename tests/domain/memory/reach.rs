//! A caller with a limited reach finds no foreign memory by any id or name.

use mimo::caller::{Access, Caller, Grants, Reach};
use mimo::failure::{Failure, Kind};
use mimo::store::NameStore;
use mimo::store::names::{self, NamesQuery};
use mimo::tools::ResourceSource;
use mimo::tools::memory::resource::MemoryResources;
use serde_json::{Value, json};

use crate::support::tools::Mimo;

fn fenced(project: &str) -> Caller {
    Caller::new(Grants::fenced(project), "session-2")
}

/// Memory 1 of project a, memory 2 of the shared one, memory 3 of project b.
fn three() -> Mimo {
    let mimo = Mimo::in_project("a");
    let ids = mimo.store(json!([
        {"content": "the launch code is 1234", "topic_key": "code", "tags": ["secret"]},
        {"content": "everybody may know this", "project": "global"},
        {"content": "b has a launch too", "project": "b"},
    ]));
    assert_eq!(ids, [1, 2, 3]);
    mimo
}

fn kind(answer: Result<Value, Failure>) -> Kind {
    answer.expect_err("refused").kind
}

#[test]
fn ids_beyond_reach_are_not_found() {
    let mimo = three();
    let search = |ids: Value| mimo.call_as(fenced("b"), "memory_search", json!({"ids": ids}));
    assert_eq!(kind(search(json!([1]))), Kind::NotFound);
    let found = search(json!([1, 2, 3])).expect("two of them");
    let ids: Vec<&Value> = found["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| &item["id"])
        .collect();
    assert_eq!(ids, [2, 3]);
    let degraded = found["degraded"].as_str().expect("told");
    assert!(degraded.contains("the id 1"), "{degraded}");
}

#[test]
fn searches_return_only_projects_within_reach() {
    let mimo = three();
    for arguments in [
        json!({"query": "launch code", "project": "*", "threshold": -1}),
        json!({"query": "launch code", "project": "a", "threshold": -1}),
        json!({"query": "launch", "mode": "keyword", "project": "*"}),
        json!({"query": "launch", "mode": "semantic", "project": "*", "threshold": -1}),
        json!({"project": "*"}),
        json!({"project": "*", "tags": ["secret"]}),
    ] {
        let found = mimo.call_as(fenced("b"), "memory_search", arguments.clone());
        let text = found.expect("an answer").to_string();
        assert!(!text.contains("1234"), "{arguments}: {text}");
    }
    let all = mimo.call_as(fenced("b"), "memory_search", json!({"project": "*"}));
    assert_eq!(
        all.expect("found")["items"]
            .as_array()
            .expect("items")
            .len(),
        2
    );
    let own = mimo.ids(json!({"project": "*"}));
    assert_eq!(own.len(), 3, "the local user reaches everything");
}

#[test]
fn edits_beyond_reach_find_nothing_and_change_nothing() {
    let mimo = three();
    for edit in [
        json!({"action": "update", "ids": [1], "content": "mine now"}),
        json!({"action": "forget", "ids": [1, 3]}),
        json!({"action": "restore", "ids": [1]}),
        json!({"action": "protect", "ids": [1]}),
        json!({"action": "forget", "ids": [1], "dry_run": true}),
    ] {
        let answer = mimo.call_as(fenced("b"), "memory_edit", edit.clone());
        assert_eq!(kind(answer), Kind::NotFound, "{edit}");
    }
    // The shared project can be read but not written.
    let shared = mimo.call_as(
        fenced("b"),
        "memory_edit",
        json!({"action": "forget", "ids": [2]}),
    );
    assert_eq!(kind(shared), Kind::Refused);
    assert_eq!(mimo.texts(json!({"ids": [1]})), ["the launch code is 1234"]);
    assert_eq!(mimo.ids(json!({"project": "*"})).len(), 3);
    mimo.call_as(
        fenced("b"),
        "memory_edit",
        json!({"action": "forget", "ids": [3]}),
    )
    .expect("its own");
}

#[test]
fn edits_of_others_cannot_be_undone() {
    let mimo = three();
    let edited = mimo.call(
        "memory_edit",
        json!({"action": "update", "ids": [1], "importance": 1}),
    );
    let undo = json!({"action": "undo", "undo_id": edited.expect("edited")["undo_id"]});
    let answer = mimo.call_as(fenced("b"), "memory_edit", undo.clone());
    let failure = answer.expect_err("refused");
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.message.contains("no edit"), "{failure}");
    mimo.call("memory_edit", undo)
        .expect("undone by whoever may");
}

#[test]
fn memories_beyond_reach_are_neither_superseded_nor_merged_with() {
    let mimo = three();
    let supersede = json!({"content": "new", "supersedes_id": 1});
    let answer = mimo.call_as(fenced("b"), "memory_store", supersede);
    assert_eq!(kind(answer), Kind::NotFound);
    for project in ["a", "global", "elsewhere"] {
        let elsewhere = json!({"content": "new", "project": project});
        let answer = mimo.call_as(fenced("b"), "memory_store", elsewhere);
        assert_eq!(kind(answer), Kind::Refused, "{project}");
    }
    let same = json!({"content": "the launch code is 1234", "topic_key": "code"});
    let stored = mimo
        .call_as(fenced("b"), "memory_store", same)
        .expect("its own");
    let result = &stored["results"][0];
    assert_eq!(result["outcome"], "created");
    assert!(result.get("similar").is_none(), "{result}");
}

#[test]
fn resources_and_names_stay_within_reach() {
    let mimo = three();
    let store: std::sync::Arc<dyn NameStore> = mimo.store.clone();
    let resources = MemoryResources {
        memories: mimo.memories.clone(),
        names: store.clone(),
    };
    let caller = fenced("b");
    let read = |id: i64| mimo.wait(resources.read(&format!("mimo://memory/{id}"), &caller));
    assert_eq!(read(1).expect_err("not there").kind, Kind::NotFound);
    assert!(read(2).is_ok() && read(3).is_ok());
    let names = |reach: &Reach, kind| {
        let query = NamesQuery {
            kind,
            reach: reach.clone(),
            projects: Vec::new(),
            prefix: String::new(),
            limit: 10,
        };
        mimo.wait(store.names(query)).expect("names").names
    };
    let b = Reach::fenced("b");
    assert_eq!(names(&b, names::NameKind::Project), ["b", "global"]);
    assert_eq!(names(&b, names::NameKind::Memory), ["3", "2"]);
    for kind in [names::NameKind::Tag, names::NameKind::TopicKey] {
        assert!(names(&b, kind).is_empty());
        assert_eq!(names(&Reach::Everything, kind).len(), 1);
    }
    let called = store.memories_by_name(&b, vec!["a".to_owned()], "code".to_owned(), 10);
    assert!(mimo.wait(called).expect("looked").is_empty());
}

#[test]
fn a_reach_of_nothing_finds_nothing() {
    let mimo = three();
    let nobody = Caller::new(
        Grants {
            reach: Reach::of([]),
            ..Grants::local("b")
        },
        "session-3",
    );
    let all = mimo.call_as(nobody, "memory_search", json!({"project": "*"}));
    assert_eq!(all.expect("an answer")["items"], json!([]));
}

/// An entity that only another project knows by name is not shown.
#[test]
fn entities_are_shown_by_names_within_reach() {
    let mimo = three();
    let relate = json!({
        "assert": [{"subject": "Launch", "predicate": "is_a", "object": "Event"}],
        "project": "global",
    });
    mimo.call("graph_update", relate).expect("related");
    let entities = |found: Value| found["items"][0].get("entities").cloned();
    let found = mimo.call("memory_search", json!({"ids": [3]}));
    assert!(entities(found.expect("found")).is_some());
    let own = Caller::new(
        Grants {
            reach: Reach::of([("b".to_owned(), Access::Write)]),
            ..Grants::local("b")
        },
        "session-4",
    );
    let found = mimo
        .call_as(own, "memory_search", json!({"ids": [3]}))
        .expect("found");
    assert_eq!(entities(found), None);
}
