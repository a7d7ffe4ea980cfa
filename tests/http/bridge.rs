//! `mimo connect`: the real binary on both sides, a client on its stdin and stdout.

use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Http, Team, id};
use crate::support::{Server, call_of, machine, server};

/// The bridge to `url` with `key` in a variable.
fn connect(team: &Team, url: &str, key: Option<&str>) -> Server {
    let mut command = server::mimo(team.folder());
    command.args(["connect", url, "--key-variable", "TEAM_KEY"]);
    if let Some(key) = key {
        command.env("TEAM_KEY", key);
    }
    Server::of(command.stderr(Stdio::inherit()))
}

fn url(http: &Http) -> String {
    format!("http://{}/mcp", http.address)
}

/// Opens a session with what the client can do; the answer.
fn initialize(client: &mut Server, capabilities: &Value) -> Value {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
        "clientInfo": {"name": "tests", "version": "1"}});
    client.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
    let answer = client.message();
    assert_eq!(answer["id"], 0, "{answer}");
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    answer
}

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A call of the revision without sessions.
fn stateless(id: u32, tool: &str, arguments: Value) -> Value {
    let mut call = call_of(id, tool, arguments);
    call["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    call
}

/// The error of an answer, as a person reads it.
fn error(answer: &Value) -> &str {
    answer["error"]["message"]
        .as_str()
        .unwrap_or_else(|| panic!("no error: {answer}"))
}

#[test]
fn client_of_stdio_lists_calls_and_hears_progress() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let mut client = connect(&team, &url(&http), Some(&key));
    let answer = initialize(&mut client, &json!({}));
    assert_eq!(answer["result"]["serverInfo"]["name"], "mimo", "{answer}");
    client.send(&request(1, "tools/list", json!({})));
    let listed = client.message();
    assert!(
        listed["result"]["tools"]
            .as_array()
            .is_some_and(|tools| !tools.is_empty())
    );
    client.call("two", "test_echo", json!({"text": "héllo"}));
    let echoed = client.message();
    assert_eq!(echoed["id"], "two");
    assert!(echoed.to_string().contains("héllo"), "{echoed}");
    let mut slow = call_of(3, "test_sleep", json!({"ms": 3000}));
    slow["params"]["_meta"] = json!({"progressToken": "p"});
    client.send(&slow);
    let first = client.message();
    assert_eq!(first["method"], "notifications/progress", "{first}");
    let answers = std::iter::from_fn(|| Some(client.message()));
    let answer = answers.into_iter().find(|message| message["id"] == 3);
    assert!(answer.expect("an answer")["result"].is_object());
    // What is no request is answered, and ends nothing.
    client.write(b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":7}\nno json\n");
    assert_eq!(client.message()["id"], 4);
    assert_eq!(client.message()["error"]["code"], -32700);
    client.write(b"[{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}]\n");
    assert_eq!(client.message().as_array().map(Vec::len), Some(2));
    assert!(client.exit().success());
}

#[test]
fn end_of_stdin_waits_for_answers_and_ends_the_session() {
    let team = Team::new();
    let key = team.key(&["--scopes", "read,write"]);
    let http = team.serve(&["--fixture-tools"]);
    let mut client = connect(&team, &url(&http), Some(&key));
    initialize(&mut client, &json!({}));
    client.call(1, "test_sleep", json!({"ms": 600}));
    client.end();
    assert_eq!(client.message()["id"], 1);
    assert_eq!(client.line(), None);
    assert!(client.exit().success());
    let health = http.get("/health", &key).json();
    assert_eq!(health["checks"]["sessions"], 0, "{health}");
}

#[test]
fn cancelled_calls_end_in_both_revisions() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    for is_newest in [false, true] {
        let mut client = connect(&team, &url(&http), Some(&key));
        let progress = json!({"progressToken": "p"});
        let mut call = match is_newest {
            true => stateless(1, "test_sleep", json!({"ms": 50_000})),
            false => {
                initialize(&mut client, &json!({}));
                call_of(1, "test_sleep", json!({"ms": 50_000}))
            }
        };
        match call["params"]["_meta"].as_object_mut() {
            Some(meta) => drop(meta.insert("progressToken".into(), "p".into())),
            None => call["params"]["_meta"] = progress,
        }
        client.send(&call);
        let begun = client.message();
        assert_eq!(begun["method"], "notifications/progress", "{begun}");
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": 1}});
        client.send(&cancel);
        let echo = |id| match is_newest {
            true => stateless(id, "test_echo", json!({"text": "on"})),
            false => call_of(id, "test_echo", json!({"text": "on"})),
        };
        client.send(&echo(2));
        let messages = std::iter::from_fn(|| Some(client.message()));
        let answer = messages
            .into_iter()
            .find(|message| message.get("method").is_none());
        assert_eq!(answer.expect("an answer")["id"], 2);
        // Else the end would wait for it.
        client.end();
        assert_eq!(client.line(), None);
    }
}

#[test]
fn session_goes_on_after_a_restart_and_lost_calls_are_named() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let address = http.address;
    let mut client = connect(&team, &url(&http), Some(&key));
    initialize(&mut client, &json!({}));
    client.send(&request(1, "ping", json!({})));
    assert!(client.message()["result"].is_object());
    http.signal(Signal::SIGKILL);
    http.exit();
    // Sent while nobody listens.
    client.send(&request(2, "ping", json!({})));
    let http = team.serve_again(address, &["--fixture-tools"]);
    assert!(client.message()["result"].is_object());

    // What was under way when it died is an error that says so.
    let mut slow = call_of(3, "test_sleep", json!({"ms": 50_000}));
    slow["params"]["_meta"] = json!({"progressToken": "p"});
    client.send(&slow);
    assert_eq!(client.message()["method"], "notifications/progress");
    http.signal(Signal::SIGKILL);
    http.exit();
    let _http = team.serve_again(address, &["--fixture-tools"]);
    let messages = std::iter::from_fn(|| Some(client.message()));
    let lost = messages.into_iter().find(|message| message["id"] == 3);
    let lost = lost.expect("an answer");
    assert!(error(&lost).contains("may have taken effect"), "{lost}");
    client.send(&request(4, "ping", json!({})));
    assert_eq!(client.message()["id"], 4);
}

#[test]
fn forgotten_session_is_opened_again_and_hears_of_changes() {
    let team = Team::new();
    let key = team.key(&[]);
    team.settings("[http]\nsessions = 1\n");
    let http = team.serve(&[]);
    let stored = http.tool(&key, "memory_store", json!({"content": "first"}));
    assert_eq!(stored.0, 200, "{}", stored.1);
    let mut client = connect(&team, &url(&http), Some(&key));
    initialize(&mut client, &json!({}));
    let uri = "mimo://memory/1";
    client.send(&request(1, "resources/subscribe", json!({"uri": uri})));
    assert!(client.message()["result"].is_object());
    // The newer one takes its place.
    http.initialize(&key);
    client.send(&request(2, "ping", json!({})));
    let answer = client.message();
    assert_eq!(
        (&answer["id"], answer["result"].is_object()),
        (&json!(2), true),
        "{answer}"
    );
    let edit = json!({"ids": [1], "action": "update", "content": "second"});
    assert_eq!(http.tool(&key, "memory_edit", edit).0, 200);
    let note = client.message();
    assert_eq!(note["method"], "notifications/resources/updated", "{note}");
    assert_eq!(note["params"]["uri"], uri);
}

#[test]
fn failures_are_answers_in_words() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let unknown = format!("mimo_aaaaaaaa_{}", "A".repeat(43));
    let there = url(&http);
    let elsewhere = there.replace("/mcp", "/other");
    for (url, key, reason) in [
        (
            &there,
            Some(unknown.as_str()),
            "does not accept the key in TEAM_KEY",
        ),
        (&there, Some("two words"), "TEAM_KEY holds no key"),
        (&there, None, "TEAM_KEY is not set"),
        (&elsewhere, Some(key.as_str()), "there is no Mimo at"),
    ] {
        let mut client = connect(&team, url, key);
        client.send(&request(
            1,
            "initialize",
            json!({"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}),
        ));
        let answer = client.message();
        assert!(error(&answer).contains(reason), "{answer}");
        assert_eq!(answer["id"], 1);
        assert!(
            !answer.to_string().contains(key.unwrap_or("\0")),
            "{answer}"
        );
        client.send(&stateless(2, "test_echo", json!({"text": "a"})));
        assert!(error(&client.message()).contains(reason));
        client.end();
        assert_eq!(client.line(), None, "nothing else on stdout");
        assert!(client.exit().success());
    }
    http.signal(Signal::SIGKILL);
    http.exit();
    let mut client = connect(&team, &there, Some(&key));
    client.send(&stateless(1, "test_echo", json!({"text": "a"})));
    let answer = client.message();
    assert!(
        error(&answer).contains("cannot be reached: connection refused"),
        "{answer}"
    );
    // A key that ends while it is in use.
    let http = team.serve(&["--fixture-tools"]);
    let mut client = connect(&team, &url(&http), Some(&key));
    initialize(&mut client, &json!({}));
    assert_eq!(team.run(&["keys", "revoke", id(&key)]).0, Some(0));
    client.send(&request(1, "ping", json!({})));
    assert!(error(&client.message()).contains("does not accept the key"));
    let (code, out, err) = team.run(&["connect", "mimo.example"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("not the URL of a Mimo"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn question_of_a_skill_reaches_the_client_that_calls() {
    skip_unless!(python);
    let team = Team::new();
    let python = machine::python().expect("python");
    let _script = team.add_skill(
        "fake",
        &python,
        "skill.py",
        include_str!("../support/skill.py"),
    );
    let key = team.key(&[]);
    let http = team.serve(&[]);
    let mut client = connect(&team, &url(&http), Some(&key));
    initialize(&mut client, &json!({"elicitation": {}}));
    let arguments = json!({"tool": "fake__ask", "arguments": {"method": "elicitation/create"}});
    client.call(1, "skill_call", arguments);
    let messages = std::iter::from_fn(|| Some(client.message()));
    let asked = messages.into_iter().find(|message| {
        let is_answer = message.get("method").is_none();
        assert!(!is_answer, "answered before it asked: {message}");
        message["method"] == "elicitation/create"
    });
    let asked = asked.expect("a question");
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    client.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": answer}));
    let messages = std::iter::from_fn(|| Some(client.message()));
    let called = messages
        .into_iter()
        .find(|message| message.get("method").is_none());
    assert!(called.expect("an answer").to_string().contains("Ada"));
}
