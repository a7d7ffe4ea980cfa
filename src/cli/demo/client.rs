//! A minimal MCP client over pipes to a Mimo of our own, so that what the demo shows is
//! the server's work.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::limits::{DEMO_ANSWER_SECONDS_MAX, DEMO_LINES_QUEUED_MAX};
use crate::skills::launcher::{OwnProcess, start_ourselves};

/// A connection to one server process.
pub(super) struct Client {
    process: OwnProcess,
    input: ChildStdin,
    lines: Receiver<io::Result<String>>,
    last_id: u64,
}

impl Client {
    /// Starts `executable` as a server whose files are all in `folder`.
    pub(super) fn start(executable: &Path, folder: &Path) -> Result<Client, Failure> {
        let folder = folder.as_os_str();
        let arguments = ["serve", "--data-dir"].map(OsStr::new);
        let arguments = [
            &arguments[..],
            &[folder, OsStr::new("--config-dir"), folder],
        ]
        .concat();
        let mut process = start_ourselves(executable, &arguments)?;
        let gone = || broken("the server has no pipes");
        let input = process.input.take().ok_or_else(gone)?;
        let output = process.output.take().ok_or_else(gone)?;
        let (sender, lines) = sync_channel(DEMO_LINES_QUEUED_MAX);
        // Ends with the process, or when the receiver is dropped.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Client {
            process,
            input,
            lines,
            last_id: 0,
        })
    }

    /// The handshake; returns the server's answer.
    pub(super) fn initialize(&mut self) -> Result<Value, Failure> {
        let answer = self.request("initialize", initialize_params())?;
        self.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(answer)
    }

    /// Sends a request and waits for its result.
    pub(super) fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let id = self.send(method, params)?;
        loop {
            let mut answer = self.next()?;
            if answer["id"] != id {
                continue;
            }
            if let Some(error) = answer.get("error") {
                return Err(broken(&format!("{method} was answered with {error}")));
            }
            return Ok(answer["result"].take());
        }
    }

    /// Sends a request without waiting, and returns its id.
    pub(super) fn send(&mut self, method: &str, params: Value) -> Result<u64, Failure> {
        self.last_id += 1;
        let id = self.last_id;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    /// The server's next answer. Notifications are skipped.
    pub(super) fn next(&mut self) -> Result<Value, Failure> {
        loop {
            let message = self.message()?;
            if is_answer(&message) {
                return Ok(message);
            }
        }
    }

    fn message(&mut self) -> Result<Value, Failure> {
        let wait = Duration::from_secs(DEMO_ANSWER_SECONDS_MAX);
        match self.lines.recv_timeout(wait) {
            Ok(Ok(line)) => serde_json::from_str(&line)
                .map_err(|error| broken(&format!("the server wrote {line:?}: {error}"))),
            Ok(Err(error)) => Err(broken(&format!("its answer cannot be read: {error}"))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(broken("the server ended before it answered"))
            }
            Err(RecvTimeoutError::Timeout) => Err(Failure::new(
                Kind::Timeout,
                format!("no answer within {DEMO_ANSWER_SECONDS_MAX} s"),
            )),
        }
    }

    /// Kills the server at once, and returns what it had answered until then.
    pub(super) fn kill(&mut self) -> Result<Vec<Value>, Failure> {
        let killed = self.process.kill();
        killed.map_err(|error| broken(&format!("it cannot be killed: {error}")))?;
        let whole = self.lines.iter().map_while(Result::ok);
        // The last line may be cut short: then it is no answer.
        Ok(whole
            .filter_map(|line| serde_json::from_str(&line).ok())
            .filter(is_answer)
            .collect())
    }

    /// Closes its stdin, as a client that quits does; returns whether it exited with 0.
    pub(super) fn close(self) -> Result<bool, Failure> {
        drop(self.input);
        let ended = self.process.wait();
        ended.map_err(|error| broken(&format!("its end cannot be waited for: {error}")))
    }

    fn write(&mut self, message: &Value) -> Result<(), Failure> {
        self.input
            .write_all(format!("{message}\n").as_bytes())
            .map_err(|error| broken(&format!("the server does not read any more: {error}")))
    }
}

fn is_answer(message: &Value) -> bool {
    message.get("method").is_none()
}

/// The parameters of `initialize`.
pub(super) fn initialize_params() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mimo-demo", "version": env!("CARGO_PKG_VERSION")}
    })
}

fn broken(what: &str) -> Failure {
    Failure::new(Kind::Unavailable, what)
}
