//! Clients of the scenario: SDKs, driven over the pipes of a small script, and the
//! inspector, started once for each request.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::machine::{self, Found};
use crate::support::server::{Reply, on};
use crate::support::{WATCHDOG, lines_of, wait};

/// The Python interpreter with the SDK.
pub fn python_sdk() -> Found<PathBuf> {
    machine::venv("python", &["mcp==2.3.0"])
}

/// The folder with the TypeScript SDKs and the inspector.
pub fn node_packages() -> Found<PathBuf> {
    let packages = [
        "@modelcontextprotocol/sdk@1.32.2",
        "@modelcontextprotocol/client@2.4.0",
        "@modelcontextprotocol/inspector@2.12.0",
    ];
    machine::npm("node", &packages)
}

/// A client of the scenario.
pub trait Client {
    /// The tools as the client returns them.
    fn list(&mut self) -> Vec<Value>;
    /// The result of a tool, or the client's error.
    fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String>;
    /// Closes the client and returns the exit codes of its servers in order.
    fn close(self: Box<Self>) -> String;
}

/// The client's entry for the server. A shell records the exit code, which
/// clients do not report, and the entry sets the variables, which clients do
/// not pass on.
pub fn server(folder: &Path) -> Value {
    let note = r#""$@"; echo $? >> "$0""#;
    json!({
        "command": "/bin/sh",
        "args": ["-c", note, folder.join("exits"), env!("CARGO_BIN_EXE_mimo"), "serve"],
        "env": {"MIMO_DATA_DIR": folder.join("data"), "MIMO_CONFIG_DIR": folder.join("config")},
    })
}

/// Waits for `count` recorded exit codes, since a client may exit before its
/// server.
fn exits(folder: &Path, count: usize) -> String {
    let start = Instant::now();
    loop {
        let noted = fs::read_to_string(folder.join("exits")).unwrap_or_default();
        if noted.lines().count() == count {
            return noted;
        }
        let late = start.elapsed() > WATCHDOG;
        assert!(!late, "{count} servers should have ended, not {noted:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// An SDK driven by a script.
pub struct Sdk {
    script: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    folder: PathBuf,
}

impl Sdk {
    /// The Python SDK by its `client` or its `session`; it speaks `protocol`.
    pub fn python(kind: &str, folder: &Path, protocol: &str) -> Box<dyn Client> {
        Box::new(Sdk::python_on(&server(folder), kind, folder, protocol))
    }

    /// The same as the client of another server.
    pub fn python_on(server: &Value, kind: &str, folder: &Path, protocol: &str) -> Sdk {
        let mut command = Command::new(python_sdk().expect("packages"));
        command.args(["-c", include_str!("client.py")]);
        Sdk::start(command, server, kind, folder, protocol)
    }

    /// The TypeScript SDK up to 1.x (`sdk`), or the later one (`legacy`, `auto`).
    pub fn typescript(kind: &str, folder: &Path, protocol: &str) -> Box<dyn Client> {
        Box::new(Sdk::typescript_on(&server(folder), kind, folder, protocol))
    }

    /// The same as the client of another server.
    pub fn typescript_on(server: &Value, kind: &str, folder: &Path, protocol: &str) -> Sdk {
        let mut command = Command::new(machine::node().expect("node"));
        // A module given this way finds its packages from the working folder.
        command
            .args(["--input-type=module", "--eval"])
            .args([include_str!("client.mjs"), "--"])
            .current_dir(node_packages().expect("packages"));
        Sdk::start(command, server, kind, folder, protocol)
    }

    fn start(
        mut command: Command,
        server: &Value,
        kind: &str,
        folder: &Path,
        protocol: &str,
    ) -> Sdk {
        on(&mut command, folder);
        let mut script = command
            .args([kind, &server.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("complaints")).expect("a file"))
            .spawn()
            .expect("the client starts");
        let orders = script.stdin.take().expect("its input");
        let answers = lines_of(script.stdout.take().expect("its output"));
        let mut client = Sdk {
            script,
            orders,
            answers,
            folder: folder.to_owned(),
        };
        assert_eq!(client.answer()["protocol"], protocol);
        client
    }

    /// A page of a list as the client returns it.
    pub fn page(&mut self, method: &str, cursor: Option<&str>) -> Value {
        let mut order = json!({"do": "list", "method": method});
        if let Some(cursor) = cursor {
            order["cursor"] = cursor.into();
        }
        let mut answer = self.order(&order);
        assert!(answer["result"].is_object(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The `result` or the `error` of a tool.
    pub fn outcome(&mut self, tool: &str, arguments: Value) -> Value {
        self.order(&json!({"do": "call", "name": tool, "arguments": arguments}))
    }

    /// The `result` or the `error` of reading a resource.
    pub fn read(&mut self, uri: &str) -> Value {
        self.order(&json!({"do": "read", "uri": uri}))
    }

    /// The `result` or the `error` of getting a prompt.
    pub fn prompt(&mut self, name: &str) -> Value {
        self.order(&json!({"do": "get", "name": name}))
    }

    /// Closes the client.
    pub fn end(mut self) {
        drop(self.orders);
        let status = wait(&mut self.script);
        assert!(status.success(), "the client ended with {status}");
    }

    fn order(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").expect("the client listens");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let line = self.answers.recv_timeout(WATCHDOG).unwrap_or_else(|why| {
            let complaints = fs::read_to_string(self.folder.join("complaints"));
            panic!("{why}; the client said: {}", complaints.unwrap_or_default())
        });
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"))
    }
}

impl Client for Sdk {
    fn list(&mut self) -> Vec<Value> {
        let tools = self.page("tools/list", None)["tools"].take();
        tools.as_array().expect("tools").clone()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String> {
        let answer = self.outcome(tool, arguments);
        match &answer["result"] {
            Value::Null => Err(answer["error"].to_string()),
            result => Ok(Reply::of(result)),
        }
    }

    fn close(self: Box<Self>) -> String {
        let folder = self.folder.clone();
        self.end();
        exits(&folder, 1)
    }
}

/// The inspector's command line, which starts the server for each request.
pub struct Inspector {
    node: PathBuf,
    program: PathBuf,
    folder: PathBuf,
    started: usize,
}

impl Inspector {
    /// An inspector whose servers keep to `folder`.
    pub fn new(folder: &Path) -> Inspector {
        let entry = json!({"mcpServers": {"mimo": server(folder)}});
        fs::write(folder.join("inspector.json"), entry.to_string()).expect("its settings");
        let packages = node_packages().expect("packages");
        Inspector {
            node: machine::node().expect("node"),
            program: packages.join("node_modules/.bin/mcp-inspector"),
            folder: folder.to_owned(),
            started: 0,
        }
    }

    /// Runs the inspector; its exit code and output.
    fn run(&mut self, arguments: &[&str]) -> (Option<i32>, String) {
        self.started += 1;
        let mut command = Command::new(&self.node);
        on(&mut command, &self.folder);
        let done = command
            .arg(&self.program)
            .env("MCP_INSPECTOR_SECRET_STORE", "memory")
            .args(["--cli", "--server", "mimo", "--config"])
            .arg(self.folder.join("inspector.json"))
            .args(arguments)
            .stderr(Stdio::piped())
            .output()
            .expect("the inspector starts");
        // Its own errors go to stderr, with an empty stdout.
        let printed = match done.stdout.is_empty() {
            true => done.stderr,
            false => done.stdout,
        };
        (
            done.status.code(),
            String::from_utf8_lossy(&printed).into_owned(),
        )
    }
}

impl Client for Inspector {
    fn list(&mut self) -> Vec<Value> {
        // --strict also fails on schemas that some clients could not read.
        let (code, printed) = self.run(&["--method", "tools/list", "--strict"]);
        assert_eq!(code, Some(0), "{printed}");
        let listed: Value = serde_json::from_str(&printed).expect("JSON");
        listed["tools"].as_array().expect("tools").clone()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String> {
        let pair = |(name, value): (&String, &Value)| {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            format!("{name}={value}")
        };
        let pairs: Vec<String> = arguments
            .as_object()
            .expect("an object")
            .iter()
            .map(pair)
            .collect();
        let mut words = vec!["--method", "tools/call", "--tool-name", tool];
        words.extend(pairs.iter().flat_map(|pair| ["--tool-arg", pair.as_str()]));
        let (code, printed) = self.run(&words);
        match serde_json::from_str::<Value>(&printed) {
            // 5 is its exit code for a tool that said it failed.
            Ok(result) if matches!(code, Some(0 | 5)) => Ok(Reply::of(&result)),
            _ => Err(printed),
        }
    }

    fn close(self: Box<Self>) -> String {
        exits(&self.folder, self.started)
    }
}
