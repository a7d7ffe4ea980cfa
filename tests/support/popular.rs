//! Configurations of popular servers, written as in their READMEs.

#![allow(dead_code, reason = "not every test binary uses it")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::machine::{self, Found};

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
pub fn tools() -> Found<()> {
    machine::node()?;
    machine::program("git")?;
    machine::venv("uv", &["uv"]).map(drop)
}

/// Makes what the configurations need in the home folder, and returns them.
pub fn prepare(home: &Path) -> Value {
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
    configuration(home)
}
