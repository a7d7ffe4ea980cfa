//! One scenario for every client: list, store, search, fail, forget, status, leave.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{Client, Inspector, Sdk, node_packages, python_sdk};
use crate::support::http::HttpServer;
use crate::support::server::mimo;

#[test]
fn python_client() {
    skip_unless!(python_sdk());
    tell(|folder| Sdk::python("client", folder, "2026-07-28"));
}

#[test]
fn python_session() {
    skip_unless!(python_sdk());
    tell(|folder| Sdk::python("session", folder, "2025-11-25"));
}

#[test]
fn typescript_1() {
    skip_unless!(node_packages());
    tell(|folder| Sdk::typescript("sdk", folder, "2025-11-25"));
}

#[test]
fn typescript_2() {
    skip_unless!(node_packages());
    tell(|folder| Sdk::typescript("legacy", folder, "2025-11-25"));
}

#[test]
fn typescript_2_stateless() {
    skip_unless!(node_packages());
    tell(|folder| Sdk::typescript("auto", folder, "2026-07-28"));
}

#[test]
fn inspector() {
    skip_unless!(node_packages());
    tell(|folder| Box::new(Inspector::new(folder)));
}

#[test]
fn python_client_over_http() {
    skip_unless!(python_sdk());
    tell_over_http(|server, folder| Sdk::python_on(server, "client", folder, "2026-07-28"));
}

#[test]
fn python_session_over_http() {
    skip_unless!(python_sdk());
    tell_over_http(|server, folder| Sdk::python_on(server, "session", folder, "2025-11-25"));
}

#[test]
fn typescript_1_over_http() {
    skip_unless!(node_packages());
    tell_over_http(|server, folder| Sdk::typescript_on(server, "sdk", folder, "2025-11-25"));
}

#[test]
fn typescript_2_over_http() {
    skip_unless!(node_packages());
    tell_over_http(|server, folder| Sdk::typescript_on(server, "legacy", folder, "2025-11-25"));
}

#[test]
fn typescript_2_stateless_over_http() {
    skip_unless!(node_packages());
    tell_over_http(|server, folder| Sdk::typescript_on(server, "auto", folder, "2026-07-28"));
}

const TEXT: &str = "Zoë prefers the night train to 東京, never the plane \u{2014} \"too loud\" 🚆";

fn tell(start: impl FnOnce(&Path) -> Box<dyn Client>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = start(folder.path());
    story(&mut *client);
    let exits = client.close();
    assert!(exits.lines().all(|exit| exit == "0"), "{exits:?}");
}

fn tell_over_http(start: impl FnOnce(&Value, &Path) -> Sdk) {
    const KEY: &str = "a key that a person has chosen for this";
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = mimo(folder.path());
    let server = HttpServer::of(command.env("MIMO_API_KEY", KEY), &[]);
    let url = format!("http://{}/mcp", server.address);
    let mut client = start(&json!({"url": url, "key": KEY}), folder.path());
    story(&mut client);
    client.end();
    server.signal(Signal::SIGTERM);
    assert!(server.exit().success());
}

fn story(client: &mut dyn Client) {
    lists_what_the_schemas_say(client);

    let stored = good(
        client,
        "memory_store",
        json!({"content": TEXT, "category": "observation", "importance": 0.8, "tags": ["travel", "zoë"]}),
    );
    assert_eq!(stored["results"][0]["outcome"], "created", "{stored}");
    let id = stored["results"][0]["id"].as_i64().expect("an id");

    let question = json!({"query": "how does Zoë like to travel?"});
    let found = good(client, "memory_search", question.clone());
    let item = &found["items"][0];
    assert_eq!(item["id"], id, "{found}");
    assert_eq!(item["content"], TEXT);
    assert_eq!(item["category"], "observation");
    assert_eq!(item["tags"], json!(["travel", "zoë"]));

    errs(client);

    let forget = json!({"action": "forget", "ids": [id]});
    let forgotten = good(client, "memory_edit", forget);
    assert_eq!(forgotten["changed"], json!([id]), "{forgotten}");
    let found = good(client, "memory_search", question);
    assert_eq!(found["items"], json!([]), "{found}");

    let memory = &good(client, "mimo_status", json!({}))["memory"];
    assert_eq!(memory["state"], "ok", "{memory}");
    assert_eq!(memory["active"], 0, "{memory}");
    assert_eq!(memory["archived"], 1, "{memory}");
}

fn good(client: &mut dyn Client, tool: &str, arguments: Value) -> Value {
    client.call(tool, arguments).expect("a result").good()
}

/// Names, descriptions, schemas and annotations arrive as they were written.
fn lists_what_the_schemas_say(client: &mut dyn Client) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/tools");
    let entries = std::fs::read_dir(folder).expect("the schemas");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let written = files.filter(|path| path.is_file()).map(|path| {
        let text = std::fs::read(path).expect("a schema");
        serde_json::from_slice(&text).expect("JSON")
    });
    let by_name = |tools: Vec<Value>| -> BTreeMap<String, Value> {
        let named = tools.into_iter();
        named
            .map(|tool| (tool["name"].as_str().expect("a name").to_owned(), tool))
            .collect()
    };
    let (written, listed) = (by_name(written.collect()), by_name(client.list()));
    assert!(!written.is_empty());
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        listed.keys().collect::<Vec<_>>()
    );
    for (name, written) in &written {
        let listed = &listed[name];
        assert_eq!(listed["description"], written["description"], "{name}");
        for part in ["inputSchema", "annotations"] {
            assert!(
                is_part(&listed[part], &written[part]),
                "{part} of {name}: {} of {}",
                listed[part],
                written[part]
            );
        }
        let arguments = |tool: &Value| -> Vec<String> {
            let properties = tool["inputSchema"]["properties"].as_object();
            properties
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect()
        };
        assert_eq!(arguments(listed), arguments(written), "{name}");
        let required = |tool: &Value| tool["inputSchema"]["required"].clone();
        assert_eq!(required(listed), required(written), "{name}");
    }
}

/// Whether `some` is `all` without some members of its objects: a list of tools leaves
/// out what a call goes without.
fn is_part(some: &Value, all: &Value) -> bool {
    match (some, all) {
        (Value::Object(some), Value::Object(all)) => some
            .iter()
            .all(|(name, value)| all.get(name).is_some_and(|whole| is_part(value, whole))),
        (some, all) => some == all,
    }
}

/// An invalid call reports its path, reason and fix, and the next call works.
fn errs(client: &mut dyn Client) {
    let mut bad = |tool: &str, arguments| client.call(tool, arguments).expect("a result").bad();
    let error = bad("memory_store", json!({"content": 5}));
    assert_eq!(error["kind"], "invalid_arguments", "{error}");
    assert_eq!(error["path"], "/content", "{error}");
    let says =
        |part: &str, word: &str| error[part].as_str().is_some_and(|text| text.contains(word));
    assert!(says("message", "string"), "{error}");
    assert!(says("hint", "memory_store"), "{error}");

    let error = bad("memory_edit", json!({"action": "forget", "ids": [404]}));
    assert_eq!(error["kind"], "not_found", "{error}");

    let unknown = client.call("memory_stroe", json!({}));
    let unknown = unknown.expect_err("there is no such tool");
    assert!(unknown.contains("memory_stroe"), "{unknown}");
}
