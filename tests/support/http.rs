//! The server over HTTP as a child process, and requests to it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{WATCHDOG, lines_of, wait};

/// A running server; killed when this is dropped.
pub struct HttpServer {
    child: Child,
    pub address: SocketAddr,
    /// The lines of stderr after the one with the address.
    pub errors: Receiver<String>,
}

impl HttpServer {
    /// Starts `command`, which serves on a port that the system chooses.
    pub fn of(command: &mut Command, arguments: &[&str]) -> HttpServer {
        HttpServer::at("127.0.0.1:0", command, arguments)
    }

    pub fn at(address: &str, command: &mut Command, arguments: &[&str]) -> HttpServer {
        let mut child = command
            .args(["serve", "--http", address])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let errors = lines_of(child.stderr.take().expect("stderr"));
        let mut lines = std::iter::from_fn(|| errors.recv_timeout(WATCHDOG).ok());
        let line = lines.find(|line| line.contains("http://"));
        let line = line.expect("a line with its address");
        let address = line.split(['/', ' ']).find_map(|part| part.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line}"));
        HttpServer {
            child,
            address,
            errors,
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    pub fn exit(mut self) -> ExitStatus {
        self.wait()
    }

    /// Waits for its exit.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// Waits for its exit; the rest of stderr.
    pub fn last_words(mut self) -> String {
        wait(&mut self.child);
        let lines: Vec<String> = self.errors.iter().collect();
        lines.join("\n")
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a connection of its own, on which the answer comes.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(WATCHDOG)).expect("a bound");
    let host = address.to_string();
    let mut all = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "Host") {
        all.insert(0, ("Host", &host));
    }
    send(stream, method, path, &all, body)
}

/// Sends a request on `stream`, on which the answer comes.
pub fn send<S: Write>(
    mut stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> S {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    // A server that refuses early may have closed already.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    stream
}

/// The head of an answer, and its body to come.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    stream: BufReader<Box<dyn Read + Send>>,
    events: VecDeque<(String, String)>,
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
    pub fn read(stream: impl Read + Send + 'static) -> Answer {
        let mut stream: BufReader<Box<dyn Read + Send>> = BufReader::new(Box::new(stream));
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
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Answer {
            status,
            headers,
            stream,
            events: VecDeque::new(),
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
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = self.chunk()?;
            // Events that were ready together come in one chunk.
            self.events.extend(chunk.split("\n\n").filter_map(|event| {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                };
                Some((field("id:").unwrap_or_default(), field("data:")?))
            }));
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

fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}
