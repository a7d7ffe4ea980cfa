//! Popular servers as a person pastes them from their READMEs, with default settings
//! and the PATH of a desktop. Prints which of them work at the first try.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::machine::{self, Found};
use crate::support::{Server, fixture, server};

/// A watchdog: with a cold cache and two cores all installs take a few minutes.
const BOUND: Duration = Duration::from_secs(900);
/// Of the servers below.
const WORKING: usize = 15;

/// Folders that the configurations name, in the home folder.
const FOLDERS: [&str; 2] = ["Documents", "project"];

fn configuration(home: &Path) -> Value {
    let at = |name: &str| home.join(name).display().to_string();
    json!({"mcpServers": {
        "everything": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything"]},
        "filesystem": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", at("Documents")]},
        "memory": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]},
        "sequential-thinking": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-sequential-thinking"]},
        "playwright": {"command": "npx", "args": ["@playwright/mcp@latest"]},
        "github.com/upstash/context7-mcp": {"command": "npx", "args": ["-y", "@upstash/context7-mcp"]},
        "github": {
            "command": "npx", "args": ["-y", "@modelcontextprotocol/server-github"],
            "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "<YOUR_TOKEN>"},
        },
        "notionApi": {
            "command": "npx", "args": ["-y", "@notionhq/notion-mcp-server"],
            "env": {"NOTION_TOKEN": "ntn_****"},
        },
        "exa": {"command": "npx", "args": ["-y", "exa-mcp-server"], "env": {"EXA_API_KEY": "your-api-key"}},
        "brave-search": {
            "command": "npx", "args": ["-y", "@modelcontextprotocol/server-brave-search"],
            "env": {"BRAVE_API_KEY": "YOUR_API_KEY_HERE"},
        },
        "chrome-devtools": {"command": "npx", "args": ["-y", "chrome-devtools-mcp@latest"]},
        "time": {"command": "uvx", "args": ["mcp-server-time"]},
        "git": {"command": "uvx", "args": ["mcp-server-git", "--repository", at("project")]},
        "fetch": {"command": "uvx", "args": ["mcp-server-fetch"]},
        "sqlite": {"command": "uvx", "args": ["mcp-server-sqlite", "--db-path", at("data.db")]},
        "my.node": {"command": "node", "args": [at("project/server.js")]},
        "my.python": {"command": "python3", "args": [at("project/server.py")]},
    }})
}

/// What registries need on this machine, and `uv`.
fn tools() -> Found<()> {
    machine::node()?;
    machine::program("git")?;
    machine::venv("uv", &["uv"]).map(drop)
}

fn start(home: &Path) -> Server {
    let binaries = home.join(".local/bin");
    fs::create_dir_all(&binaries).expect("made");
    let uv = machine::venv("uv", &["uv"]).expect("uv");
    for name in ["uv", "uvx"] {
        symlink(uv.with_file_name(name), binaries.join(name)).expect("linked");
    }
    for folder in FOLDERS {
        fs::create_dir_all(home.join(folder)).expect("made");
    }
    fs::write(home.join("data.db"), "").expect("written");
    let made = Command::new("git")
        .args(["init", "-q"])
        .arg(home.join("project"))
        .status();
    assert!(made.expect("git starts").success());
    let config = home.join("config");
    fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    fs::write(&file, configuration(home).to_string()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let mut command = server::mimo(home);
    command
        .env("PATH", "/usr/bin:/bin")
        .envs(machine::fetching());
    Server::of(&mut command)
}

#[test]
fn servers_work_as_they_are_pasted() {
    skip_unless!(tools());
    let home = fixture::trusted_dir();
    let mut mimo = start(home.path());
    server::initialize(&mut mimo);
    let begun = Instant::now();
    let status = loop {
        let status = server::ask(&mut mimo, "mimo_status", json!({})).good();
        let skills = status["skills"].as_array().expect("skills");
        let settled =
            |skill: &Value| skill["tools"].as_u64() > Some(0) || skill["ended"].is_string();
        if skills.iter().all(settled) {
            break status;
        }
        assert!(begun.elapsed() < BOUND, "{status:#}");
        // The interval of polling, not a bound.
        std::thread::park_timeout(Duration::from_millis(200));
    };
    let skills = status["skills"].as_array().expect("skills");
    let works = |skill: &&Value| skill["tools"].as_u64() > Some(0);
    let working = skills.iter().filter(works).count();
    let lines = skills.iter().map(|skill| match works(&skill) {
        true => format!("{}: {} tools\n", skill["name"], skill["tools"]),
        false => format!("{}: {}\n", skill["name"], skill["ended"]),
    });
    // Not `eprintln!`, whose output is captured in passing tests.
    let _ = writeln!(
        std::io::stderr(),
        "{}not in use: {}",
        lines.collect::<String>(),
        status["skills_problem"]
    );
    assert!(
        working >= WORKING,
        "{working} of {}: {status:#}",
        skills.len()
    );
}
