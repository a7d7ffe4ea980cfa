//! Sessions, streams that are resumed, and the end of the server.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Answer, Http, SESSION, Team, bearer};
use crate::support::http::request;
use crate::support::{WATCHDOG, call_of};

/// A call that reports progress while it lasts.
fn slow_call(id: u32, ms: u32) -> Value {
    let mut call = call_of(id, "test_sleep", json!({"ms": ms}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    call
}

fn read_stream(http: &Http, key: &str, session: &str, last: Option<&str>) -> Answer {
    let key = bearer(key);
    let mut headers = vec![
        ("Authorization", &*key),
        (SESSION, session),
        ("Accept", "text/event-stream"),
    ];
    headers.extend(last.map(|last| ("Last-Event-ID", last)));
    http.open("GET", "/mcp", &headers, "")
}

#[test]
fn a_session_outlives_a_killed_server_and_is_its_keys_alone() {
    let team = Team::new();
    let (key, other) = (team.key(&[]), team.key(&[]));
    let http = team.serve(&[]);
    let session = http.initialize(&key);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(http.post(&key, Some(&session), &ping).status, 200);
    let refused = http.post(&other, Some(&session), &ping).whole();
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["id"], 1, "{}", refused.body);
    http.signal(Signal::SIGKILL);
    http.exit();
    let (http, second) = (team.serve(&[]), team.serve(&[]));
    for server in [&http, &second] {
        assert_eq!(server.post(&key, Some(&session), &ping).status, 200);
    }
    let headers = [("Authorization", &*bearer(&key)), (SESSION, &*session)];
    assert_eq!(second.send("DELETE", "/mcp", &headers, "").status, 204);
    assert_eq!(http.post(&key, Some(&session), &ping).status, 404);
}

#[test]
fn a_broken_stream_is_resumed_and_its_answer_comes_once() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let session = http.initialize(&key);
    let mut answer = http.post(&key, Some(&session), &slow_call(7, 500));
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let (first, data) = answer.event().expect("the first event");
    assert!(
        first.ends_with("-0") && data.is_empty(),
        "it names the stream"
    );
    drop(answer);
    let mut resumed = read_stream(&http, &key, &session, Some(&first));
    let mut answers = 0;
    let mut last = first.clone();
    while let Some((id, data)) = resumed.event() {
        let message: Value = serde_json::from_str(&data).expect("a message");
        answers += usize::from(message["id"] == 7);
        last = id;
    }
    assert_eq!(answers, 1);
    // An empty stream would make the official clients ask again without an end.
    for id in [&*last, "nothing-3", "nothing"] {
        let over = read_stream(&http, &key, &session, Some(id));
        assert_eq!(over.status, 405, "{id}");
    }
}

#[test]
fn a_call_is_cancelled_by_another_request_of_its_session() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let session = http.initialize(&key);
    let mut answer = http.post(&key, Some(&session), &slow_call(8, 50_000));
    answer.event().expect("it has begun");
    let params = json!({"requestId": 8});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    assert_eq!(http.post(&key, Some(&session), &cancel).status, 202);
    while let Some((_, data)) = answer.event() {
        assert!(!data.contains("\"id\":8"), "{data}");
    }
}

#[test]
fn messages_of_no_request_come_on_the_last_stream_that_was_opened() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&[]);
    let session = http.initialize(&key);
    let stored = http.tool(&key, "memory_store", json!({"content": "first"}));
    assert_eq!(stored.0, 200);
    let uri = "mimo://memory/1";
    let subscribe =
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": uri}});
    let subscribed = http.post(&key, Some(&session), &subscribe).whole();
    assert!(
        subscribed.json()["result"].is_object(),
        "{}",
        subscribed.body
    );
    let mut first = read_stream(&http, &key, &session, None);
    first.event().expect("its id");
    let mut second = read_stream(&http, &key, &session, None);
    second.event().expect("its id");
    assert_eq!(first.event(), None, "the second has taken over");
    let edit = json!({"ids": [1], "action": "update", "content": "second"});
    let edited = http.tool(&key, "memory_edit", edit);
    assert_eq!(edited.0, 200, "{}", edited.1);
    let (id, data) = second.event().expect("a notification");
    let message: Value = serde_json::from_str(&data).expect("a message");
    assert_eq!(message["method"], "notifications/resources/updated");
    assert_eq!(message["params"]["uri"], uri);
    let mut third = read_stream(&http, &key, &session, None);
    let primed = third.event().expect("its id");
    assert_eq!(
        (primed.0, &*primed.1),
        (id, ""),
        "what was read is not repeated"
    );
}

#[test]
fn the_newest_revision_repeats_itself_in_headers() {
    let team = Team::new();
    let key = bearer(&team.key(&[]));
    let http = team.serve(&["--fixture-tools"]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let mut call = call_of(1, "test_echo", json!({"text": "hello"}));
    call["params"]["_meta"] = meta;
    let status = |more: &[(&str, &str)]| {
        let mut headers = vec![
            ("Authorization", &*key),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(more);
        let reply = http.send("POST", "/mcp", &headers, &call.to_string());
        (reply.status, reply.json()["error"]["code"].as_i64())
    };
    let version = ("MCP-Protocol-Version", "2026-07-28");
    let method = ("Mcp-Method", "tools/call");
    assert_eq!(
        status(&[version, method, ("Mcp-Name", "test_echo")]),
        (200, None)
    );
    let encoded = ("Mcp-Name", "=?base64?dGVzdF9lY2hv?=");
    assert_eq!(status(&[version, method, encoded]), (200, None));
    let mismatch = (400, Some(-32020));
    assert_eq!(status(&[method, ("Mcp-Name", "test_echo")]), mismatch);
    assert_eq!(status(&[version, ("Mcp-Name", "test_echo")]), mismatch);
    assert_eq!(status(&[version, method]), mismatch);
    assert_eq!(status(&[version, method, ("Mcp-Name", "other")]), mismatch);
    let older = ("MCP-Protocol-Version", "2025-11-25");
    assert_eq!(
        status(&[older, method, ("Mcp-Name", "test_echo")]),
        mismatch
    );
    let headers = [
        ("Authorization", &*key),
        ("Content-Type", "application/json"),
        version,
    ];
    let body = call.to_string().replacen("\"id\":1,", "\"id\":1.50,", 1);
    let reply = http.send("POST", "/mcp", &headers, &body);
    let start = r#"{"jsonrpc":"2.0","id":1.50,"error":{"code":-32020,"#;
    assert!(reply.body.starts_with(start), "{}", reply.body);
    let get = http.send("GET", "/mcp", &[("Authorization", &*key), version], "");
    assert_eq!((get.status, &*get.headers["allow"]), (405, "POST"));
}

#[test]
fn a_client_of_the_newest_revision_cancels_by_going_away() {
    let team = Team::new();
    let key = team.key(&["--scopes", "read,write,metrics"]);
    let http = team.serve(&["--fixture-tools"]);
    let mut call = slow_call(1, 50_000);
    call["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let authorization = bearer(&key);
    let headers = [
        ("Authorization", &*authorization),
        ("Content-Type", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "test_sleep"),
    ];
    let mut answer = http.open("POST", "/mcp", &headers, &call.to_string());
    let (id, data) = answer.event().expect("its progress");
    assert!(id.is_empty(), "there is nothing to resume");
    assert!(data.contains("notifications/progress"), "{data}");
    drop(answer);
    wait_for_metric(&http, &key, CANCELLED, " 1");
}

/// Waits until the metrics have a line that begins and ends like this.
fn wait_for_metric(http: &Http, key: &str, start: &str, end: &str) {
    let began = Instant::now();
    loop {
        let metrics = http.get("/metrics", key).body;
        let mut lines = metrics.lines();
        if lines.any(|line| line.starts_with(start) && line.ends_with(end)) {
            return;
        }
        assert!(began.elapsed() < WATCHDOG, "{start} {end}: {metrics}");
        // Nothing tells a client that is gone; this is the polling interval.
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

const CANCELLED: &str = "mimo_tool_calls_total{tool=\"other\",outcome=\"cancelled\"}";

#[test]
fn a_call_whose_client_left_before_its_stream_began_is_cancelled_by_another() {
    let team = Team::new();
    let key = team.key(&["--scopes", "read,write,metrics"]);
    let http = team.serve(&["--fixture-tools"]);
    let session = http.initialize(&key);
    let authorization = bearer(&key);
    let headers = [
        ("Authorization", &*authorization),
        ("Content-Type", "application/json"),
        (SESSION, &*session),
    ];
    let call = call_of(5, "test_sleep", json!({"ms": 50_000})).to_string();
    let stream = request(http.address, "POST", "/mcp", &headers, call.as_bytes());
    wait_for_metric(&http, &key, "mimo_calls_running", " 1");
    drop(stream);
    // The one that asks for the metrics.
    wait_for_metric(&http, &key, "mimo_http_connections", " 1");
    wait_for_metric(&http, &key, "mimo_calls_running", " 1");
    let params = json!({"requestId": 5});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    assert_eq!(http.post(&key, Some(&session), &cancel).status, 202);
    wait_for_metric(&http, &key, "mimo_calls_running", " 0");
    wait_for_metric(&http, &key, CANCELLED, " 1");
}

#[test]
fn malformed_messages_are_bad_requests_with_and_without_a_session() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&[]);
    let session = http.initialize(&key);
    let authorization = bearer(&key);
    let mut headers = vec![
        ("Authorization", &*authorization),
        ("Content-Type", "application/json"),
    ];
    for _ in 0..2 {
        for (body, code) in [("{", -32700), ("{\"id\":1}", -32600), ("", -32600)] {
            let reply = http.send("POST", "/mcp", &headers, body);
            let error = (reply.status, reply.json()["error"]["code"].clone());
            assert_eq!(error, (400, code.into()), "{body}");
        }
        headers.push((SESSION, &session));
    }
}

#[test]
fn calls_that_were_begun_are_answered_before_the_end() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&["--fixture-tools"]);
    let session = http.initialize(&key);
    let mut answer = http.post(&key, Some(&session), &slow_call(9, 1_000));
    answer.event().expect("it has begun");
    http.signal(Signal::SIGTERM);
    let draining = || http.send("GET", "/health/ready", &[], "");
    let mut ready = draining();
    while ready.status == 200 {
        ready = draining();
    }
    assert_eq!(
        (ready.status, ready.json()),
        (503, json!({"status": "draining"}))
    );
    let mut last = String::new();
    while let Some((_, data)) = answer.event() {
        last = data;
    }
    assert!(last.contains("\"id\":9"), "{last}");
    assert!(http.exit().success());
}
