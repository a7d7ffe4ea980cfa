//! Clients over HTTP to which the server speaks too: progress, questions, changes,
//! cancelled calls, and streams that break.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{node_packages, python_sdk};
use super::odd::write_skill;
use crate::support::WATCHDOG;
use crate::support::http::{Answer, HttpServer, request};
use crate::support::server::{mimo, on};
use crate::support::{fixture, machine};

/// The tools that ask and report are those of the conformance suite.
const SKILL: &str = include_str!("../conformance/skill.mjs");

#[test]
fn python_client_is_spoken_to() {
    skip_unless!(python_sdk());
    speaks(python("client"), false);
}

#[test]
fn python_session_is_spoken_to() {
    skip_unless!(python_sdk());
    speaks(python("session"), true);
}

#[test]
fn typescript_1_is_spoken_to() {
    skip_unless!(node_packages());
    let told = speaks(typescript("sdk"), true);
    assert_resumed(&told);
}

#[test]
fn typescript_2_is_spoken_to() {
    skip_unless!(node_packages());
    let told = speaks(typescript("legacy"), true);
    assert_resumed(&told);
}

#[test]
fn typescript_2_stateless_is_spoken_to() {
    skip_unless!(node_packages());
    speaks(typescript("auto"), false);
}

fn python(kind: &str) -> Command {
    let mut command = Command::new(python_sdk().expect("packages"));
    command.args(["-c", include_str!("both_ways/client.py"), kind]);
    command
}

fn typescript(kind: &str) -> Command {
    let mut command = Command::new(machine::node().expect("node"));
    command
        .args(["--input-type=module", "--eval"])
        .args([include_str!("both_ways/client.mjs"), "--", kind])
        .current_dir(node_packages().expect("packages"));
    command
}

/// The SDK resumed the stream that broke and got the answer, and asked for nothing else
/// but once for the rest of the call that it cancelled.
fn assert_resumed(told: &Value) {
    assert_eq!(told["resumed"], "done", "{told}");
    assert_eq!(told["streams"]["opened"], 1, "{told}");
    let resumed = told["streams"]["resumed"].as_u64();
    assert!(
        resumed.is_some_and(|resumed| (1..=2).contains(&resumed)),
        "{told}"
    );
}

/// Runs a client to its end; what it told. `has_session` if it speaks 2025-11-25.
fn speaks(mut client: Command, has_session: bool) -> Value {
    let folder = fixture::trusted_dir();
    write_skill(folder.path(), "fixture", SKILL);
    // Lists the skill's tools.
    let found = mimo(folder.path())
        .args(["call", "skill_find", r#"{"query":"slow"}"#])
        .output();
    assert!(found.expect("it runs").status.success());
    let key = key(folder.path());
    let server = HttpServer::of(&mut mimo(folder.path()), &[]);
    on(&mut client, folder.path());
    let done = client
        .args([&format!("http://{}/mcp", server.address), &key])
        .stderr(Stdio::piped())
        .output()
        .expect("the client starts");
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{complaints}");
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let progress = told["progress"].as_array().expect("numbers").iter();
    let progress: Vec<f64> = progress.filter_map(Value::as_f64).collect();
    assert_eq!(progress, [0.0, 50.0, 100.0], "{told}");
    assert_eq!(told["sampled"], "LLM response: sampled", "{told}");
    let elicited = told["elicited"].as_str().expect("a text");
    assert!(elicited.contains("zoe@example.com"), "{elicited}");
    assert_eq!(told["changed"], "mimo://memory/1", "{told}");
    assert_eq!(told["cancelled"], true, "{told}");
    let ended = format!(
        "mimo_sessions_ended_total{{why=\"client\"}} {}",
        u8::from(has_session)
    );
    let metrics = wait_for(&server, &key, &["mimo_calls_running 0", &ended]);
    // The cancelled call would have ended as one of these.
    let ok = 3 + u8::from(told["resumed"] == "done");
    for (outcome, count) in [("ok", ok), ("timeout", 0), ("skill_error", 0)] {
        let line = format!("mimo_tool_calls_total{{tool=\"skill\",outcome=\"{outcome}\"}} {count}");
        let start = line.split(' ').next().expect("a name");
        let found = metrics.lines().find(|line| line.starts_with(start));
        // An outcome that never came has no line.
        let is_so = found == Some(&*line) || found.is_none() && count == 0;
        assert!(is_so, "{line}, not {found:?}");
    }
    told
}

fn key(folder: &Path) -> String {
    let scopes = ["--scopes", "read,write,metrics"];
    let mut command = mimo(folder);
    command
        .args(["keys", "generate", "--name", "tests"])
        .args(scopes);
    let output = command.output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// Waits until the server's metrics have these lines; the metrics.
fn wait_for(server: &HttpServer, key: &str, lines: &[&str]) -> String {
    let authorization = format!("Bearer {key}");
    let headers = [("Authorization", &*authorization)];
    let start = Instant::now();
    loop {
        let answer = request(server.address, "GET", "/metrics", &headers, b"");
        let metrics = Answer::read(answer).whole().body;
        if lines
            .iter()
            .all(|line| metrics.lines().any(|it| it == *line))
        {
            return metrics;
        }
        assert!(start.elapsed() < WATCHDOG, "{lines:?} in {metrics}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
