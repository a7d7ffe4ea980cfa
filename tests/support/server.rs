//! The server with the users' tools on the test's own folders, called directly or
//! through a client that starts it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Server;

/// Mimo on the folders `data` and `config` in `folder`.
pub fn mimo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    on(&mut command, folder);
    command
}

/// Restricts `command` and its children to `folder`.
pub fn on(command: &mut Command, folder: &Path) {
    command
        .env_clear()
        .env("PATH", path())
        .env("HOME", folder)
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", folder.join("config"))
        .stderr(Stdio::null());
}

/// The search path of programs.
pub fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The result of a tool.
#[derive(Debug)]
pub struct Reply {
    /// Whether it said that it failed.
    pub is_error: bool,
    /// The JSON document in its text.
    pub document: Value,
}

impl Reply {
    /// Reads the result of a `tools/call`.
    pub fn of(result: &Value) -> Reply {
        let text = result["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("no text in {result}"));
        Reply {
            is_error: result["isError"] == true,
            document: serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}")),
        }
    }

    /// The document of a call that worked.
    pub fn good(self) -> Value {
        assert!(!self.is_error, "{}", self.document);
        self.document
    }

    /// The error of a call that failed.
    pub fn bad(self) -> Value {
        assert!(self.is_error, "{}", self.document);
        self.document["error"].clone()
    }
}

/// Initializes the session and returns the result.
pub fn initialize(server: &mut Server) -> Value {
    server.send(
        &json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        }}),
    );
    let answer = server.message();
    assert_eq!(answer["id"], "hello", "{answer}");
    answer["result"].clone()
}

/// Calls a tool and waits for its result.
pub fn ask(server: &mut Server, tool: &str, arguments: Value) -> Reply {
    server.call(tool, tool, arguments);
    let answer = server.message();
    assert_eq!(answer["id"], tool, "{answer}");
    Reply::of(&answer["result"])
}
