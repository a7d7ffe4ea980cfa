//! A client for measurements: a child server on pipes, lines written and read
//! as plainly as possible, and the figures made of the times.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "only some benches have skills")]
pub mod child;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "only some benches have skills")]
pub mod mimo;
pub mod stock;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A server and its pipes.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Client {
    /// Starts a server without the handshake.
    pub fn start(command: &mut Command) -> Client {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let input = child.stdin.take();
        let output = BufReader::with_capacity(1 << 16, child.stdout.take().expect("its output"));
        Client {
            child,
            input,
            output,
            line: Vec::new(),
        }
    }

    #[allow(dead_code, reason = "only some benches look at the process")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(line.as_bytes()).expect("the server reads");
    }

    pub fn receive(&mut self) -> &[u8] {
        self.line.clear();
        self.output
            .read_until(b'\n', &mut self.line)
            .expect("the server answers");
        assert!(!self.line.is_empty(), "the server has ended");
        &self.line
    }

    /// Reads lines up to the next response.
    pub fn answer(&mut self) -> &[u8] {
        while memchr::memmem::find(self.receive(), b"\"method\":").is_some() {}
        &self.line
    }

    /// The document of a tool's result.
    #[allow(dead_code, reason = "only some benches read answers")]
    pub fn document(&mut self, tool: &str, arguments: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool, "arguments": arguments,
        }});
        self.send(&format!("{request}\n"));
        let answer: Value = serde_json::from_slice(self.answer()).expect("JSON");
        let result = &answer["result"];
        assert_ne!(result["isError"], true, "{answer}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).expect("a document")
    }

    /// The handshake.
    pub fn initialize(&mut self) {
        self.send("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n");
        let answer = self.receive();
        assert!(memchr::memmem::find(answer, b"serverInfo").is_some());
        self.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// A call of the trivial tool.
pub fn call(id: usize) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"test_echo\",\"arguments\":{{\"text\":\"hello, world\"}}}}}}\n"
    )
}

/// One call after another, each a line made by `call`: the time of each.
pub fn one_by_one(
    client: &mut Client,
    call: fn(usize) -> String,
    calls: usize,
    times: &mut Vec<Duration>,
) {
    for id in 0..calls {
        let line = call(id);
        let start = Instant::now();
        client.send(&line);
        let answer = client.answer();
        times.push(start.elapsed());
        assert!(memchr::memmem::find(answer, b"hello").is_some());
    }
}

/// `flight` calls always open: the time of all.
pub fn in_flight(
    client: &mut Client,
    call: fn(usize) -> String,
    calls: usize,
    flight: usize,
) -> Duration {
    let start = Instant::now();
    let first: String = (0..flight).map(call).collect();
    client.send(&first);
    for id in flight..calls {
        client.answer();
        client.send(&call(id));
    }
    for _ in 0..flight {
        client.answer();
    }
    start.elapsed()
}

/// The CPU time of all threads of a process that live.
#[allow(dead_code, reason = "the others take the time of the clock")]
pub fn cpu_time(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(of_task).sum())
}

/// Like `quantile`, in milliseconds to two places; leaves `times` unsorted.
#[allow(dead_code, reason = "some benches print microseconds")]
pub fn milliseconds(times: &[Duration], share: f64) -> f64 {
    (quantile(&mut times.to_vec(), share) / 10.0).round() / 100.0
}

/// The quantile `share` of the times, in microseconds.
pub fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let at = ((times.len() - 1) as f64 * share) as usize;
    times[at].as_secs_f64() * 1e6
}
