//! A folder of a team, its servers, and a client that speaks to their sockets.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::support::http::{Answer, Reply};
use crate::support::http::{HttpServer, request};
use crate::support::{fixture, server};

pub const SESSION: &str = "mcp-session-id";

/// A folder with keys, on which servers are started.
pub struct Team {
    folder: TempDir,
}

impl Team {
    pub fn new() -> Team {
        Team {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command to its end; its exit code, stdout and stderr.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = server::mimo(self.folder());
        let output = command.args(arguments).stderr(Stdio::piped()).output();
        let output = output.expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Makes a key; its text.
    pub fn key(&self, arguments: &[&str]) -> String {
        let (code, out, err) =
            self.run(&[&["keys", "generate", "--name", "a key"], arguments].concat());
        assert_eq!(code, Some(0), "{err}");
        out.trim().to_owned()
    }

    pub fn settings(&self, text: &str) {
        let folder = self.folder().join("config");
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("config.toml"), text).expect("written");
    }

    /// Adds a skill: `program` on a file `name` with this text, which lasts as long as
    /// the folder that is returned.
    pub fn add_skill(&self, skill: &str, program: &Path, name: &str, text: &str) -> TempDir {
        let trusted = fixture::trusted_dir();
        let script = trusted.path().join(name);
        std::fs::write(&script, text).expect("written");
        let parent = program.parent().expect("a folder").display();
        let command = program.file_name().expect("a name").to_string_lossy();
        self.settings(&format!(
            "[skills]\ncommands = [\"{command}\"]\npath = [\"{parent}\"]\n"
        ));
        let config = self.folder().join("config");
        let entry = json!({"skills": {skill: {"command": command, "args": [script]}}});
        std::fs::write(config.join("skills.json"), entry.to_string()).expect("written");
        for file in ["config.toml", "skills.json"] {
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(config.join(file), private).expect("set");
        }
        trusted
    }

    pub fn serve(&self, arguments: &[&str]) -> Http {
        let mut command = server::mimo(self.folder());
        Http::of(HttpServer::of(&mut command, arguments))
    }
}

impl Team {
    /// Serves on the address of a server that has ended.
    pub fn serve_again(&self, address: SocketAddr, arguments: &[&str]) -> Http {
        let mut command = server::mimo(self.folder());
        let address = address.to_string();
        Http::of(HttpServer::at(&address, &mut command, arguments))
    }
}

/// The part of a key's text by which commands name it.
pub fn id(key: &str) -> &str {
    &key["mimo_".len()..][..8]
}

/// A running server.
pub struct Http {
    server: HttpServer,
    pub address: SocketAddr,
}

impl Http {
    pub fn of(server: HttpServer) -> Http {
        let address = server.address;
        Http { server, address }
    }

    pub fn signal(&self, signal: Signal) {
        self.server.signal(signal);
    }

    pub fn exit(self) -> ExitStatus {
        self.server.exit()
    }

    pub fn last_words(self) -> String {
        self.server.last_words()
    }

    /// Sends a request; the connection stays open for the answer's body.
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let body = body.as_bytes();
        Answer::read(request(self.address, method, path, headers, body))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.open(method, path, headers, body).whole()
    }

    pub fn get(&self, path: &str, key: &str) -> Reply {
        self.send("GET", path, &[("Authorization", &bearer(key))], "")
    }

    /// Calls a tool as a script does; the status and the document.
    pub fn tool(&self, key: &str, tool: &str, arguments: Value) -> (u16, Value) {
        let body = json!({"tool": tool, "arguments": arguments}).to_string();
        let headers = [
            ("Authorization", &*bearer(key)),
            ("Content-Type", "application/json"),
        ];
        let reply = self.send("POST", "/v1/mimo/tool", &headers, &body);
        (reply.status, reply.json())
    }

    /// Posts a message to `/mcp`.
    pub fn post(&self, key: &str, session: Option<&str>, message: &Value) -> Answer {
        let key = bearer(key);
        let mut headers = vec![
            ("Authorization", key.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(session.map(|id| (SESSION, id)));
        self.open("POST", "/mcp", &headers, &message.to_string())
    }

    /// Opens a session; its id.
    pub fn initialize(&self, key: &str) -> String {
        let client = json!({"name": "test", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = self.post(key, None, &message).whole();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.headers[SESSION].clone()
    }
}

pub fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}
