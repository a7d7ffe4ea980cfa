//! Real servers start in the sandbox and answer `initialize`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use mimo::skills::spec::SkillSpec;
use serde_json::{Value, json};

use super::world::{World, spec};
use crate::support::machine::{Found, npm, venv};

const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

/// The server's answer to `initialize`.
fn greeted(skill: &SkillSpec) -> Value {
    let world = World::new();
    let mut launched = world.start(skill);
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    writeln!(launched.stdin, "{hello}").expect("it reads");
    let mut line = String::new();
    let mut lines = BufReader::new(&launched.stdout);
    lines.read_line(&mut line).expect("it answers");
    if line.is_empty() {
        let ran = super::world::finish(launched);
        panic!("no answer: {ran:?}");
    }
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[track_caller]
fn answers(skill: &SkillSpec) {
    let answer = greeted(skill);
    assert!(
        answer["result"]["serverInfo"]["name"].is_string(),
        "{answer}"
    );
}

fn everything() -> Found<PathBuf> {
    npm("everything", &[&format!("{EVERYTHING}@2026.8.31")])
}

/// The path of `program` in the shell's PATH.
fn found(program: &str) -> PathBuf {
    let asked = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    let path = String::from_utf8(asked.expect("a shell").stdout).expect("text");
    PathBuf::from(path.trim())
}

/// A skill that may read its program's prefix.
fn in_its_prefix(program: &Path, arguments: &[&str], folder: &Path) -> SkillSpec {
    let mut skill = spec(program, arguments);
    let real = program.canonicalize().expect("a program");
    let prefix = real.parent().and_then(Path::parent).expect("its prefix");
    skill.sandbox.read = vec![prefix.to_owned(), folder.to_owned()];
    skill
}

#[test]
fn a_node_server_answers() {
    skip_unless!(everything());
    let folder = everything().expect("packages");
    let script = folder
        .join("node_modules")
        .join(EVERYTHING)
        .join("dist/index.js");
    let script = script.to_str().expect("text");
    answers(&in_its_prefix(&found("node"), &[script, "stdio"], &folder));
}

#[test]
fn npx_starts_an_installed_server() {
    skip_unless!(everything());
    let folder = everything().expect("packages");
    let prefix = folder.to_str().expect("text");
    let arguments = [
        "--offline",
        "--no",
        "--prefix",
        prefix,
        "mcp-server-everything",
        "stdio",
    ];
    let mut skill = in_its_prefix(&found("npx"), &arguments, &folder);
    let node = found("node");
    let path = format!(
        "{}:/usr/bin:/bin",
        node.parent().expect("a folder").display()
    );
    skill.environment.insert("PATH".into(), path);
    answers(&skill);
}

#[test]
fn a_python_server_answers() {
    skip_unless!(python_server());
    let (python, base) = python_server().expect("packages");
    let folder = python.parent().and_then(Path::parent).expect("its folder");
    let mut skill = spec(
        &python,
        &["-m", "mcp_server_time", "--local-timezone", "UTC"],
    );
    skill.sandbox.read = vec![folder.to_owned(), base];
    answers(&skill);
}

/// An interpreter with the server, and the interpreter's own prefix.
fn python_server() -> Found<(PathBuf, PathBuf)> {
    let python = venv("time", &["mcp-server-time==2026.10.19"])?;
    let asked = Command::new(&python)
        .args(["-c", "import sys; print(sys.base_prefix)"])
        .output();
    let base = String::from_utf8(asked.expect("it starts").stdout).expect("text");
    Ok((python, PathBuf::from(base.trim())))
}
