//! The metrics, alert rules and dashboard, checked by Prometheus' own tool.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mimo::meter::http::{AUTH_FAILURES, AuthFailure, Method, Route, answered};
use serde_json::{Value, json};

use crate::support::machine::{self, Found, Program};

fn promtool() -> Found<Program> {
    machine::debian("prometheus", "promtool")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("install/monitoring")
}

/// Runs `promtool` in the folder of the monitoring files and asserts that it finds
/// nothing to complain about.
fn assert_accepted(arguments: &[&str], stdin: &str) {
    let mut child = promtool()
        .expect("checked before")
        .command()
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.as_bytes()).expect("read");
    drop(input);
    let done = child.wait_with_output().expect("ends");
    let out = String::from_utf8_lossy(&done.stdout);
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}\n{out}{err}");
}

#[test]
fn promtool_accepts_the_metrics() {
    skip_unless!(promtool());
    answered(Route::Mcp, Method::Post, 200, Duration::from_millis(3));
    AUTH_FAILURES.increment(AuthFailure::Unknown);
    assert_accepted(&["check", "metrics"], &mimo::meter::render());
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should() {
    skip_unless!(promtool());
    assert_accepted(&["check", "rules", "rules.yml"], "");
    assert_accepted(&["test", "rules", "rules_test.yml"], "");
    // Only the key's file, which this machine lacks, is not looked for.
    assert_accepted(&["check", "config", "--syntax-only", "prometheus.yml"], "");
}

#[test]
fn promtool_accepts_every_expression_of_the_dashboard() {
    skip_unless!(promtool());
    let text = std::fs::read_to_string(folder().join("dashboard.json")).expect("readable");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = targets.map(|target| target["expr"].as_str().expect("text"));
    // JSON is YAML; the variables are replaced as Grafana does.
    let rules: Vec<Value> = expressions
        .map(|each| each.replace("$instance", ".*"))
        .map(|each| each.replace("$__rate_interval", "2m"))
        .enumerate()
        .map(|(nth, expr)| json!({"record": format!("panel:{nth}"), "expr": expr}))
        .collect();
    assert!(rules.len() > 40, "{} expressions", rules.len());
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules.to_string()).expect("written");
    assert_accepted(&["check", "rules", file.to_str().expect("UTF-8")], "");
}
