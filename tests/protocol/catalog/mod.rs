//! Prompts, completion, resources and their notifications, through the real binary
//! and both lifecycles.

mod completion;
mod listing;
mod notifications;
mod prompts;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The protocol's lifecycle that a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    /// A session that begins with `initialize`.
    Session,
    /// Each request carries its client's revision and capabilities.
    Stateless,
}

const BOTH: [Lifecycle; 2] = [Lifecycle::Session, Lifecycle::Stateless];

/// A server and its client, which keeps notifications that arrive meanwhile.
struct Mimo {
    server: Server,
    folder: Arc<TempDir>,
    lifecycle: Lifecycle,
    told: Vec<Value>,
    /// The canary resource of the last subscription.
    canary: Option<String>,
    id: u64,
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .args(arguments)
        .env_clear()
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", folder.join("config"))
        .env("HOME", folder)
        .stderr(Stdio::null());
    command
}

impl Mimo {
    fn start(lifecycle: Lifecycle) -> Mimo {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Mimo::beside(folder, lifecycle, "website")
    }

    /// Another server on the same file, for this project.
    fn beside(folder: Arc<TempDir>, lifecycle: Lifecycle, project: &str) -> Mimo {
        let arguments = ["serve", "--project", project];
        let mut mimo = Mimo {
            server: Server::of(&mut command(folder.path(), &arguments)),
            folder,
            lifecycle,
            told: Vec::new(),
            canary: None,
            id: 0,
        };
        if lifecycle == Lifecycle::Session {
            mimo.hello();
            mimo.server
                .send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        mimo
    }

    /// The result of `initialize`.
    fn hello(&mut self) -> Value {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        self.request("initialize", hello)
    }

    fn send(&mut self, method: &str, mut params: Value) -> u64 {
        self.id += 1;
        if self.lifecycle == Lifecycle::Stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.server
            .send(&json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}));
        self.id
    }

    /// The answer to the request with this id.
    fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.server.message();
            if message["id"] == id {
                return message;
            }
            self.told.push(message);
        }
    }

    fn exchange(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.exchange(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }

    fn refusal(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.exchange(method, params);
        assert!(answer.get("result").is_none(), "{answer}");
        answer["error"].take()
    }

    fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let result = self.request("tools/call", json!({"name": name, "arguments": arguments}));
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert_ne!(result["isError"], true, "{text}");
        serde_json::from_str(text).expect("a document")
    }

    fn store(&mut self, memory: Value) -> i64 {
        let stored = self.tool("memory_store", memory);
        stored["results"][0]["id"].as_i64().expect("an id")
    }

    fn prompt(&mut self, name: &str, arguments: Value) -> String {
        let got = self.request("prompts/get", json!({"name": name, "arguments": arguments}));
        let message = &got["messages"][0];
        assert_eq!(message["role"], "user", "{got}");
        message["content"]["text"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    /// Waits for this notification and drops earlier ones.
    fn wait_for(&mut self, method: &str) -> Value {
        let mut told = std::mem::take(&mut self.told).into_iter();
        if let Some(found) = told.find(|each| each["method"] == method) {
            self.told = told.collect();
            return found;
        }
        loop {
            let message = self.server.message();
            if message["method"] == method {
                return message;
            }
        }
    }

    /// Waits for the next resource update.
    fn updated(&mut self) -> String {
        loop {
            let told = self.wait_for("notifications/resources/updated");
            let uri = told["params"]["uri"].as_str().expect("a URI").to_owned();
            if self.canary.as_ref() != Some(&uri) {
                return uri;
            }
        }
    }

    /// Watches these by a request each, or by a subscription. The
    /// acknowledgment comes before the subscription starts, so a canary
    /// resource shows when it has.
    fn watch(&mut self, uris: &[&str]) {
        if self.lifecycle == Lifecycle::Session {
            for uri in uris {
                self.request("resources/subscribe", json!({ "uri": uri }));
            }
            return;
        }
        let canary =
            |state: &str| json!({"content": format!("The canary {state}"), "topic_key": "canary"});
        let id = self.store(canary("sleeps"));
        let canary_uri = format!("mimo://memory/{id}");
        let mut all = uris.to_vec();
        all.push(&canary_uri);
        self.listen(json!({ "resourceSubscriptions": all }));
        self.store(canary("sings"));
        self.canary = None;
        while self.updated() != canary_uri {}
        self.canary = Some(canary_uri);
    }

    fn listen(&mut self, notifications: Value) {
        let asked = json!({ "notifications": notifications });
        self.send("subscriptions/listen", asked);
        self.wait_for("notifications/subscriptions/acknowledged");
    }

    fn end(self) {
        assert!(self.server.exit().success());
    }
}

/// A procedure that completes immediately.
fn procedure(name: &str, description: &str) -> Value {
    json!({"definition": {
        "name": name, "version": "1.0.0", "initial_state": "done",
        "description": description,
        "context_schema": {"type": "object", "properties": {
            "to": {"enum": ["staging", "production", "Preview"]},
            "who": {"type": "string"},
        }},
        "states": {"done": {"end": true}},
    }})
}
