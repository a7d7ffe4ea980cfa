//! Three servers on one database: their skills are reloaded together while they are
//! called.

#![allow(clippy::print_stdout, reason = "it tells how many calls there were")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::postgres::Place;
use crate::support::http::{Answer, HttpServer, Reply, request};
use crate::support::postgres::server;
use crate::support::{WATCHDOG, fixture};

const RELOADS: u64 = 200;
/// A slow machine does fewer, but at least these.
const RELOADS_MIN: u64 = 50;
const RELOADS_SECONDS: u64 = 25;
/// The skill changes once in so many reloads.
const RELOADS_PER_CHANGE: u64 = 25;
const CALLERS: u64 = 32;

fn call(server: SocketAddr, key: &str, tool: &str, arguments: Value) -> Reply {
    let credentials = format!("Bearer {key}");
    let headers = [
        ("Authorization", credentials.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"tool": tool, "arguments": arguments}).to_string();
    let stream = request(server, "POST", "/v1/mimo/tool", &headers, body.as_bytes());
    Answer::read(stream).whole()
}

fn health(server: &HttpServer, key: &str) -> Value {
    let credentials = format!("Bearer {key}");
    let headers = [("Authorization", credentials.as_str())];
    let stream = request(server.address, "GET", "/health", &headers, b"");
    Answer::read(stream).whole().json()
}

#[test]
fn reloads_of_three_nodes_lose_no_call() {
    skip_unless!(server());
    skip_unless!(python);
    let place = Place::new();
    let trusted = fixture::trusted_dir();
    let script = trusted.path().join("skill.py");
    std::fs::write(&script, include_str!("../support/skill.py")).expect("written");
    place.settings("[skills]\ncommands = [\"python3\"]\n");
    let manifest = |version: u64| {
        let entry = json!({"command": "python3", "args": [script, "ok", version.to_string()]});
        let beside = place.path().join("config/skills.json.new");
        std::fs::write(&beside, json!({"skills": {"one": entry}}).to_string()).expect("written");
        fixture::mode(&beside, 0o600);
        std::fs::rename(beside, place.path().join("config/skills.json")).expect("renamed");
    };
    manifest(0);
    let key = place.key(&[]);
    let servers = [(); 3].map(|()| HttpServer::of(&mut place.mimo(), &["--profile", "legacy"]));
    let addresses = servers.each_ref().map(|server| server.address);
    let began = Instant::now();
    while health(&servers[0], &key)["checks"]["nodes"]["serving"] != 3 {
        assert!(began.elapsed() < WATCHDOG, "a server is no node");
    }
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let caller = |number: u64| {
        let mut count = 0;
        while !done.load(Ordering::Relaxed) {
            count += 1;
            let n = number * 1_000_000 + count;
            let server = addresses[(n % 3) as usize];
            let reply = call(
                server,
                &key,
                "skill_call",
                json!({"tool": "one__echo", "arguments": {"n": n}}),
            );
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert!(reply.body.contains(&n.to_string()), "{}", reply.body);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    let last = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| scope.spawn(move || caller(number)))
            .collect();
        let (mut last, began) = (Value::Null, Instant::now());
        for round in 1..=RELOADS {
            if round > RELOADS_MIN && began.elapsed().as_secs() > RELOADS_SECONDS {
                break;
            }
            if round % RELOADS_PER_CHANGE == 0 {
                manifest(round);
            }
            let server = addresses[(round % 3) as usize];
            let reply = call(server, &key, "mimo_reload_skills", json!({}));
            last = reply.json();
            let mimos = last["mimos"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let all = mimos.len() == 3 && mimos.iter().all(|mimo| mimo["ok"] == true);
            if !all {
                done.store(true, Ordering::Relaxed);
                panic!("{last}");
            }
        }
        done.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .for_each(|caller| caller.join().expect("no call is lost"));
        last
    });
    println!(
        "{} calls during {} reloads",
        answered.into_inner(),
        last["epoch"]
    );
    // Wherever one asks, the outcome is the same.
    for server in &servers {
        let nodes = &health(server, &key)["checks"]["nodes"];
        assert_eq!(nodes["serving"], 3, "{nodes}");
        assert_eq!(nodes["reload"]["state"], "ok", "{nodes}");
        assert_eq!(nodes["reload"]["epoch"], last["epoch"], "{nodes}");
    }
    let status: Value =
        serde_json::from_str(&place.run(&["status", "--json"]).good()).expect("JSON");
    assert_eq!(status["nodes"]["serving"].as_array().map(Vec::len), Some(3));
    let text = place.run(&["status"]).good();
    assert!(text.contains("last reload of skills: ok"), "{text}");

    // A command asks them all too; one with another file does not take part.
    let told = place.run(&["skill", "reload", "--json"]).lines();
    assert_eq!(
        told[0]["mimos"].as_array().map(Vec::len),
        Some(3),
        "{told:?}"
    );
    assert_eq!(told[0]["ok"], true, "{told:?}");
    let elsewhere = place.path().join("other");
    std::fs::create_dir(&elsewhere).expect("made");
    let settings = place.path().join("config/config.toml");
    std::fs::copy(settings, elsewhere.join("config.toml")).expect("copied");
    let mut other = place.mimo();
    other
        .env("MIMO_CONFIG_DIR", elsewhere)
        .args(["skill", "reload", "--json"]);
    let refused = other.output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8(refused.stdout).expect("UTF-8");
    assert!(refused.contains("other_manifest"), "{refused}");
}
