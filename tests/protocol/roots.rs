//! `--project auto`: the project follows the folder that the client works in.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::server::{Reply, ask, mimo};

/// A client that tells its roots when it is asked.
struct Client {
    server: Server,
    _folder: TempDir,
}

impl Client {
    fn start(arguments: &[&str], capabilities: Value) -> Client {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = [&["serve"], arguments].concat();
        let mut server = Server::of(mimo(folder.path()).args(arguments));
        server.send(
            &json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "clientInfo": {"name": "tests", "version": "1"},
            }}),
        );
        assert_eq!(server.message()["id"], "hello");
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        Client {
            server,
            _folder: folder,
        }
    }

    /// Answers the question for the roots.
    fn tell(&mut self, answer: Value) {
        let question = self.server.message();
        assert_eq!(question["method"], "roots/list", "{question}");
        let mut reply = json!({"jsonrpc": "2.0", "id": question["id"]});
        for (member, value) in answer.as_object().expect("a member") {
            reply[member] = value.clone();
        }
        self.server.send(&reply);
    }

    fn tell_roots(&mut self, uris: &[&str]) {
        let roots: Vec<Value> = uris
            .iter()
            .map(|uri| json!({"uri": uri, "name": "x"}))
            .collect();
        self.tell(json!({"result": {"roots": roots}}));
    }

    fn project(&mut self) -> String {
        let stored = ask(
            &mut self.server,
            "memory_store",
            json!({"content": "A note"}),
        )
        .good();
        let project = stored["results"][0]["project"].as_str().expect("a project");
        let status = ask(
            &mut self.server,
            "mimo_status",
            json!({"section": "memory"}),
        )
        .good();
        assert_eq!(status["project"], project);
        project.to_owned()
    }

    fn end(self) {
        assert!(self.server.exit().success());
    }
}

#[test]
fn the_only_root_of_the_client_is_the_project() {
    let auto = ["--project", "auto"];
    for (roots, project) in [
        (&["file:///home/ada/my%20site/"][..], "my site"),
        (&["file:///home/ada/a", "file:///home/ada/b"], "global"),
        (&[], "global"),
    ] {
        let mut client = Client::start(&auto, json!({"roots": {}}));
        client.tell_roots(roots);
        assert_eq!(client.project(), project, "{roots:?}");
        client.end();
    }
    // It refuses to tell, or does not offer to.
    let mut client = Client::start(&auto, json!({"roots": {}}));
    client.tell(json!({"error": {"code": -32601, "message": "no"}}));
    assert_eq!(client.project(), "global");
    client.end();
    let mut client = Client::start(&auto, json!({}));
    assert_eq!(client.project(), "global");
    client.end();
    // A project that is named is not asked for.
    let mut client = Client::start(&["--project", "web"], json!({"roots": {}}));
    assert_eq!(client.project(), "web");
    client.end();
}

#[test]
fn a_call_before_the_answer_waits_for_it_and_a_change_is_followed() {
    let mut client = Client::start(
        &["--project", "auto"],
        json!({"roots": {"listChanged": true}}),
    );
    client
        .server
        .call("early", "mimo_status", json!({"section": "memory"}));
    client.tell_roots(&["file:///home/ada/first"]);
    let early = client.server.message();
    assert_eq!(early["id"], "early", "{early}");
    assert!(early["result"].to_string().contains("first"), "{early}");
    client
        .server
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    client.tell_roots(&["file:///home/ada/second"]);
    // What is listed is of the other project.
    let changed = client.server.message();
    assert_eq!(changed["method"], "notifications/resources/list_changed");
    assert_eq!(client.project(), "second");
    client.end();
}

#[test]
fn a_fence_is_around_the_root() {
    let mut client = Client::start(&["--project", "auto", "--fence"], json!({"roots": {}}));
    client.tell_roots(&["file:///home/ada/web"]);
    assert_eq!(client.project(), "web");
    let elsewhere = json!({"content": "x", "project": "global"});
    ask(&mut client.server, "memory_store", elsewhere).bad();
    client.end();
}

/// A revision in which the server asks nothing.
#[test]
fn a_stateless_client_is_in_the_shared_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(mimo(folder.path()).args(["serve", "--project", "auto"]));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    });
    server.send(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "mimo_status", "arguments": {"section": "memory"}, "_meta": meta}}),
    );
    let answer = server.message();
    assert_eq!(answer["id"], 1, "{answer}");
    let status = Reply::of(&answer["result"]).good();
    assert_eq!(status["project"], "global", "{status}");
    assert!(server.exit().success());
}
