//! The two clients that are compared: a plain one, and one through Mimo. Both offer
//! the same capabilities and give the same answers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::calls::Call;
use super::servers::Real;
use crate::support::Server;

/// The result of a call: each member as JSON text in its order.
#[derive(Debug, PartialEq)]
pub struct Answer {
    content: Vec<String>,
    structured: String,
    is_error: String,
}

impl Answer {
    fn of(result: &Value, call: &Call) -> Answer {
        let told = |value: &Value| (call.steady)(value.to_string());
        let content = result["content"].as_array();
        let content = content.unwrap_or_else(|| panic!("no content in {result}"));
        Answer {
            content: content.iter().map(told).collect(),
            structured: told(&result["structuredContent"]),
            is_error: result["isError"].to_string(),
        }
    }

    pub fn text(&self) -> String {
        let block: Value = serde_json::from_str(&self.content[0]).expect("JSON");
        block["text"].as_str().expect("a text").to_owned()
    }
}

/// The client capabilities of both sides.
fn offered() -> Value {
    json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}})
}

/// The response to a server's request.
fn reply(question: &Value) -> Value {
    let result = match question["method"].as_str() {
        Some("sampling/createMessage") => json!({
            "role": "assistant", "model": "none", "stopReason": "endTurn",
            "content": {"type": "text", "text": "a sampled answer"},
        }),
        Some("elicitation/create") => json!({"action": "decline"}),
        Some("roots/list") => json!({"roots": []}),
        Some("ping") => json!({}),
        other => panic!("the server asks {other:?}"),
    };
    json!({"jsonrpc": "2.0", "id": question["id"], "result": result})
}

/// The result of request `id`; answers server requests meanwhile.
fn result_of(server: &mut Server, id: u64) -> Value {
    loop {
        let mut message = server.message();
        if message["method"].is_string() {
            if !message["id"].is_null() {
                server.send(&reply(&message));
            }
        } else if message["id"] == id {
            assert!(message["error"].is_null(), "{message}");
            return message["result"].take();
        }
    }
}

fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// A direct connection to the server.
pub struct Direct(Server, u64);

impl Direct {
    pub fn start(real: &Real, home: &Path) -> Direct {
        let mut command = Command::new(&real.command[0]);
        command
            .args(&real.command[1..])
            .env_clear()
            .env("PATH", path())
            .env("HOME", home)
            .envs(real.variables.iter().cloned())
            .stderr(Stdio::null());
        let mut direct = Direct(Server::of(&mut command), 0);
        direct.request(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": offered(),
                   "clientInfo": {"name": "mimo", "version": "1"}}),
        );
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        direct.0.send(&ready);
        direct
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.1 += 1;
        let id = self.1;
        self.0
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        result_of(&mut self.0, id)
    }

    /// The definitions, by name.
    pub fn tools(&mut self) -> BTreeMap<String, Value> {
        by_name(
            self.request("tools/list", json!({}))["tools"].take(),
            "name",
        )
    }

    pub fn call(&mut self, call: &Call) -> Answer {
        let params = json!({"name": call.tool, "arguments": call.arguments});
        Answer::of(&self.request("tools/call", params), call)
    }
}

fn by_name(tools: Value, key: &str) -> BTreeMap<String, Value> {
    let tools = tools.as_array().expect("tools").clone();
    let named = |tool: Value| (tool[key].as_str().expect("a name").to_owned(), tool);
    tools.into_iter().map(named).collect()
}

/// Mimo with these servers as skills.
pub struct Mimo(Server, u64);

impl Mimo {
    /// Mimo's data and the skills' files lie in `folder`.
    pub fn start(folder: &Path, skills: &[&Real]) -> Mimo {
        let config = folder.join("config");
        fs::create_dir_all(&config).expect("made");
        let write = |name: &str, text: String| {
            let path = config.join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        };
        let listed = |all: fn(&Real) -> &Vec<String>| -> Value {
            skills.iter().flat_map(|real| all(real).clone()).collect()
        };
        write(
            "config.toml",
            format!(
                "[skills]\ncommands = {}\npath = {}\n",
                listed(|real| &real.allowed.commands),
                listed(|real| &real.allowed.path),
            ),
        );
        let entries = skills
            .iter()
            .map(|real| (real.name.to_owned(), real.entry.clone()));
        let entries: serde_json::Map<String, Value> = entries.collect();
        write("skills.json", json!({ "skills": entries }).to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
        command
            .arg("serve")
            .env_clear()
            .env("MIMO_DATA_DIR", folder.join("data"))
            .env("MIMO_CONFIG_DIR", &config)
            .env("HOME", folder)
            .envs(
                skills
                    .iter()
                    .flat_map(|real| real.allowed.variables.clone()),
            )
            .stderr(Stdio::null());
        Mimo(Server::of(&mut command), 0)
    }

    fn result(&mut self, tool: &str, arguments: Value) -> Value {
        self.1 += 1;
        self.0.call(self.1, tool, arguments);
        result_of(&mut self.0, self.1)
    }

    /// The tools of a skill by their own names, from `skill_find`.
    pub fn tools(&mut self, skill: &str) -> BTreeMap<String, Value> {
        let names: Vec<String> = self.find(skill, "").into_keys().collect();
        let own = |name: &str| name.split_once("__").expect("two names").1.to_owned();
        // A long list is within a budget; who asks by name gets all of a tool.
        let mut whole = |name: String| {
            let found = self.find(skill, &name).remove(&name);
            (own(&name), found.expect("it was listed"))
        };
        names.into_iter().map(&mut whole).collect()
    }

    fn find(&mut self, skill: &str, query: &str) -> BTreeMap<String, Value> {
        let arguments = json!({"server": skill, "query": query, "limit": 100});
        let found = self.result("skill_find", arguments);
        let text = found["content"][0]["text"].as_str().expect("a text");
        let mut found: Value = serde_json::from_str(text).expect("a document");
        assert!(found["tools"].is_array(), "{found}\n{}", self.status());
        by_name(found["tools"].take(), "tool")
    }

    /// Calls a skill's tool by `by`.
    pub fn call(&mut self, by: &str, skill: &str, call: &Call) -> Answer {
        let arguments = json!({
            "tool": format!("{skill}__{}", call.tool),
            "arguments": call.arguments,
            "max_tokens": 200_000,
        });
        Answer::of(&self.result(by, arguments), call)
    }

    /// Calls a skill's tool by its own name.
    pub fn call_direct(&mut self, skill: &str, call: &Call) -> Answer {
        let tool = format!("{skill}__{}", call.tool);
        Answer::of(&self.result(&tool, call.arguments.clone()), call)
    }

    /// The error of a call without a result.
    pub fn refusal(&mut self, skill: &str, tool: &str) -> String {
        let tool = format!("{skill}__{tool}");
        let result = self.result("skill_call", json!({"tool": tool, "arguments": {}}));
        assert_eq!(result["isError"], true, "{result}");
        result["content"].to_string()
    }

    /// Initializes the session.
    pub fn initialize(&mut self) {
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": offered(),
            "clientInfo": {"name": "mimo", "version": "1"},
        });
        self.0.send(
            &json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}),
        );
        let answer = self.0.message();
        assert_eq!(
            answer["id"], "hello",
            "nothing comes before its answer: {answer}"
        );
    }

    /// The status of a skill.
    pub fn state(&mut self, skill: &str) -> Value {
        let status: Value = serde_json::from_str(&self.status()).expect("a document");
        let mut skills = status["skills"].as_array().expect("skills").iter();
        let found = skills.find(|each| each["name"] == skill);
        found
            .unwrap_or_else(|| panic!("no {skill}: {status}"))
            .clone()
    }

    /// Polls the status of a skill until `seen` is true.
    pub fn until(&mut self, skill: &str, seen: impl Fn(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        loop {
            let state = self.state(skill);
            if seen(&state) {
                return state;
            }
            assert!(start.elapsed() < crate::support::WATCHDOG, "{state}");
        }
    }

    /// The status of all skills, for failure messages.
    pub fn status(&mut self) -> String {
        let status = self.result("mimo_status", json!({"section": "skills"}));
        status["content"][0]["text"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    /// Closes the input and checks the exit.
    pub fn end(self) {
        assert!(self.0.exit().success());
    }
}
