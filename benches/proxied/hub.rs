//! npm's `mcp-hub` as a side: started with the same server, asked over plain
//! HTTP on connections that stay open.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

/// Timeout of its start.
const START: Duration = Duration::from_secs(60);

/// A running hub and the connections to it.
pub struct Hub {
    child: Child,
    connections: Vec<BufReader<TcpStream>>,
    request: String,
}

impl Hub {
    pub fn start(node: &Path, modules: &Path, folder: &Path, connections: usize) -> Hub {
        let program = std::env::current_exe().expect("this program");
        let servers =
            json!({"mcpServers": {"fast": {"command": program, "args": ["child", "ok"]}}});
        let settings = folder.join("hub.json");
        fs::write(&settings, servers.to_string()).expect("its settings");
        // Reserved and released: the hub cannot report the port of an ephemeral bind.
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let child = Command::new(node)
            .arg(modules.join("mcp-hub/dist/cli.js"))
            .args(["--port", &port.to_string(), "--config"])
            .arg(settings)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the hub starts");
        let body = json!({
            "server_name": "fast", "tool": "test_echo1", "arguments": {"text": "hello, world"},
        })
        .to_string();
        let request = format!(
            "POST /api/servers/tools HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut hub = Hub {
            child,
            connections: Vec::new(),
            request,
        };
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < START, "the hub does not start");
            let opened = TcpStream::connect(("127.0.0.1", port));
            hub.connections = opened.into_iter().map(BufReader::new).collect();
            if !hub.connections.is_empty() && hub.asked(0).contains("hello") {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        while hub.connections.len() < connections {
            let opened = TcpStream::connect(("127.0.0.1", port)).expect("another connection");
            opened.set_nodelay(true).expect("set");
            hub.connections.push(BufReader::new(opened));
        }
        hub
    }

    fn asked(&mut self, at: usize) -> String {
        self.send(at);
        self.receive(at)
    }

    fn send(&mut self, at: usize) {
        let stream = self.connections[at].get_mut();
        stream.write_all(self.request.as_bytes()).expect("it reads");
    }

    /// The body of the next answer.
    fn receive(&mut self, at: usize) -> String {
        let (connection, mut length, mut line) = (&mut self.connections[at], 0, String::new());
        loop {
            line.clear();
            connection.read_line(&mut line).expect("it answers");
            let header = line.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).expect("the body");
        String::from_utf8_lossy(&body).into_owned()
    }

    /// `flight` calls always open, one on each connection: the time of all.
    pub fn in_flight(&mut self, calls: usize, flight: usize) -> Duration {
        let start = Instant::now();
        (0..flight).for_each(|at| self.send(at));
        for call in flight..calls + flight {
            let at = call % flight;
            let body = self.receive(at);
            assert!(body.contains("hello"), "{body}");
            if call < calls {
                self.send(at);
            }
        }
        start.elapsed()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
