//! One user's folders with settings, manifest and skill script, and the servers
//! and commands that use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fixture;
use crate::support::{Server, WATCHDOG};

pub struct World {
    /// A folder in which programs are trusted.
    folder: TempDir,
}

impl World {
    pub fn new() -> World {
        World::with("")
    }

    /// With `settings` added under `[skills]`.
    pub fn with(settings: &str) -> World {
        let folder = fixture::trusted_dir();
        let world = World { folder };
        for name in ["config", "bin"] {
            fs::create_dir(world.path(name)).expect("made");
            fixture::mode(&world.path(name), 0o755);
        }
        let bin = world.path("bin");
        let text = format!(
            "[skills]\ncommands = [\"python3\", \"{0}/docker\", \"{0}/node\"]\n{settings}",
            bin.display()
        );
        fs::write(world.path("config/config.toml"), text).expect("written");
        let script = include_str!("../../support/skill.py");
        fs::write(world.path("skill.py"), script).expect("written");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The manifest entry of the fake skill in `mode`.
    pub fn skill(&self, mode: &str) -> Value {
        json!({"command": "python3", "args": [self.path("skill.py"), mode]})
    }

    /// The user's own program, `code` in Python.
    pub fn program(&self, name: &str, code: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/usr/bin/python3\n{code}")).expect("written");
        fixture::mode(&path, 0o755);
        path
    }

    /// Writes the manifest as editors do: a new file, then a rename.
    pub fn manifest(&self, skills: &Value) {
        self.manifest_text(&json!({ "skills": skills }).to_string());
    }

    pub fn manifest_text(&self, text: &str) {
        let beside = self.path("config/skills.json.new");
        fs::write(&beside, text).expect("written");
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).expect("a mode");
        fs::rename(beside, self.path("config/skills.json")).expect("renamed");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("MIMO_CONFIG_DIR", self.path("config"))
            .env("MIMO_DATA_DIR", self.path("data"))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// A Mimo that serves.
    pub fn serve(&self) -> Mimo {
        Mimo::of(&mut self.command(&["serve"]))
    }

    /// Runs `mimo skill ..`.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(&["skill"]);
        let ran = command.args(arguments).stderr(Stdio::piped()).output();
        Ran::of(&ran.expect("mimo starts"))
    }

    /// Runs `mimo skill .. --json` and gives its one document.
    pub fn document(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Ran {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

pub struct Mimo {
    pub server: Server,
    id: u64,
}

impl Mimo {
    pub fn of(command: &mut Command) -> Mimo {
        let server = Server::of(command);
        Mimo { server, id: 0 }
    }

    pub fn document(&mut self, tool: &str, arguments: Value) -> Value {
        self.id += 1;
        self.server.call(self.id, tool, arguments);
        self.answer()
    }

    /// The answer to what was asked last.
    fn answer(&mut self) -> Value {
        loop {
            let answer = self.server.message();
            // Notifications may come in between.
            if answer["id"] == self.id {
                let text = answer["result"]["content"][0]["text"].as_str();
                let text = text.unwrap_or_else(|| panic!("{answer}"));
                return serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            }
        }
    }

    /// The names that a client sees.
    pub fn tools(&mut self) -> Vec<String> {
        self.id += 1;
        let id = self.id;
        self.server
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}));
        let mut messages = std::iter::repeat_with(|| self.server.message());
        let answer = messages.find(|message| message["id"] == id);
        let tools = answer.expect("an answer")["result"]["tools"].clone();
        let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
        tools.as_array().expect("tools").iter().map(name).collect()
    }

    pub fn status(&mut self) -> Value {
        self.document("mimo_status", json!({"section": "skills"}))
    }

    /// Polls the status until `wanted` is true, and returns it.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until_told("mimo_status", json!({"section": "skills"}), wanted)
    }

    /// Calls a tool until `wanted` is true of the result, and returns it.
    pub fn until_told(
        &mut self,
        tool: &str,
        arguments: Value,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let start = Instant::now();
        loop {
            let status = self.document(tool, arguments.clone());
            if wanted(&status) {
                return status;
            }
            assert!(start.elapsed() < WATCHDOG, "{status}");
            // The interval of polling, not a bound.
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until the only skill has ended, and returns the reason.
    pub fn until_ended(&mut self) -> String {
        let status = self.until(|status| status["skills"][0]["ended"].is_string());
        status["skills"][0]["ended"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    /// Waits until exactly the skills with these names run.
    pub fn until_running(&mut self, names: &[&str]) -> Value {
        self.until(|status| {
            let skills = status["skills"].as_array().expect("a list");
            let running = |skill: &Value| skill["state"] == "running";
            names
                == skills
                    .iter()
                    .map(|s| s["name"].as_str().expect("a name"))
                    .collect::<Vec<_>>()
                && skills.iter().all(running)
        })
    }

    /// Calls a tool of a skill.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.document("skill_call", json!({"tool": tool, "arguments": arguments}))
    }
}

/// The process of the skill `name`.
pub fn pid(status: &Value, name: &str) -> u64 {
    let skills = status["skills"].as_array().expect("a list");
    let skill = skills.iter().find(|skill| skill["name"] == name);
    skill
        .and_then(|skill| skill["pid"].as_u64())
        .unwrap_or_else(|| panic!("{status}"))
}
