//! Hints of refused calls: what they advise is itself a valid call, and it keeps what the
//! caller wrote.

use serde_json::{Value, json};

use super::forms::{World, definitions};
use crate::support::Server;
use crate::support::server::{initialize, mimo};

/// The calls that a hint shows.
fn examples(tool: &str, hint: &str) -> Vec<(String, Value)> {
    let starts = hint.match_indices('{').map(|(at, _)| at);
    let mut calls = Vec::new();
    let mut end = 0;
    for start in starts {
        if start < end {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(&hint[start..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            end = start + values.byte_offset();
            let (name, arguments) = match value.get("name").and(value.get("arguments")) {
                Some(arguments) => (value["name"].as_str().expect("a name"), arguments.clone()),
                None => (tool, value.clone()),
            };
            calls.push((name.to_owned(), arguments));
        }
    }
    calls
}

#[test]
fn every_example_in_a_hint_is_a_valid_call() {
    let mut world = World::new();
    let mut wrong: Vec<(String, Value)> = [
        ("memory_store", json!({})),
        ("memory_store", json!({"tags": ["x"]})),
        ("memory_edit", json!({"action": "undo"})),
        ("memory_edit", json!({"action": "update", "ids": [1]})),
        ("graph_query", json!({})),
        ("graph_update", json!({})),
        ("procedure_define", json!({})),
        ("procedure_run", json!({})),
    ]
    .map(|(tool, arguments)| (tool.to_owned(), arguments))
    .into();
    for action in ["update", "forget", "restore", "protect", "unprotect"] {
        wrong.push(("memory_edit".to_owned(), json!({"action": action})));
    }
    for (tool, definition) in definitions() {
        wrong.push((tool.clone(), json!({"unheard_of": 1})));
        wrong.push((tool.clone(), json!([])));
        let properties = definition["inputSchema"]["properties"]
            .as_object()
            .expect("properties");
        for (name, schema) in properties {
            let bad = match schema["type"].as_str() {
                Some("string") => json!({"a": 1}),
                Some("object") => json!(["a"]),
                _ => json!([true]),
            };
            wrong.push((tool.clone(), json!({name: bad})));
        }
    }
    let mut shown = 0;
    for (tool, arguments) in wrong {
        let error = world.ask(&tool, arguments.clone()).bad();
        let hint = error["hint"].as_str().unwrap_or_default();
        let calls = examples(&tool, hint);
        assert!(!calls.is_empty(), "{tool} {arguments}: {error}");
        for (tool, example) in calls {
            shown += 1;
            let reply = world.ask(&tool, example.clone());
            let kind = &reply.document["error"]["kind"];
            let is_shape = hint.contains("in place of the <..>");
            let is_invalid = kind == "invalid_arguments";
            // What the placeholders of patterns find is nothing, and no error.
            let is_refused = is_invalid || tool == "graph_query";
            assert!(
                (if is_shape { is_refused } else { !is_invalid }) && kind != "internal",
                "{tool} {arguments}, so {example}: {}",
                reply.document
            );
        }
    }
    assert!(shown > 90, "{shown}");
}

/// The call that a refused one is answered with says what the caller said.
#[test]
fn a_corrected_call_keeps_what_the_caller_wrote() {
    let mut world = World::new();
    world.good("memory_store", json!({"content": "Ana lives in Rome"}));
    let table = [
        (
            "memory_edit",
            json!({"action": "delete", "ids": [12]}),
            json!({"action": "forget", "ids": [12]}),
        ),
        (
            "memory_edit",
            json!({"action": "archive", "ids": [12]}),
            json!({"action": "forget", "ids": [12]}),
        ),
        (
            "memory_edit",
            json!({"action": "forget", "id": 1}),
            json!({"action": "forget", "ids": [1]}),
        ),
        (
            "memory_edit",
            json!({"action": "update", "memory_id": 4, "content": "New address"}),
            json!({"action": "update", "ids": [4], "content": "New address"}),
        ),
        (
            "memory_edit",
            json!({"action": "update", "ids": [5], "importance": 2}),
            json!({"action": "update", "ids": [5], "importance": "<number from 0 to 1>"}),
        ),
        (
            "memory_edit",
            json!({"ids": [5], "content": "x"}),
            json!({"ids": [5], "content": "x", "action": "<update|forget|restore|protect|unprotect|undo>"}),
        ),
        (
            "memory_store",
            json!({"text": "Ana moved"}),
            json!({"content": "Ana moved"}),
        ),
        (
            "memory_store",
            json!({"memories": ["a", "b"]}),
            json!({"memories": [{"content": "<content>"}, {"content": "<content>"}]}),
        ),
        (
            "memory_store",
            json!({"content": "x", "category": "plans"}),
            json!({"content": "x", "category": "plan"}),
        ),
        (
            "graph_update",
            json!({"subject": "Ana", "predicate": "likes", "object": "tea"}),
            json!({"assert": [{"subject": "Ana", "predicate": "likes", "object": "tea"}]}),
        ),
        (
            "graph_update",
            json!({"assert": [{"from": "Ana", "relation": "likes", "to": "tea"}]}),
            json!({"assert": [{"subject": "Ana", "predicate": "likes", "object": "tea"}]}),
        ),
        (
            "procedure_run",
            json!({"name": "x", "arguments": {"a": 1}}),
            json!({"name": "x", "context": {"a": 1}}),
        ),
        (
            "procedure_run",
            json!({"execution_id": "x", "approve": true}),
            json!({"execution_id": "x"}),
        ),
        (
            "skill_call",
            json!({"name": "files__read", "arguments": {}}),
            json!({"tool": "files__read", "arguments": {}}),
        ),
        (
            "graph_query",
            json!({"start": "Ana", "direction": "inbound"}),
            json!({"start": "Ana", "direction": "in"}),
        ),
        (
            "memory_search",
            json!({"query": "x", "limit": 1000}),
            json!({"query": "x", "limit": 100}),
        ),
    ];
    for (tool, sent, expected) in table {
        let error = world.ask(tool, sent.clone()).bad();
        let hint = error["hint"].as_str().expect("a hint");
        let shown = examples(tool, hint);
        assert_eq!(shown, [(tool.to_owned(), expected)], "{sent}: {hint}");
    }
    let error = world.ask(
        "graph_update",
        json!({"assert": [{"from": "a", "relation": "b", "to": "c"}]}),
    );
    let hint = error.bad()["hint"].to_string();
    assert!(!hint.contains("valid_from"), "{hint}");
    let error = world.ask(
        "procedure_run",
        json!({"execution_id": "x", "approve": true}),
    );
    let hint = error.bad()["hint"].to_string();
    assert!(hint.contains("mimo procedure approve"), "{hint}");
    // A shape that is sent as it stands changes nothing.
    let error = world.ask(
        "memory_edit",
        json!({"action": "update", "ids": [1], "content": "<content>"}),
    );
    assert_eq!(error.bad()["path"], "/content");
    assert_eq!(world.contents(json!({})), ["Ana lives in Rome"]);
}

/// A fenced caller is not told to write where it may not.
#[test]
fn a_fence_does_not_offer_the_shared_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Vec::new();
    for fence in [&["--fence"][..], &[]] {
        let arguments = [&["serve", "--project", "web"], fence].concat();
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        let mut text = initialize(&mut server)["instructions"].to_string();
        let mut result = |method: &str, params: Value| {
            server
                .send(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}));
            server.message()["result"].to_string()
        };
        text += &result("tools/list", json!({}));
        text += &result("prompts/get", json!({"name": "remember"}));
        told.push(
            text.contains("project global")
                || text.contains("'global'")
                || text.contains(r#"\"global\""#),
        );
    }
    assert_eq!(told, [false, true]);
}
