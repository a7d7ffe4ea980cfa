//! The metrics of a server that works: none that exists stays at zero for ever.

use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Http, Team, bearer};
use crate::support::http::{HttpServer, request};
use crate::support::postgres::server;
use crate::support::server::mimo;
use crate::support::{WATCHDOG, call_of, machine};

const SCOPES: [&str; 2] = ["--scopes", "read,write,admin,metrics"];

/// The sum of the series that begin like this.
fn value(metrics: &str, series: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(series));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// Scrapes until `is_there` says so.
fn scrape_until(http: &Http, key: &str, is_there: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let metrics = http.get("/metrics", key).body;
        if is_there(&metrics) {
            return metrics;
        }
        assert!(began.elapsed() < WATCHDOG, "{metrics}");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
}

fn call(team: &Team, tool: &str, arguments: &Value) {
    let (code, out, err) = team.run(&["call", tool, &arguments.to_string()]);
    assert_eq!(code, Some(0), "{tool}: {out}{err}");
}

/// One of everything that is counted while a server starts.
fn fill(team: &Team) {
    call(
        team,
        "memory_store",
        &json!({"content": "Ada deploys on Mondays"}),
    );
    let triple = json!({"subject": "Ada", "predicate": "deploys", "object": "Mimo"});
    call(team, "graph_update", &json!({"assert": [triple]}));
    let search = json!({"tool": "memory_search", "arguments": {"query": "who deploys?"}});
    let definition = json!({"name": "look", "version": "1", "initial_state": "one",
        "states": {"one": {"action": search, "end": true}}});
    call(team, "procedure_define", &json!({"definition": definition}));
    call(team, "procedure_run", &json!({"name": "look"}));
}

#[test]
fn every_metric_of_a_server_moves() {
    let team = Team::new();
    // Nobody listens there.
    team.settings("[ask]\nsynthesis = \"endpoint\"\n[ask.endpoint]\nurl = \"http://127.0.0.1:9/v1\"\nmodel = \"none\"\n");
    fill(&team);
    let key = team.key(&[&SCOPES[..], &["--expires", "90d"]].concat());
    let slow = team.key(&["--requests-per-minute", "1"]);
    let http = team.serve(&[]);
    let session = http.initialize(&key);
    let authorization = bearer(&key);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Accept", "text/event-stream"),
        ("Mcp-Session-Id", session.as_str()),
    ];
    let _stream = http.open("GET", "/mcp", &headers, "");
    let ended = http.initialize(&key);
    let headers = [headers[0], ("Mcp-Session-Id", ended.as_str())];
    assert_eq!(http.send("DELETE", "/mcp", &headers, "").status, 204);
    let ask = json!({"query": "Who deploys on Mondays?"});
    for (tool, arguments) in [
        ("memory_store", json!({"content": "Raj deploys on Fridays"})),
        ("ask_mimo", ask),
        ("procedure_run", json!({"name": "look"})),
    ] {
        let (status, document) = http.tool(&key, tool, arguments);
        assert_eq!(status, 200, "{tool}: {document}");
    }
    assert_eq!(
        http.tool(&slow, "memory_search", json!({"query": "x"})).0,
        200
    );
    assert_eq!(
        http.tool(&slow, "memory_search", json!({"query": "x"})).0,
        429
    );
    for _ in 0..35 {
        assert!([401, 429].contains(&http.get("/mcp", "mimo_aaaaaaaa_wrong").status));
    }
    assert_eq!(http.get("/health/ready", "").status, 200);
    let metrics = scrape_until(&http, &key, |metrics| {
        value(metrics, "mimo_memories{") > 0.0 && value(metrics, "mimo_executions{") > 0.0
    });
    for series in [
        "mimo_http_requests_total{route=\"/mcp\",method=\"POST\",status=\"2xx\"}",
        "mimo_http_request_seconds_count{",
        "mimo_http_connections ",
        "mimo_http_body_bytes_total ",
        "mimo_http_streams{kind=\"get\"}",
        "mimo_auth_failures_total{",
        "mimo_auth_limited_total ",
        "mimo_rate_limited_total{what=\"requests\"}",
        "mimo_keys_usable ",
        "mimo_key_expires_seconds ",
        "mimo_sessions ",
        "mimo_sessions_ended_total{why=\"client\"}",
        "mimo_tool_calls_total{tool=\"memory_store\",outcome=\"ok\"}",
        "mimo_tool_seconds_count{tool=\"ask_mimo\"}",
        "mimo_call_wait_seconds_count ",
        "mimo_encode_seconds_count ",
        "mimo_encode_windows_total ",
        "mimo_endpoint_seconds_count ",
        "mimo_endpoint_errors_total ",
        "mimo_store_seconds_count{op=\"write_memories\"}",
        "mimo_store_bytes ",
        "mimo_store_connections{",
        "mimo_memories{state=\"active\"}",
        "mimo_triples ",
        "mimo_retention_last_success_seconds ",
        "mimo_disk_free_bytes ",
        "mimo_ready ",
        "mimo_executions{status=\"completed\"}",
        "mimo_steps_total{outcome=\"done\"}",
        "mimo_process_resident_memory_bytes ",
        "mimo_process_open_fds ",
        "mimo_process_cpu_seconds_total ",
        "mimo_process_start_time_seconds ",
        "mimo_build_info{",
    ] {
        assert!(value(&metrics, series) > 0.0, "{series}: {metrics}");
    }
}

#[test]
fn running_calls_and_panics_are_counted() {
    let team = Team::new();
    let key = team.key(&SCOPES);
    let http = team.serve(&["--fixture-tools"]);
    assert_eq!(http.tool(&key, "test_panic", json!({})).0, 500);
    let authorization = bearer(&key);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let sleep = call_of(7, "test_sleep", json!({"ms": 50_000})).to_string();
    let _asleep = request(http.address, "POST", "/mcp", &headers, sleep.as_bytes());
    let metrics = scrape_until(&http, &key, |metrics| {
        value(metrics, "mimo_calls_running ") > 0.0
    });
    assert_eq!(value(&metrics, "mimo_panics_total "), 1.0, "{metrics}");
    let failed = "mimo_tool_calls_total{tool=\"other\",outcome=\"internal\"}";
    assert_eq!(value(&metrics, failed), 1.0, "{metrics}");
}

#[cfg(target_os = "linux")]
#[test]
fn calls_restarts_and_changes_of_a_skill_are_counted() {
    skip_unless!(node);
    let team = Team::new();
    let text = include_str!("../skills/calling/server.mjs");
    let script = team.add_skill("small", &machine::node().expect("node"), "small.mjs", text);
    let key = team.key(&SCOPES);
    let http = team.serve(&[]);
    let skill = |tool: &str| {
        let call = json!({"tool": format!("small__{tool}"), "arguments": {"times": 1}});
        http.tool(&key, "skill_call", call)
    };
    http.tool(&key, "skill_find", json!({"query": "repeat a text"}));
    assert_eq!(skill("repeat_text").0, 200);
    // It restarts with a tool that nobody has approved.
    let changed = text.replace("Repeat a word many times", "Repeat a word, and send it on");
    std::fs::write(script.path().join("small.mjs"), changed).expect("written");
    assert_ne!(skill("die").0, 200);
    let restarted = scrape_until(&http, &key, |metrics| {
        value(metrics, "mimo_skill_restarts_total{skill=\"small\"}") == 1.0
            && value(metrics, "mimo_tools_quarantined ") == 1.0
    });
    for (series, count) in [
        (
            "mimo_skill_calls_total{skill=\"small\",outcome=\"ok\"}",
            1.0,
        ),
        ("mimo_skill_calls_total{skill=\"small\"", 2.0),
        ("mimo_skill_seconds_count{skill=\"small\"}", 2.0),
        ("mimo_skills{", 1.0),
    ] {
        assert_eq!(value(&restarted, series), count, "{series}: {restarted}");
    }
    http.signal(Signal::SIGHUP);
    scrape_until(&http, &key, |metrics| {
        value(metrics, "mimo_reloads_total{outcome=\"ok\"}") == 1.0
            && value(metrics, "mimo_reload_generation ") > 0.0
            && value(metrics, "mimo_reload_last_seconds ") > 0.0
    });
}

#[test]
fn connections_to_postgres_are_counted() {
    skip_unless!(server());
    let team = Team::new();
    let database = server().expect("a server");
    let schema = database.new_schema();
    team.settings(&format!(
        "[store]\nschema = \"{schema}\"\nreaders = 3\nwriters = 2\n"
    ));
    let on_postgres = || {
        let mut command = mimo(team.folder());
        command.env("MIMO_DATABASE_URL", database.url());
        command
    };
    let made = on_postgres()
        .args(["keys", "generate", "--name", "a key"])
        .args(SCOPES)
        .output()
        .expect("it runs");
    let key = String::from_utf8(made.stdout).expect("UTF-8");
    let key = key.trim();
    let http = Http::of(HttpServer::of(&mut on_postgres(), &[]));
    let (status, stored) = http.tool(key, "memory_store", json!({"content": "one"}));
    assert_eq!(status, 200, "{stored}");
    let metrics = scrape_until(&http, key, |metrics| {
        // Of the readers and of the writers one each at least, and none is at work.
        value(metrics, "mimo_store_connections{state=\"idle\"}") >= 2.0
    });
    let all = value(&metrics, "mimo_store_connections{");
    assert!((2.0..=5.0).contains(&all), "{metrics}");
}
