//! Desktop clients that deviate from the protocol: no `initialized`, and leaving
//! during a call.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::json;

use crate::support::server::{ask, initialize, mimo};
use crate::support::{Server, wait};

#[test]
fn client_that_never_sends_initialized_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    assert_eq!(initialize(&mut server)["serverInfo"]["name"], "mimo");
    let stored = ask(
        &mut server,
        "memory_store",
        json!({"content": "The wifi is called Kiosk"}),
    );
    assert_eq!(stored.good()["results"][0]["outcome"], "created");
    let found = ask(&mut server, "memory_search", json!({"query": "wifi"})).good();
    assert_eq!(found["items"][0]["content"], "The wifi is called Kiosk");
    assert!(server.exit().success());
}

/// A crashed client has closed the output, and perhaps not yet the input. The
/// server exits in order, and memories in flight are stored completely or not
/// at all.
#[test]
fn client_that_stops_reading_during_a_call_ends_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = mimo(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut input = child.stdin.take().expect("its input");
    let output = child.stdout.take().expect("its output");
    let batch: Vec<_> = (0..100)
        .map(|n| json!({"content": format!("Parcel {n} is at the gate")}))
        .collect();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "memory_store", "arguments": {"memories": batch},
    }});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "tools/list"});
    writeln!(input, "{hello}\n{call}").expect("the server reads");
    // The first answer shows that it is working; after that nobody reads.
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new()).expect("the tools");
    drop(output);
    assert!(wait(&mut child).success(), "it ends in order");
    drop(input);

    let mut server = Server::of(&mut mimo(folder.path()));
    let memory = ask(&mut server, "mimo_status", json!({})).good()["memory"].clone();
    assert_eq!(memory["state"], "ok", "{memory}");
    let active = memory["active"].as_u64();
    assert!(matches!(active, Some(0 | 100)), "{memory}");
    assert!(server.exit().success());
}
