//! Tool profiles through the real binary: listed tools, settings, and the legacy
//! names.

use std::path::Path;
use std::process::Command;

use crate::support::Server;
use crate::support::server::{ask, initialize, mimo};
use serde_json::{Value, json};
use tempfile::TempDir;

const CORE: [&str; 5] = [
    "memory_store",
    "memory_search",
    "memory_edit",
    "ask_mimo",
    "mimo_status",
];
const FORMER: [&str; 6] = [
    "search_vibes",
    "store_fact",
    "mimo_store_memory",
    "run_procedure",
    "list_procedures",
    "mimo_reload_skills",
];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn serve(folder: &Path, profile: &str) -> Server {
    let mut server = Server::of(mimo(folder).args(["serve", "--profile", profile]));
    initialize(&mut server);
    server
}

fn listed(server: &mut Server) -> Vec<String> {
    server.send(&json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"}));
    let answer = server.message();
    let tools = answer["result"]["tools"].as_array().expect("tools").iter();
    tools
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// The names that `mimo tools` prints.
fn printed(command: &mut Command) -> Vec<String> {
    let ran = command.args(["tools", "--json"]).output().expect("it runs");
    assert!(ran.status.success());
    let document: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let tools = document["tools"].as_array().expect("tools").iter();
    tools
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// The protocol error of a call.
fn error(server: &mut Server, tool: &str, arguments: Value) -> Value {
    server.call("bad", tool, arguments);
    let answer = server.message();
    assert_eq!(answer["id"], "bad", "{answer}");
    answer["error"].clone()
}

#[test]
fn each_profile_lists_and_answers_its_own_tools() {
    let folder = folder();
    let mut core = serve(folder.path(), "core");
    let mut names = listed(&mut core);
    names.sort_unstable();
    let mut expected = CORE;
    expected.sort_unstable();
    assert_eq!(names, expected);
    ask(
        &mut core,
        "memory_store",
        json!({"content": "Raj deploys on Mondays"}),
    )
    .good();
    let left_out = error(&mut core, "graph_query", json!({"start": "a"}));
    assert_eq!(left_out["code"], -32602);
    let message = left_out["message"].as_str().expect("a message");
    assert!(message.contains("--profile standard"), "{message}");
    // Invalid parameters do not reveal its schema either.
    core.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "graph_query", "_meta": 3}}));
    assert_eq!(core.message()["error"].get("data"), None);
    assert!(core.exit().success());

    let mut standard = serve(folder.path(), "standard");
    standard.send(&json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"}));
    let list = standard.message().to_string();
    // A model reads it before the first call.
    assert!(list.len() < 9_000, "tools/list has {} bytes", list.len());
    assert_eq!(listed(&mut standard).len(), 13);
    let former = error(&mut standard, "search_vibes", json!({"query": "deploys"}));
    let message = former["message"].as_str().expect("a message");
    assert!(message.contains("memory_search replaced it"), "{message}");
    assert!(message.contains("--profile legacy"), "{message}");
    assert!(standard.exit().success());

    let mut legacy = serve(folder.path(), "legacy");
    let names = listed(&mut legacy);
    assert_eq!(names.len(), 19);
    assert!(
        FORMER
            .iter()
            .all(|name| names.iter().any(|each| each == name))
    );
    assert!(legacy.exit().success());
}

#[test]
fn commands_follow_the_profile_from_any_setting() {
    let folder = folder();
    assert_eq!(printed(&mut mimo(folder.path())).len(), 13);
    assert_eq!(
        printed(mimo(folder.path()).args(["--profile", "core"])).len(),
        5
    );
    assert_eq!(
        printed(mimo(folder.path()).env("MIMO_PROFILE", "legacy")).len(),
        19
    );
    let config = folder.path().join("config");
    std::fs::create_dir(&config).expect("a folder");
    std::fs::write(config.join("config.toml"), "profile = \"core\"\n").expect("a file");
    assert_eq!(printed(&mut mimo(folder.path())).len(), 5);
    assert_eq!(
        printed(mimo(folder.path()).args(["--profile", "legacy"])).len(),
        19
    );

    let call = |profile: &str| {
        let mut command = mimo(folder.path());
        command.stderr(std::process::Stdio::piped());
        let ran = command.args([
            "--profile",
            profile,
            "call",
            "graph_query",
            r#"{"start":"x"}"#,
        ]);
        let ran = ran.output().expect("it runs");
        (
            ran.status.code(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        )
    };
    let (code, told) = call("core");
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("graph_query") && told.contains("--profile standard"),
        "{told}"
    );
    assert_ne!(call("standard").0, Some(2));
    let (code, told) = call("huge");
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("core") && told.contains("legacy"), "{told}");
}

#[test]
fn procedures_reach_tools_outside_the_core_profile() {
    let folder = folder();
    let definition = folder.path().join("relate.json");
    let text = json!({"name": "relate", "version": "1.0.0", "initial_state": "write", "states": {
        "write": {"action": {"tool": "graph_update", "arguments": {"assert": [
            {"subject": "raj", "predicate": "deploys_on", "object": "monday"}]}},
            "next": "done"},
        "done": {"end": true},
    }});
    std::fs::write(&definition, text.to_string()).expect("a file");
    let run = |arguments: &[&str]| {
        let mut command = mimo(folder.path());
        command
            .args(["--profile", "core", "procedure"])
            .args(arguments);
        let ran = command
            .stderr(std::process::Stdio::piped())
            .output()
            .expect("it runs");
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    };
    run(&["add", definition.to_str().expect("text")]);
    run(&["run", "relate", "{}"]);
    // Its prompt needs a tool outside the core profile.
    for (profile, offered) in [("core", false), ("standard", true)] {
        let mut server = serve(folder.path(), profile);
        server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}));
        let prompts = server.message()["result"]["prompts"].clone();
        let mut prompts = prompts.as_array().expect("prompts").iter();
        let is_offered = prompts.any(|prompt| prompt["name"] == "relate");
        assert_eq!(is_offered, offered, "{profile}");
        // Built-in prompts name only listed tools.
        let remember = json!({"name": "remember", "arguments": {}});
        let request =
            json!({"jsonrpc": "2.0", "id": 2, "method": "prompts/get", "params": remember});
        server.send(&request);
        let text = server.message().to_string();
        assert!(text.contains("memory_store"), "{text}");
        assert_eq!(text.contains("graph_update"), offered, "{profile} {text}");
        assert!(server.exit().success());
    }
    let mut standard = serve(folder.path(), "standard");
    let found = ask(&mut standard, "graph_query", json!({"start": "raj"})).good();
    assert!(found.to_string().contains("monday"), "{found}");
    assert!(standard.exit().success());
}

#[test]
fn legacy_names_answer_like_their_successors() {
    let folder = folder();
    let mut server = serve(folder.path(), "legacy");
    let stored = ask(
        &mut server,
        "mimo_store_memory",
        json!({"content": "Raj deploys on Mondays", "category": "fact", "importance": 0.8, "tags": ["ops"]}),
    );
    assert_eq!(stored.good()["results"][0]["outcome"], "created");
    let query = json!({"query": "who deploys?", "limit": 3, "threshold": 0.1, "category": "fact"});
    let former = ask(&mut server, "search_vibes", query.clone()).good();
    assert_eq!(former, ask(&mut server, "memory_search", query).good());
    assert!(former.to_string().contains("Mondays"), "{former}");

    let fact = json!({"subject": "raj", "predicate": "deploys_on", "object": "monday",
                      "confidence": 0.9, "source": "chat"});
    let stored = ask(&mut server, "store_fact", fact).good();
    assert_eq!(stored["triples"][0]["outcome"], "created", "{stored}");
    let found = ask(&mut server, "graph_query", json!({"start": "raj"})).good();
    assert!(found.to_string().contains("monday"), "{found}");

    let definition = json!({"name": "nothing", "version": "1.0.0", "initial_state": "done",
                            "states": {"done": {"end": true}}});
    ask(
        &mut server,
        "procedure_define",
        json!({"definition": definition}),
    )
    .good();
    let former = ask(&mut server, "list_procedures", json!({})).good();
    assert_eq!(
        former,
        ask(&mut server, "procedure_find", json!({"limit": 100})).good()
    );
    assert_eq!(former["procedures"][0]["name"], "nothing", "{former}");
    let ran = ask(
        &mut server,
        "run_procedure",
        json!({"name": "nothing", "context": {}}),
    )
    .good();
    assert_eq!(ran["status"], "completed", "{ran}");

    let bad = ask(
        &mut server,
        "search_vibes",
        json!({"query": "x", "vibe": 1}),
    )
    .bad();
    assert_eq!(bad["kind"], "invalid_arguments", "{bad}");
    assert!(
        bad["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("search_vibes")),
        "{bad}"
    );
    assert!(server.exit().success());
}

/// A tool of every family accepts the argument forms that clients are known to
/// send, and an invalid call changes nothing.
#[test]
fn legacy_arguments_are_translated() {
    let folder = folder();
    let mut server = serve(folder.path(), "standard");
    for form in [
        |meant: Value| json!(meant.to_string()),
        |meant: Value| json!({ "arguments": meant }),
        |meant: Value| json!({ "arguments": meant.to_string() }),
    ] {
        let stored = ask(
            &mut server,
            "memory_store",
            form(json!({"content": "one thing"})),
        );
        assert!(stored.good()["results"][0]["id"].is_i64());
        let found = ask(
            &mut server,
            "memory_search",
            form(json!({"query": "thing", "tags": null})),
        );
        assert!(found.good().to_string().contains("one thing"));
        let triple = json!([{"subject": "a", "predicate": "is", "object": "b"}]);
        ask(
            &mut server,
            "graph_update",
            form(json!({ "assert": triple })),
        )
        .good();
        ask(&mut server, "procedure_find", form(json!({"limit": 3}))).good();
        ask(&mut server, "skill_find", form(json!({"query": "x"}))).good();
        ask(
            &mut server,
            "ask_mimo",
            form(json!({"query": "what is a?"})),
        )
        .good();
        ask(
            &mut server,
            "mimo_status",
            form(json!({"section": "memory"})),
        )
        .good();
    }
    let before = ask(&mut server, "mimo_status", json!({"section": "memory"})).good();
    for (tool, arguments, path) in [
        (
            "memory_store",
            json!({"content": "x", "importance": 7}),
            "/importance",
        ),
        (
            "memory_store",
            json!({"memories": [{"content": "good"}, {"content": ""}]}),
            "/memories/1/content",
        ),
        ("memory_store", json!("{\"content\": 3}"), "/content"),
        (
            "memory_edit",
            json!({"action": "forgt", "ids": [1]}),
            "/action",
        ),
    ] {
        let bad = ask(&mut server, tool, arguments).bad();
        assert_eq!(bad["kind"], "invalid_arguments", "{bad}");
        assert_eq!(bad["path"], path, "{bad}");
        assert!(
            bad["message"].is_string() && bad["hint"].is_string(),
            "{bad}"
        );
    }
    let after = ask(&mut server, "mimo_status", json!({"section": "memory"})).good();
    assert_eq!(before["memory"]["active"], after["memory"]["active"]);
    assert!(server.exit().success());
}

#[test]
fn reload_without_a_server_says_what_to_do() {
    let folder = folder();
    let mut command = mimo(folder.path());
    command.args(["--profile", "legacy", "call", "mimo_reload_skills"]);
    let ran = command
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("it runs");
    assert_eq!(ran.status.code(), Some(1));
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("mimo skill reload"), "{told}");
}

#[test]
fn legacy_name_is_as_strict_as_the_new_one() {
    let folder = folder();
    let mut server = serve(folder.path(), "legacy");
    for (tool, arguments, path) in [
        ("store_fact", json!({"subject": "a", "predicate": "is"}), ""),
        (
            "mimo_store_memory",
            json!({"content": "x", "metadata": {"a": 1}}),
            "",
        ),
        ("run_procedure", json!({"name": 3}), "/name"),
        ("mimo_reload_skills", json!({"force": true}), ""),
    ] {
        let bad = ask(&mut server, tool, arguments).bad();
        assert_eq!(bad["path"].as_str().unwrap_or_default(), path, "{bad}");
        assert!(
            bad["hint"].as_str().is_some_and(|hint| hint.contains(tool)),
            "{bad}"
        );
    }
    assert!(server.exit().success());
}
