//! The real binary with a skill, on a folder that outlives it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::{fixture, machine};

/// A folder with settings, a database, and a skill that counts its calls.
pub struct Workspace {
    /// A trusted folder, since it holds programs.
    pub folder: TempDir,
}

impl Workspace {
    /// With the skill `counter`.
    pub fn counting() -> Workspace {
        let workspace = Workspace {
            folder: fixture::trusted_dir(),
        };
        let script = workspace.path("counter.mjs");
        fs::write(&script, include_str!("counter.mjs")).expect("written");
        let calls = workspace.path("calls");
        fs::create_dir(&calls).expect("made");
        let log = calls.join("log");
        workspace.settings(json!({"counter": {
            "command": "node",
            "args": [script, log],
            "sandbox": {"fs": {"write": [calls]}},
        }}));
        workspace
    }

    /// Writes the settings that allow node, and these skills.
    pub fn settings(&self, skills: Value) {
        let config = self.path("config");
        fs::create_dir_all(&config).expect("made");
        let node = machine::node().expect("node");
        let parent = node.parent().expect("a folder").display();
        let toml = format!("[skills]\ncommands = [\"node\"]\npath = [\"{parent}\"]\n");
        let manifest = json!({ "skills": skills }).to_string();
        for (name, text) in [("config.toml", toml), ("skills.json", manifest)] {
            let path = config.join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines of the counter, one for each call.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
        command
            .args(arguments)
            .env_clear()
            .env("MIMO_DATA_DIR", self.path("data"))
            .env("MIMO_CONFIG_DIR", self.path("config"))
            .env("HOME", self.folder.path())
            .stderr(Stdio::null());
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Mimo {
        let mut all = vec!["serve"];
        all.extend(arguments);
        Mimo::of(Server::of(&mut self.command(&all)))
    }

    pub fn database(&self) -> PathBuf {
        self.path("data/mimo.db")
    }
}

/// A running server.
pub struct Mimo {
    pub server: Server,
    id: u64,
}

impl Mimo {
    pub fn of(server: Server) -> Mimo {
        Mimo { server, id: 0 }
    }

    /// The document of a call, or nothing if the server died.
    pub fn ask(&mut self, tool: &str, arguments: Value) -> Option<Value> {
        self.send(tool, arguments);
        self.answer()
    }

    pub fn send(&mut self, tool: &str, arguments: Value) {
        self.id += 1;
        self.server.call(self.id, tool, arguments);
    }

    pub fn answer(&mut self) -> Option<Value> {
        let answer: Value = serde_json::from_str(&self.server.line()?).expect("JSON");
        let text = answer["result"]["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("{answer}"));
        Some(serde_json::from_str(text).expect("a document"))
    }

    /// A call whose result is ignored.
    pub fn ask_any(&mut self, tool: &str, arguments: Value) {
        self.send(tool, arguments);
        assert!(self.server.line().is_some(), "Mimo lives");
    }

    /// The document of a call that succeeds.
    pub fn good(&mut self, tool: &str, arguments: Value) -> Value {
        let document = self.ask(tool, arguments).expect("Mimo lives");
        assert!(
            document.get("error").is_none() || document.get("execution_id").is_some(),
            "{document}"
        );
        document
    }
}

/// A definition that the tree ships.
pub fn shipped(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("install/procedures");
    let text = fs::read_to_string(path.join(format!("{name}.json"))).expect("it is shipped");
    serde_json::from_str(&text).expect("JSON")
}
