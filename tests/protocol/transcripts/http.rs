//! The transcripts over HTTP: every frame is posted, and the lines that come back are
//! those of stdio, byte for byte.
//!
//! A transcript that initializes goes on in the session that it opens; one that cancels
//! is given a session, in which another request can do so; all others have none. Frames
//! of 2026-07-28 get the headers of that revision. Blank lines are no frames. The end
//! of the input is SIGTERM.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, scope, spawn};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Lines, play, transcripts};
use crate::support::http::{Answer, HttpServer, request};
use crate::support::{Server, WATCHDOG, server};

/// Transcripts that HTTP cannot repeat, and why.
const LEFT_OUT: &[(&str, &str)] = &[(
    "subscription_cancelled.jsonl",
    "clients of 2026-07-28 cancel over HTTP by closing the connection",
)];

const KEY: &str = "the key of the transcripts over HTTP";
const SESSION: &str = "mcp-session-id";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

#[test]
fn every_transcript_holds_over_http() {
    let files = Mutex::new(transcripts().into_iter());
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some(file) = files.lock().expect("no panic").next() else {
                return;
            };
            let name = file.file_name().expect("a name").to_string_lossy();
            if LEFT_OUT.iter().any(|(left_out, _)| *left_out == name) {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a transcript");
            // A hang panics, and the others go on.
            let compared = catch_unwind(|| compare(&text));
            if let Err(why) = compared.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                failed
                    .lock()
                    .expect("no panic")
                    .push(format!("{name}: {why}"));
            }
        }
    };
    // Some wait for the end of a server, which takes connections for a while longer.
    scope(|scope| (0..6).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn compare(transcript: &str) -> Result<(), String> {
    let mut over_stdio = play(transcript, Server::start())?;
    let mut over_http = play(transcript, Http::start(transcript))?;
    // Those of concurrent calls come in any order.
    over_stdio.sort();
    over_http.sort();
    match over_http == over_stdio {
        true => Ok(()),
        false => Err(format!("{over_http:#?}\nbut over stdio\n{over_stdio:#?}")),
    }
}

/// A server to which lines are posted.
struct Http {
    server: HttpServer,
    session: Option<String>,
    /// What is no whole line yet.
    rest: Vec<u8>,
    lines: Receiver<String>,
    /// For the threads that read answers; dropped after the last request.
    line: Option<Sender<String>>,
    readers: Vec<Reader>,
    is_signaled: bool,
    _folder: tempfile::TempDir,
}

struct Reader {
    thread: JoinHandle<()>,
    /// Gets a message when the head of the answer has come.
    head: Receiver<()>,
}

impl Http {
    fn start(transcript: &str) -> Http {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = server::mimo(folder.path());
        let server = HttpServer::of(command.env("MIMO_API_KEY", KEY), &["--fixture-tools"]);
        let (line, lines) = channel();
        let mut http = Http {
            server,
            session: None,
            rest: Vec::new(),
            lines,
            line: Some(line),
            readers: Vec::new(),
            is_signaled: false,
            _folder: folder,
        };
        if transcript.contains("notifications/cancelled") && !transcript.contains("initialize") {
            let client = json!({"name": "t", "version": "1"});
            let params =
                json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
            let message =
                json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
            http.initialize(message.to_string().as_bytes());
        }
        http
    }

    fn initialize(&mut self, frame: &[u8]) -> String {
        let reply = Answer::read(self.request(frame, &Value::Null)).whole();
        self.session = reply.headers.get(SESSION).cloned();
        reply.body
    }

    fn request(&self, frame: &[u8], message: &Value) -> TcpStream {
        let params = &message["params"];
        let mut headers = vec![
            ("Authorization", format!("Bearer {KEY}")),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
        ];
        headers.extend(self.session.clone().map(|id| (SESSION, id)));
        if let Some(version) = params["_meta"][VERSION].as_str() {
            headers.push(("MCP-Protocol-Version", version.to_owned()));
            let method = message["method"].as_str().unwrap_or_default();
            headers.push(("Mcp-Method", method.to_owned()));
            let name = params["name"].as_str().or(params["uri"].as_str());
            headers.extend(name.map(|name| ("Mcp-Name", name.to_owned())));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, it)| (*name, &**it)).collect();
        let address: SocketAddr = self.server.address;
        request(address, "POST", "/mcp", &headers, frame)
    }

    fn post(&mut self, frame: &[u8]) {
        let frame = frame.trim_ascii();
        if frame.is_empty() {
            return;
        }
        let line = self.line.clone().expect("nothing is sent after the end");
        let message: Value = serde_json::from_slice(frame).unwrap_or_default();
        let cancels = message["method"] == "notifications/cancelled";
        if cancels {
            // It is for requests that were sent before.
            self.wait_for_heads();
        }
        if message["method"] == "initialize" && self.session.is_none() {
            let is_stateless = message["params"]["_meta"][VERSION].is_string();
            if !is_stateless {
                let _ = line.send(self.initialize(frame));
                return;
            }
        }
        let stream = self.request(frame, &message);
        let (arrived, head) = channel();
        let thread = spawn(move || {
            let answer = Answer::read(stream);
            let _ = arrived.send(());
            read(answer, &line);
        });
        self.readers.push(Reader { thread, head });
        if cancels {
            self.wait_for_heads();
        }
    }

    fn wait_for_heads(&self) {
        for reader in &self.readers {
            // Fails where it was awaited already.
            let _ = reader.head.recv_timeout(WATCHDOG);
        }
    }

    fn flush(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.post(&rest);
    }
}

/// Takes the messages out of an answer.
fn read(mut answer: Answer, line: &Sender<String>) {
    let content = answer
        .headers
        .get("content-type")
        .map_or("", String::as_str);
    if content == "text/event-stream" {
        while let Some((_, data)) = answer.event() {
            // The first event of a session's stream has none.
            if !data.is_empty() {
                let _ = line.send(data);
            }
        }
        return;
    }
    let reply = answer.whole();
    assert_eq!(reply.body.is_empty(), reply.status == 202, "{}", reply.body);
    if !reply.body.is_empty() {
        let _ = line.send(reply.body);
    }
}

impl Lines for Http {
    fn write(&mut self, bytes: &[u8], _chunk: usize) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let frame: Vec<u8> = self.rest.drain(..=end).collect();
            self.post(&frame);
        }
    }

    fn end(&mut self) {
        self.flush();
        self.line = None;
        self.server.signal(Signal::SIGTERM);
        self.is_signaled = true;
    }

    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(WATCHDOG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came"),
        }
    }

    fn finish(mut self) -> Result<(), String> {
        self.flush();
        self.line = None;
        if let Some(line) = self.line() {
            return Err(format!("one line too many: {line}"));
        }
        for reader in self.readers {
            reader.thread.join().map_err(|_| "an answer is not whole")?;
        }
        match self.is_signaled {
            true if !self.server.exit().success() => Err("the exit failed".to_owned()),
            _ => Ok(()),
        }
    }
}
