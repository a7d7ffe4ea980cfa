//! Snapshots of the graph tools, and links between memories and the graph.

use std::sync::Arc;

use mimo::caller::{Caller, Reach};
use mimo::clock::FixedClock;
use mimo::failure::Failure;
use mimo::graph::{Graph, Settings};
use mimo::store::sqlite::SqliteStore;
use mimo::tools::graph::resource;
use serde_json::{Value, json};

use crate::support::tools::{Mimo, NOON};

fn people(mimo: &Mimo) {
    let triple = |s: &str, p: &str, o: &str| json!({"subject": s, "predicate": p, "object": o});
    let triples = [
        triple("person:alice", "works_at", "company:acme"),
        triple("person:bob", "works_at", "company:acme"),
        triple("company:acme", "located_in", "city:paris"),
        triple("city:paris", "located_in", "country:france"),
    ];
    mimo.call("graph_update", json!({"assert": triples}))
        .expect("asserted");
}

/// Calls in order, each with its complete expected document.
#[test]
fn result_documents_are_as_before() {
    let mimo = Mimo::in_project("site");
    let calls: [(&str, Value, Value); 9] = [
        (
            "graph_update",
            json!({"assert": [
                {"subject": "person:alice", "predicate": "Works at", "object": "company:acme", "confidence": 0.9},
                {"subject": "company:acme", "predicate": "located_in", "object": "Paris"},
                {"subject": "company:acme", "predicate": "alias", "object": "Acme Corp"},
            ], "source": "the handbook"}),
            json!({
                "triples": [{"id": 1, "outcome": "created"}, {"id": 2, "outcome": "created"}, {"outcome": "aliased"}],
                "entities": [
                    {"id": "person:alice", "created": true},
                    {"id": "company:acme", "created": true},
                    {"id": "thing:paris", "created": true},
                ],
            }),
        ),
        (
            "graph_query",
            json!({"start": "Alice"}),
            json!({"paths": [
                {"entities": ["person:alice", "company:acme"], "predicates": ["works_at"], "triples": [1], "confidence": 0.9},
                {"entities": ["person:alice", "company:acme", "thing:paris"], "predicates": ["works_at", "located_in"], "triples": [1, 2], "confidence": 0.9},
            ], "truncated": false}),
        ),
        (
            "graph_query",
            json!({"start": "paris", "to": "person:alice", "direction": "in"}),
            json!({"paths": [
                {"entities": ["thing:paris", "company:acme", "person:alice"], "predicates": ["^located_in", "^works_at"], "triples": [2, 1], "confidence": 0.9},
            ], "truncated": false}),
        ),
        (
            "graph_query",
            json!({"patterns": [["?p:person", "works_at", "?c"], ["?c", "?how", "Pariss"]]}),
            json!({"bindings": [
                {"?p": "person:alice", "?c": "company:acme", "?how": "located_in", "triples": [1, 2], "confidence": 0.9},
            ], "truncated": false, "resolved": {"Pariss": "thing:paris"}}),
        ),
        (
            "graph_query",
            json!({"start": "Acme Corp", "direction": "both", "limit": 1}),
            json!({"paths": [
                {"entities": ["company:acme", "thing:paris"], "predicates": ["located_in"], "triples": [2], "confidence": 1.0},
            ], "truncated": true, "next_cursor": "*"}),
        ),
        (
            "graph_update",
            json!({"text": "Bob works at Acme Corp. Does he like it?"}),
            json!({"triples": [], "proposals": [
                {"subject": "Bob", "predicate": "works_at", "object": "Acme Corp", "confidence": 0.9},
            ]}),
        ),
        (
            "graph_update",
            json!({"text": "Bob works at Acme Corp.", "accept": true}),
            json!({
                "triples": [{"id": 3, "outcome": "created"}],
                "entities": [{"id": "thing:bob", "created": true}, {"id": "company:acme"}],
            }),
        ),
        (
            "graph_update",
            json!({"retract": [3]}),
            json!({"triples": [], "retracted": [3]}),
        ),
        (
            "graph_query",
            json!({"start": "bob"}),
            json!({"paths": [], "truncated": false}),
        ),
    ];
    for (tool, arguments, expected) in calls {
        let shown = arguments.to_string();
        let mut document = mimo.call(tool, arguments).expect(&shown);
        if expected["next_cursor"] == "*" {
            assert!(document["next_cursor"].is_string(), "{document}");
            document["next_cursor"] = json!("*");
        }
        assert_eq!(document, expected, "{tool} {shown}");
    }
}

#[test]
fn invalid_calls_are_explained_and_change_nothing() {
    let mimo = Mimo::new();
    people(&mimo);
    let long = "x".repeat(10 * 1024);
    let table: [(&str, Value, &str, &str); 13] = [
        (
            "graph_update",
            json!({}),
            "",
            "assert, retract, rename or text",
        ),
        (
            "graph_update",
            json!({"rename": [{"from": "nobody", "to": "somebody"}]}),
            "/rename/0/from",
            "no entity is called",
        ),
        (
            "graph_update",
            json!({"assert": [{"subject": "person:alice", "predicate": "also known as", "object": "Bob"}]}),
            "/assert/0/object",
            "a name of person:bob already",
        ),
        (
            "graph_update",
            json!({"assert": [{"subject": "new one", "predicate": "p", "object": "o"}, {"subject": long, "predicate": "p", "object": "o"}]}),
            "/assert/1/subject",
            "too long",
        ),
        (
            "graph_update",
            json!({"assert": [{"subject": "a", "predicate": " ", "object": "o"}]}),
            "/assert/0/predicate",
            "blank",
        ),
        (
            "graph_update",
            json!({"assert": [{"subject": "a", "predicate": "p", "object": "o"}], "project": "*"}),
            "/project",
            "single project",
        ),
        (
            "graph_update",
            json!({"retract": [77]}),
            "/retract",
            "no triple 77",
        ),
        ("graph_query", json!({}), "", "start or patterns"),
        (
            "graph_query",
            json!({"start": "person:alice", "max_depth": 0}),
            "/max_depth",
            "between 1 and 8",
        ),
        (
            "graph_query",
            json!({"start": "person:alice", "predicate": "loves"}),
            "/predicate",
            "loves",
        ),
        (
            "graph_query",
            json!({"patterns": [["?p", "?p", "?c"]]}),
            "/patterns/0/1",
            "entity in one place",
        ),
        (
            "graph_query",
            json!({"patterns": [["?p", "works_at", "?c"]], "start": "person:alice"}),
            "/start",
            "traversal",
        ),
        (
            "graph_query",
            json!({"start": "person:alice", "cursor": "p.1.0.0.00000000"}),
            "/cursor",
            "does not belong",
        ),
    ];
    for (tool, arguments, path, says) in table {
        let shown: String = arguments.to_string().chars().take(200).collect();
        let answer = mimo.call(tool, arguments);
        let failure: Failure = answer.expect_err(&shown);
        assert_eq!(
            failure.path.as_deref().unwrap_or(""),
            path,
            "{shown}: {failure}"
        );
        assert!(failure.message.contains(says), "{shown}: {failure}");
    }
    let status = mimo.call("mimo_status", json!({})).expect("a status");
    assert_eq!(
        status["graph"],
        json!({"state": "ok", "entities": 5, "triples": 4, "closed": 0, "predicates": 2})
    );
}

#[test]
fn other_names_and_renames_are_one_call() {
    let mimo = Mimo::new();
    people(&mimo);
    let arguments = json!({
        "rename": [{"from": "Alice", "to": "Alice Brandt"}],
        "assert": [{"subject": "Alice Brandt", "predicate": "also_known_as", "object": "Ally"}],
    });
    let answer = mimo.call("graph_update", arguments).expect("renamed");
    let expected = json!({
        "triples": [{"outcome": "aliased"}],
        "renamed": [{"from": "person:alice", "to": "person:alice_brandt"}],
        "entities": [{"id": "person:alice_brandt"}],
    });
    assert_eq!(answer, expected);
    for name in ["Alice", "ally", "Alice Brandt"] {
        let start = json!({"start": name, "max_depth": 1});
        let found = mimo.call("graph_query", start).expect(name);
        let path = json!(["person:alice_brandt", "company:acme"]);
        assert_eq!(found["paths"][0]["entities"], path, "{name}");
        assert_eq!(found.get("resolved"), None, "{name}");
    }
}

#[test]
fn pages_stay_within_budget_and_continue() {
    let mimo = Mimo::new();
    for batch in 0..4 {
        let triples: Vec<Value> = (0..50)
            .map(|n| json!({"subject": "hub", "predicate": "has", "object": format!("part number {}", batch * 50 + n)}))
            .collect();
        mimo.call("graph_update", json!({"assert": triples}))
            .expect("asserted");
    }
    let questions = [
        ("paths", json!({"start": "hub"})),
        ("bindings", json!({"patterns": [["hub", "has", "?part"]]})),
    ];
    for (key, question) in questions {
        for tokens in [64, 100, 2_000] {
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let mut asked = question.clone();
                asked["limit"] = json!(60);
                asked["max_tokens"] = json!(tokens);
                asked["cursor"] = cursor;
                let page = mimo.call("graph_query", asked).expect("a page");
                assert!(page.to_string().len() <= tokens * 4, "{page}");
                let items = page[key].as_array().expect("items");
                assert!(!items.is_empty(), "{page}");
                seen.extend(items.iter().map(|item| item["triples"].to_string()));
                cursor = page["next_cursor"].clone();
                assert_eq!(page["truncated"], !cursor.is_null());
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(seen.len(), 200, "{key} {tokens}");
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 200, "{key} {tokens}: something came twice");
        }
    }
    // An item larger than any page reports the budget it needs.
    let name = "a long name ".repeat(40);
    let triple = json!({"subject": "hub two", "predicate": "has", "object": name});
    mimo.call("graph_update", json!({"assert": [triple]}))
        .expect("asserted");
    let page = mimo
        .call("graph_query", json!({"start": "hub two", "max_tokens": 64}))
        .expect("a page");
    assert_eq!(page["truncated"], true);
    assert!(
        page["degraded"]
            .as_str()
            .expect("why")
            .contains("max_tokens"),
        "{page}"
    );
}

#[test]
fn memories_and_entities_are_linked_both_ways() {
    let mimo = Mimo::new();
    let early = mimo.store_texts(&["Acme Corp moved its office", "nothing to do with it"]);
    people(&mimo);
    let alias = json!({"subject": "company:acme", "predicate": "alias", "object": "Acme Corp"});
    mimo.call("graph_update", json!({"assert": [alias]}))
        .expect("asserted");
    let late = mimo.store_texts(&["Bob flew to Paris; the acmeist poets stayed"]);

    let found = mimo.search(json!({"query": "office moved", "mode": "keyword"}));
    assert_eq!(found[0]["entities"], json!(["company:acme"]));
    let found = mimo.search(json!({"ids": late}));
    assert_eq!(found[0]["entities"], json!(["city:paris", "person:bob"]));
    let found = mimo.search(json!({"query": "nothing", "mode": "keyword"}));
    assert!(found[0].get("entities").is_none(), "{found:?}");

    let start = format!("memory:{}", early[0]);
    let reached = mimo
        .call("graph_query", json!({"start": start, "direction": "out"}))
        .expect("reached");
    let ends: Vec<&Value> = reached["paths"]
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| &path["entities"][path["entities"].as_array().expect("a list").len() - 1])
        .collect();
    assert_eq!(ends, [&json!("city:paris"), &json!("country:france")]);
    let failure = mimo
        .call(
            "graph_query",
            json!({"start": format!("memory:{}", early[1])}),
        )
        .expect_err("it names nothing");
    assert!(failure.message.contains("names no entity"), "{failure}");

    // A changed text is linked again.
    let edit = json!({"action": "update", "ids": [late[0]], "content": "Alice flew to Rome"});
    mimo.call("memory_edit", edit).expect("edited");
    let found = mimo.search(json!({"ids": late}));
    assert_eq!(found[0]["entities"], json!(["person:alice"]));
}

#[test]
fn an_entity_is_a_resource() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::start(folder.path().join("mimo.db")).expect("threads start");
    let clock = Arc::new(FixedClock::at(NOON));
    let graph = Graph::new(Arc::new(store), clock, Settings::default());
    let caller = Caller::local("site", "session");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let update = mimo::graph::update::Update {
        assertions: vec![
            super::bench::assertion("city:東京", "located_in", "country:japan", 1.0),
            super::bench::assertion("person:ada", "lives_in", "city:東京", 0.5),
            super::bench::assertion("city:東京", "alias", "Tokyo", 1.0),
        ],
        ..super::bench::update_of("site")
    };
    runtime
        .block_on(graph.update(&Reach::Everything, update))
        .expect("recorded");
    let read = |uri: &str| runtime.block_on(resource::resource(&graph, uri, &caller));
    let document = read("mimo://graph/city:%E6%9D%B1%E4%BA%AC").expect("a document");
    let document: Value = serde_json::from_str(&document.0).expect("JSON");
    let expected = json!({
        "id": "city:東京", "name": "東京", "aliases": ["Tokyo"],
        "out": [{"triple": 1, "predicate": "located_in", "object": "country:japan", "confidence": 1.0}],
        "in": [{"triple": 2, "predicate": "lives_in", "subject": "person:ada", "confidence": 0.5}],
    });
    assert_eq!(document, expected);
    // A hub comes in pages, which together have every triple once.
    let update = mimo::graph::update::Update {
        assertions: (0..900)
            .map(|nth| {
                let (hub, other) = ("hub:it", format!("friend:{nth:04}"));
                match nth % 2 {
                    0 => super::bench::assertion(hub, "knows", &other, 1.0),
                    _ => super::bench::assertion(&other, "knows", hub, 1.0),
                }
            })
            .collect(),
        ..super::bench::update_of("site")
    };
    runtime
        .block_on(graph.update(&Reach::Everything, update))
        .expect("recorded");
    let (mut uri, mut triples, mut pages) = ("mimo://graph/hub:it".to_owned(), Vec::new(), 0);
    loop {
        let page = read(&uri).expect("a page").0;
        assert!(page.len() <= 40_000, "{} bytes", page.len());
        let page: Value = serde_json::from_str(&page).expect("JSON");
        for key in ["out", "in"] {
            let each = page[key].as_array().expect("a list").iter();
            triples.extend(each.map(|triple| triple["triple"].as_i64().expect("an id")));
        }
        pages += 1;
        match page["next"].as_str() {
            Some(next) => uri = next.to_owned(),
            None => break,
        }
    }
    triples.sort_unstable();
    triples.dedup();
    assert_eq!(triples.len(), 900);
    assert!((2..6).contains(&pages), "{pages}");
    for wrong in [
        "mimo://graph/",
        "mimo://graph/city:osaka",
        "mimo://memory/1",
    ] {
        let failure = read(wrong).expect_err(wrong);
        assert_eq!(failure.kind.name(), "not_found", "{wrong}");
    }
}
