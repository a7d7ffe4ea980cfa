//! The servers, the command line of each, and its entry in `skills.json`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::machine::{self, Found};

const NODE: &[&str] = &[
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
];
const PYTHON: &[&str] = &["mcp-server-time==2026.10.19", "mcp-server-git==2026.10.19"];

/// A server, and the two ways to it.
pub struct Real {
    pub name: &'static str,
    /// The program and its arguments.
    pub command: Vec<String>,
    pub variables: Vec<(&'static str, String)>,
    pub entry: Value,
    /// Settings that the operator needs for it.
    pub allowed: Allowed,
}

/// Content of config.toml and of Mimo's environment.
#[derive(Default)]
pub struct Allowed {
    pub commands: Vec<String>,
    pub path: Vec<String>,
    pub variables: Vec<(&'static str, String)>,
}

/// The folder in which Node finds the servers.
pub fn modules() -> Found<PathBuf> {
    Ok(machine::npm("servers", NODE)?.join("node_modules"))
}

/// The interpreter of the virtual environment with the servers.
pub fn environment() -> Found<PathBuf> {
    machine::venv("python-servers", PYTHON)
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// An npm server, started by its script.
fn node(name: &'static str, arguments: &[&str], write: &[&Path]) -> Real {
    let modules = modules().expect("packages");
    let node = machine::node().expect("node");
    let script = modules.join(format!("@modelcontextprotocol/server-{name}/dist/index.js"));
    let mut args = vec![text(&script)];
    args.extend(arguments.iter().map(|one| (*one).to_owned()));
    let folder = node.parent().expect("a folder");
    Real {
        name,
        command: [vec![text(&node)], args.clone()].concat(),
        variables: Vec::new(),
        entry: json!({
            "command": "node",
            "args": args,
            "sandbox": {"fs": {"read": [modules], "write": write}},
        }),
        allowed: Allowed {
            commands: vec!["node".to_owned()],
            path: vec![text(folder)],
            ..Allowed::default()
        },
    }
}

pub fn everything(_: &Path) -> Real {
    node("everything", &["stdio"], &[])
}

pub fn filesystem(work: &Path) -> Real {
    node("filesystem", &[&text(work)], &[work])
}

pub fn memory(work: &Path) -> Real {
    let mut real = node("memory", &[], &[work]);
    let file = text(&work.join("memory.jsonl"));
    real.entry["env"] = json!({"MEMORY_FILE_PATH": file});
    real.variables.push(("MEMORY_FILE_PATH", file));
    real
}

/// A PyPI server, started by a program of its virtual environment.
fn python(name: &'static str, program: &str, args: &[&str], write: &[&Path]) -> Real {
    let program = text(&environment().expect("packages").with_file_name(program));
    let owned = args.iter().map(|one| (*one).to_owned());
    Real {
        name,
        command: std::iter::once(program.clone()).chain(owned).collect(),
        variables: Vec::new(),
        entry: json!({
            "command": program,
            "args": args,
            "sandbox": {"fs": {"write": write}},
        }),
        allowed: Allowed {
            commands: vec![program],
            ..Allowed::default()
        },
    }
}

pub fn time(_: &Path) -> Real {
    python("time", "mcp-server-time", &["--local-timezone", "UTC"], &[])
}

pub fn git(work: &Path) -> Real {
    let arguments = ["-m", "mcp_server_git", "--repository", &text(work)];
    python("git", "python3", &arguments, &[work])
}
