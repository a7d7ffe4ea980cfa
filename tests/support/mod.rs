//! The real binary as a child process: lines, signals and exit. It waits for
//! events, never for time to pass; a watchdog turns a hang into a failure.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod children;
pub mod definitions;
pub mod fixture;
pub mod http;
#[macro_use]
pub mod machine;
pub mod odd;
pub mod official;
pub mod popular;
pub mod postgres;
pub mod random;
pub mod registry;
pub mod relay;
pub mod server;
pub mod terminal;
pub mod tools;
pub mod web;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for an event before it fails as a hang.
pub const WATCHDOG: Duration = Duration::from_secs(100);

/// The binary under test with the test tools, on its own folders.
pub fn command(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .args(["serve", "--fixture-tools"])
        .env_clear()
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", folder.join("config"))
        .env("HOME", folder)
        .stderr(Stdio::null());
    command
}

pub fn call_of(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    let id: Value = id.into();
    json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":tool,"arguments":arguments}})
}

/// A running server with pipes for stdin and stdout.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Server::of(&mut command(folder.path()));
        server._folder = Some(folder);
        server
    }

    /// Starts `command` with pipes for stdin and stdout.
    pub fn of(command: &mut Command) -> Server {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("its output");
        Server {
            child,
            input,
            lines: lines_of(output),
            _folder: None,
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("the server reads");
    }

    /// Writes to a server that may be gone.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(bytes)
    }

    pub fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    pub fn call(&mut self, id: impl Into<Value>, tool: &str, arguments: Value) {
        self.send(&call_of(id, tool, arguments));
    }

    pub fn end(&mut self) {
        self.input = None;
    }

    /// The next line, or nothing if its output ended.
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(WATCHDOG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came"),
        }
    }

    pub fn message(&mut self) -> Value {
        let line = self.line().expect("another line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub fn exit(mut self) -> ExitStatus {
        self.input = None;
        wait(&mut self.child)
    }

    /// Waits for its exit while its input stays open.
    pub fn exit_by_itself(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        nix::sys::signal::kill(pid, signal).expect("the signal is sent");
    }

    /// The most memory it ever held, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes
            .and_then(|kb| kb.parse::<u64>().ok())
            .expect("VmHWM")
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test leaves no process behind; others have waited for the
        // exit already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's exit, within the watchdog's time.
pub fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return status;
        }
        assert!(start.elapsed() < WATCHDOG, "the server does not exit");
        // std has no wait with a timeout; this is the polling interval.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The lines of a stream, read by a thread.
pub fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
