//! A folder of a team, its servers, and a client that speaks to their sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::http::HttpServer;
use crate::support::{WATCHDOG, server};

pub const SESSION: &str = "mcp-session-id";

/// A folder with keys, on which servers are started.
pub struct Team {
    folder: tempfile::TempDir,
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

    pub fn serve(&self, arguments: &[&str]) -> Http {
        let mut command = server::mimo(self.folder());
        let server = HttpServer::of(&mut command, arguments);
        let address = server.address;
        Http { server, address }
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
    pub fn signal(&self, signal: Signal) {
        self.server.signal(signal);
    }

    pub fn exit(self) -> ExitStatus {
        self.server.exit()
    }

    /// Sends a request; the connection stays open for the answer's body.
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(WATCHDOG)).expect("a bound");
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        // A server that refuses early may have closed already.
        let _ = stream.write_all(head.as_bytes());
        Answer::read(stream)
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

/// The head of an answer, and its body to come.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    stream: BufReader<TcpStream>,
}

pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }
}

impl Answer {
    fn read(stream: TcpStream) -> Answer {
        let mut stream = BufReader::new(stream);
        let first = line(&mut stream);
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
        let mut headers = BTreeMap::new();
        loop {
            let line = line(&mut stream);
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.insert(name.to_owned(), value.to_owned());
        }
        Answer {
            status,
            headers,
            stream,
        }
    }

    /// The next chunk of a body without a length; `None` at its end.
    fn chunk(&mut self) -> Option<String> {
        let length = line(&mut self.stream);
        let length = usize::from_str_radix(&length, 16).unwrap_or_else(|_| panic!("{length:?}"));
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).expect("a chunk");
        chunk.truncate(length);
        (length > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
    }

    /// The next event of a stream that is no comment: its id and its data.
    pub fn event(&mut self) -> Option<(String, String)> {
        loop {
            let chunk = self.chunk()?;
            let field = |name: &str| {
                let mut lines = chunk.lines();
                lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
            };
            if let Some(data) = field("data:") {
                return Some((field("id:").unwrap_or_default(), data));
            }
        }
    }

    pub fn whole(mut self) -> Reply {
        let length = self.headers.get("content-length");
        let length = length.and_then(|length| length.parse::<usize>().ok());
        let mut body = String::new();
        match length {
            Some(length) => {
                let mut bytes = vec![0; length];
                self.stream.read_exact(&mut bytes).expect("a body");
                body = String::from_utf8(bytes).expect("UTF-8");
            }
            None if self.headers.contains_key("transfer-encoding") => {
                while let Some(chunk) = self.chunk() {
                    body += &chunk;
                }
            }
            None => {}
        }
        Reply {
            status: self.status,
            headers: self.headers,
            body,
        }
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}
