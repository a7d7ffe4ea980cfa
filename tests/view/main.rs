//! The page that `mimo view` and the HTTP server show, in a real browser and by requests
//! that no browser would send. Nothing leaves loopback.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod pages;
mod requests;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use support::server::{mimo, on};
use support::{WATCHDOG, lines_of, machine};

/// A running `mimo view`; killed when this is dropped.
struct View {
    child: Child,
    link: String,
}

impl View {
    fn start(folder: &Path) -> View {
        let mut child = mimo(folder)
            .args(["view", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = lines_of(child.stdout.take().expect("its output"));
        let line = lines.recv_timeout(WATCHDOG).expect("a line with the link");
        let document: Value = serde_json::from_str(&line).expect("JSON");
        let link = document["link"].as_str().expect("a link").to_owned();
        View { child, link }
    }

    fn address(&self) -> SocketAddr {
        let authority = self.link.split('/').nth(2).expect("an address");
        authority.parse().expect("an address and a port")
    }

    fn key(&self) -> &str {
        self.link.split_once("#key=").expect("a key").1
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The document of a tool, called from a shell.
fn call(folder: &Path, tool: &str, arguments: &Value) -> Value {
    let output = mimo(folder)
        .args(["--json", "call", tool, &arguments.to_string()])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// Runs a script of this folder in Node with what drives the browser, until it ends well.
fn run_script(folder: &Path, name: &str, arguments: &[&str]) {
    let (chromium, packages) = machine::browser().expect("checked before");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/view");
    let mut node = Command::new(machine::node().expect("node"));
    on(&mut node, folder);
    let done = node
        .arg(scripts.join(name))
        .arg(chromium)
        .args(arguments)
        .current_dir(packages)
        .stderr(Stdio::piped())
        .output()
        .expect("node starts");
    let said = [done.stdout, done.stderr].concat();
    assert!(
        done.status.success(),
        "{name}:\n{}",
        String::from_utf8_lossy(&said)
    );
}

/// A text that would run, if it ever became HTML.
const HOSTILE: &str =
    "</script><img src=x onerror=\"window.hostile=1\"><svg onload=alert(1)> {{7*7}} \u{202e}abc";

fn store_some(folder: &Path) {
    let memories = json!({"memories": [
        {"content": "Raj deploys on Mondays, after the stand-up", "tags": ["ops"], "project": "website"},
        {"content": "We chose SQLite for storage: one file, no server, and a backup is a copy", "topic_key": "decision/db", "importance": 0.9},
        {"content": "The launch moved to March because the audit takes two weeks", "category": "plan", "tags": ["launch"], "project": "website"},
        {"content": "Alice prefers short answers and hates emoji", "importance": 0.7},
        {"content": "Paid the hosting invoice for November", "category": "action", "tags": ["billing"]},
    ]});
    let stored = call(folder, "memory_store", &memories);
    assert_eq!(
        stored["results"].as_array().map(Vec::len),
        Some(5),
        "{stored}"
    );
}
