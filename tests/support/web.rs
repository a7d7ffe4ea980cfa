//! Files served on the loopback address, as a package registry or a download page does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// A server that has no files yet.
pub struct Web(TcpListener);

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
        std::thread::spawn(move || {
            for mut stream in self.0.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let path = first.split(' ').nth(1).unwrap_or_default();
                let found = files.get(path.trim_start_matches('/'));
                let status = if found.is_some() {
                    "200 OK"
                } else {
                    "404 Not Found"
                };
                let body = found.map(Vec::as_slice).unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // The client may have read enough.
                let _ = stream.write_all(&[head.as_bytes(), body].concat());
            }
        });
    }
}
