//! Which servers there are, how a plain client starts each, and what a person
//! writes in `skills.json` for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{fixture, installed};

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
    /// Its entry in the manifest.
    pub entry: Value,
    /// What the operator has to allow for it.
    pub allowed: Allowed,
}

/// What stands in config.toml, and in the environment that Mimo gets.
#[derive(Default)]
pub struct Allowed {
    pub commands: Vec<String>,
    pub path: Vec<String>,
    pub variables: Vec<(&'static str, String)>,
}

/// `folder`, or a copy of it where programs are trusted, as in a checkout under
/// a temporary folder.
fn trusted(folder: PathBuf) -> PathBuf {
    let target = folder.parent().and_then(Path::parent).expect("target");
    let trusted = fixture::trusted_folder();
    if trusted.starts_with(target) {
        return folder;
    }
    let caches = trusted.join(".cache/mimo-tests");
    std::fs::create_dir_all(&caches).expect("a folder for the copy");
    let copy = caches.join(folder.file_name().expect("a name"));
    let status = Command::new("cp")
        .args(["--archive", "--update", "--no-target-directory"])
        .args([&folder, &copy])
        .status();
    assert!(status.expect("cp starts").success(), "a copy of {folder:?}");
    scripts_name_their_place(&folder, &copy);
    copy
}

/// The programs of a virtual environment begin with the path of their Python.
fn scripts_name_their_place(folder: &Path, copy: &Path) {
    let programs = std::fs::read_dir(copy.join("bin")).into_iter().flatten();
    for program in programs.flatten() {
        let begun = format!("#!{}/", folder.display());
        if let Ok(text) = std::fs::read_to_string(program.path())
            && let Some(rest) = text.strip_prefix(&begun)
        {
            let moved = format!("#!{}/{rest}", copy.display());
            std::fs::write(program.path(), moved).expect("written");
        }
    }
}

/// The folder in which Node finds the servers.
pub fn modules() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = || trusted(installed::npm("servers", NODE)).join("node_modules");
    FOLDER.get_or_init(folder).clone()
}

/// The folder of the virtual environment with the servers.
fn environment() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = || {
        let python = installed::venv("python-servers", PYTHON);
        trusted(
            python
                .parent()
                .and_then(Path::parent)
                .expect("a folder")
                .to_owned(),
        )
    };
    FOLDER.get_or_init(folder).clone()
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// A server of npm's, started by its script.
fn node(name: &'static str, arguments: &[&str], write: &[&Path]) -> Real {
    let modules = modules();
    let node = installed::node_alone();
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

/// A server of PyPI's, started by a program of its virtual environment.
fn python(name: &'static str, program: &str, args: &[&str], write: &[&Path]) -> Real {
    let program = text(&environment().join("bin").join(program));
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
