//! An HTTP server on the loopback address: files as a package registry or a download page
//! has them, or whatever a test answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

/// A server that answers nothing yet.
pub struct Web(TcpListener);

/// A request as received.
pub struct Request {
    pub line: String,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of the header `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        let mut values = headers.filter(|(each, _)| each.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A response after which the connection is closed; each of `headers` ends with a line
/// break.
pub fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Web {
    pub fn bind() -> Web {
        Web(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// The address before the `/` of a path.
    pub fn address(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    /// Serves `files` by their path until the test ends, and 404 for the rest.
    pub fn serve(self, files: BTreeMap<String, Vec<u8>>) {
        self.answer(
            move |request| match files.get(request.path().trim_start_matches('/')) {
                Some(file) => Some(response("200 OK", "", file)),
                None => Some(response("404 Not Found", "", b"")),
            },
        );
    }

    /// Answers each request with the bytes of `answer`, one after the other, until the test
    /// ends. Without bytes the connection stays open.
    pub fn answer(self, mut answer: impl FnMut(Request) -> Option<Vec<u8>> + Send + 'static) {
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in self.0.incoming().flatten() {
                let Some(request) = read(&stream) else {
                    continue;
                };
                match answer(request) {
                    // The client may have read enough.
                    Some(answer) => drop(stream.write_all(&answer)),
                    None => open.push(stream),
                }
            }
        });
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    if head.is_empty() {
        return None;
    }
    let mut request = Request {
        line: head.remove(0),
        headers: head,
        body: Vec::new(),
    };
    let length = request.header("content-length").map(str::parse);
    request.body = vec![0; length.and_then(Result::ok).unwrap_or(0)];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}
