//! A client as the story sees it, and the two kinds there are: SDKs, steered
//! over the pipes of a small script, and the inspector, started once a request.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::installed;
use crate::server::{Reply, on};
use crate::support::{WATCHDOG, lines_of, wait};

/// What the story needs of a client.
pub trait Client {
    /// The tools, as the client hands them out.
    fn list(&mut self) -> Vec<Value>;
    /// What a tool answered, or the client's error.
    fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String>;
    /// Closes it. What its servers exited with, in their order.
    fn close(self: Box<Self>) -> String;
}

/// How a client is to start the server: through a shell that notes what the
/// server exited with, since no client tells.
fn entry(folder: &Path) -> (String, Vec<String>) {
    let script = r#""$@"; echo $? >> "$0""#.to_owned();
    let exits = folder.join("exits").to_string_lossy().into_owned();
    let arguments = ["-c".to_owned(), script, exits];
    let server = [env!("CARGO_BIN_EXE_mimo").to_owned(), "serve".to_owned()];
    ("/bin/sh".to_owned(), [&arguments[..], &server].concat())
}

/// The variables that the server needs; clients pass on few of their own.
fn variables(folder: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("MIMO_DATA_DIR", folder.join("data")),
        ("MIMO_CONFIG_DIR", folder.join("config")),
    ]
}

/// The exits that were noted, once there are `count`: a client may be gone
/// before its server.
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

/// An SDK behind a script that follows orders.
pub struct Sdk {
    script: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    folder: PathBuf,
}

impl Sdk {
    /// The Python SDK by its `client` or its `session`; it speaks `protocol`.
    pub fn python(kind: &str, folder: &Path, protocol: &str) -> Box<dyn Client> {
        let mut command = Command::new(installed::python());
        command.args(["-c", include_str!("client.py")]);
        Sdk::start(command, kind, folder, protocol)
    }

    /// The TypeScript SDK up to 1.x (`sdk`), or the later one (`legacy`, `auto`).
    pub fn typescript(kind: &str, folder: &Path, protocol: &str) -> Box<dyn Client> {
        let mut command = Command::new("node");
        // A module given this way finds its packages from the working folder.
        command
            .args(["--input-type=module", "--eval"])
            .args([include_str!("client.mjs"), "--"])
            .current_dir(installed::node());
        Sdk::start(command, kind, folder, protocol)
    }

    fn start(mut command: Command, kind: &str, folder: &Path, protocol: &str) -> Box<dyn Client> {
        let (program, arguments) = entry(folder);
        let variables: Value = variables(folder)
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let server = json!({"command": program, "args": arguments, "env": variables});
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
        let mut client = Box::new(Sdk {
            script,
            orders,
            answers,
            folder: folder.to_owned(),
        });
        assert_eq!(client.answer()["protocol"], protocol);
        client
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
        let answer = self.order(&json!({"do": "list"}));
        answer["tools"].as_array().expect("tools").clone()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String> {
        let answer = self.order(&json!({"do": "call", "name": tool, "arguments": arguments}));
        match &answer["result"] {
            Value::Null => Err(answer["error"].to_string()),
            result => Ok(Reply::of(result)),
        }
    }

    fn close(mut self: Box<Self>) -> String {
        drop(self.orders);
        let status = wait(&mut self.script);
        assert!(status.success(), "the client ended with {status}");
        exits(&self.folder, 1)
    }
}

/// The inspector's command line, which starts the server for each request.
pub struct Inspector {
    program: PathBuf,
    folder: PathBuf,
    started: usize,
}

impl Inspector {
    /// An inspector whose servers keep to `folder`.
    pub fn new(folder: &Path) -> Inspector {
        Inspector {
            program: installed::node().join("node_modules/.bin/mcp-inspector"),
            folder: folder.to_owned(),
            started: 0,
        }
    }

    /// Runs it; its exit code and what it printed.
    pub fn run(&mut self, arguments: &[impl AsRef<OsStr>]) -> (Option<i32>, String) {
        self.started += 1;
        let (program, server) = entry(&self.folder);
        let mut command = Command::new(&self.program);
        on(&mut command, &self.folder);
        command.env("MCP_CATALOG_PATH", self.folder.join("catalog.json"));
        command.arg("--cli").arg(program);
        for (name, value) in variables(&self.folder) {
            command.arg("-e").arg(format!("{name}={}", value.display()));
        }
        // What follows is the server's, so that its own -c is not taken here.
        let done = command
            .args(arguments)
            .arg("--")
            .args(server)
            .stderr(Stdio::piped())
            .output()
            .expect("the inspector starts");
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        if printed.is_empty() {
            return (
                done.status.code(),
                String::from_utf8_lossy(&done.stderr).into_owned(),
            );
        }
        (done.status.code(), printed)
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
        let mut words = ["--method", "tools/call", "--tool-name", tool]
            .map(str::to_owned)
            .to_vec();
        for (name, value) in arguments.as_object().expect("an object") {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            words.extend(["--tool-arg".to_owned(), format!("{name}={value}")]);
        }
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
