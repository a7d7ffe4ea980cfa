//! Mimo over HTTP beside bare axum: the same requests at the same rate, in turns in one
//! run, with the CPU time of each server and the time to the last byte, counted from when
//! a request was due. Each figure is one line of JSON on standard output.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are its output, and the address of the bare server"
)]
#![allow(missing_docs, reason = "a program, not an interface")]

#[allow(dead_code, reason = "the other benches use the rest")]
mod measure;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use serde_json::{Value, json};
use support::{milliseconds, quantile};
use tokio::runtime::Builder;

const RATE: u32 = 300;
const SECONDS: u32 = 5;
const ROUNDS: usize = 5;
const CONNECTIONS: u32 = 10;
const MEMORIES: usize = 1_000;
/// One search among so many requests of the mix.
const SEARCH_EVERY: u32 = 10;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const PONG: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

fn main() {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    if has("bare") {
        return serve_bare(has("threads"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = prepare(folder.path());
    let mimo = Server::start(mimo(folder.path()).args(["serve", "--http", "127.0.0.1:0"]));
    let program = std::env::current_exe().expect("this program");
    let bare = Server::start(Command::new(&program).arg("bare"));
    let threads = Server::start(Command::new(program).args(["bare", "threads"]));
    store(&mimo, &key);
    let ping = request("/mcp", &key, PING);
    let search = json!({"tool": "memory_search", "arguments": {"query": "which port is used"}});
    let search = request("/v1/mimo/tool", &key, &search.to_string());
    let protocol = |_: u32| &*ping;
    let mix = |number: u32| match number % SEARCH_EVERY {
        0 => &*search,
        _ => &*ping,
    };
    let mut loads = [
        Load::new("ping on bare axum, on one thread"),
        Load::new("ping on bare axum, on the threads of Mimo"),
        Load::new("ping on Mimo"),
        Load::new("every tenth a search, on Mimo"),
    ];
    for round in 0..=ROUNDS {
        let [plain, threaded, pings, mixed] = &mut loads;
        plain.run(&bare, &protocol, round);
        threaded.run(&threads, &protocol, round);
        pings.run(&mimo, &protocol, round);
        mixed.run(&mimo, &mix, round);
    }
    let cpu = loads.map(Load::print);
    for (nth, name) in [(0, "one thread"), (1, "the threads of Mimo")] {
        let ratio = (cpu[2] / cpu[nth] * 100.0).round() / 100.0;
        println!(
            "{}",
            json!({"bench": "http", "figure": "cpu_a_ping_times_bare", "on": name, "ratio": ratio})
        );
    }
}

fn mimo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
    command
        .env_clear()
        .env("HOME", folder)
        .env("MIMO_DATA_DIR", folder.join("data"))
        .env("MIMO_CONFIG_DIR", folder.join("config"));
    command
}

/// Makes a key that the load does not exhaust; its text.
fn prepare(folder: &Path) -> String {
    let config = folder.join("config");
    fs::create_dir_all(&config).expect("made");
    fs::write(
        config.join("config.toml"),
        "[http]\nrequests_per_minute = 1000000\n",
    )
    .expect("written");
    let generated = mimo(folder)
        .args(["keys", "generate", "--name", "bench"])
        .output();
    let key = String::from_utf8(generated.expect("it runs").stdout).expect("UTF-8");
    key.trim().to_owned()
}

fn store(mimo: &Server, key: &str) {
    let mut connection = mimo.connect();
    for first in (0..MEMORIES).step_by(50) {
        let text = |number: usize| format!("Service {number} listens on port {}.", 2_000 + number);
        let memories = (first..first + 50).map(|number| json!({"content": text(number)}));
        let arguments = json!({"memories": memories.collect::<Vec<Value>>()});
        let call = json!({"tool": "memory_store", "arguments": arguments});
        connection.exchange(request("/v1/mimo/tool", key, &call.to_string()).as_bytes());
    }
}

fn request(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The least that axum does for a request: its body is read and parsed, and answered.
fn serve_bare(on_threads: bool) {
    let runtime = match on_threads {
        true => Builder::new_multi_thread().enable_all().build(),
        false => Builder::new_current_thread().enable_all().build(),
    };
    let answer = async |body: Bytes| {
        let parsed: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(parsed["method"], "ping");
        ([(CONTENT_TYPE, "application/json")], PONG)
    };
    let router = Router::new().route("/mcp", post(answer));
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("an address");
        eprintln!("http://{}/", listener.local_addr().expect("bound"));
        axum::serve(listener, router).await.expect("it serves");
    });
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("its address");
        let address = line.split(['/', ' ']).find_map(|part| part.parse().ok());
        // Read on, so that it never waits for a reader.
        thread::spawn(move || errors.read_to_end(&mut Vec::new()));
        Server {
            child,
            address: address.unwrap_or_else(|| panic!("no address in {line}")),
        }
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_nodelay(true).expect("set");
        Connection {
            stream: BufReader::new(stream),
        }
    }

    fn cpu_seconds(&self) -> f64 {
        support::cpu_time(self.child.id()).as_secs_f64()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Sends a request and reads the whole answer, which must be one of success.
    fn exchange(&mut self, request: &[u8]) {
        self.stream.get_mut().write_all(request).expect("sent");
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line).expect("a status");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            let (name, value) = line.split_once(": ").unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the body");
    }
}

struct Load {
    name: &'static str,
    latencies: Vec<Duration>,
    cpu: Vec<f64>,
}

impl Load {
    fn new(name: &'static str) -> Load {
        Load {
            name,
            latencies: Vec::new(),
            cpu: Vec::new(),
        }
    }

    /// Requests at a constant rate, whatever the answers take. The first round is a
    /// warm-up.
    fn run<'a>(
        &mut self,
        server: &Server,
        requests: &(impl Fn(u32) -> &'a str + Sync),
        round: usize,
    ) {
        let before = server.cpu_seconds();
        let (start, step) = (Instant::now(), Duration::from_secs(1) / RATE);
        let one = |connection: u32| {
            let mut open = server.connect();
            let numbers = (connection..RATE * SECONDS).step_by(CONNECTIONS as usize);
            let times = numbers.map(|number| {
                let due = start + step * number;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                open.exchange(requests(number / CONNECTIONS).as_bytes());
                due.elapsed()
            });
            times.collect::<Vec<_>>()
        };
        let times: Vec<Duration> = thread::scope(|scope| {
            let clients = (0..CONNECTIONS).map(|each| scope.spawn(move || one(each)));
            let clients: Vec<_> = clients.collect();
            let times = clients.into_iter().map(|each| each.join().expect("served"));
            times.flatten().collect()
        });
        if round > 0 {
            let spent = server.cpu_seconds() - before;
            self.cpu.push(spent * 1e6 / times.len() as f64);
            self.latencies.extend(times);
        }
    }

    /// The CPU time of one request, in microseconds.
    fn print(mut self) -> f64 {
        let cpu = measure::median(self.cpu);
        println!(
            "{}",
            json!({
                "bench": "http", "figure": self.name, "requests_a_second": RATE,
                "cpu_us_a_request": cpu.round(),
                "p50_us": quantile(&mut self.latencies, 0.5).round(),
                "p99_ms": milliseconds(&self.latencies, 0.99),
            })
        );
        cpu
    }
}
