//! Database files that Mimo cannot use: each is reported with a next step and left
//! unchanged, and clients can still connect.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{ask, initialize, mimo};

#[test]
fn file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = place(folder.path());
    fs::write(&file, "Dear diary, ".repeat(1000)).expect("a file");
    cannot_be_used(folder.path(), "not a SQLite database");
}

#[test]
fn foreign_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Connection::open(place(folder.path())).expect("a database");
    file.execute_batch("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')")
        .expect("a table");
    drop(file);
    cannot_be_used(folder.path(), "another program");
}

#[test]
fn newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    remember(folder.path(), 1);
    let file = Connection::open(place(folder.path())).expect("the database");
    file.pragma_update(None, "user_version", 1_000_000)
        .expect("a version");
    drop(file);
    cannot_be_used(folder.path(), "newer Mimo");
}

/// Another program, or a newer Mimo, raises the schema under a running Mimo.
#[test]
fn raised_schema_stops_writes_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    ask(&mut server, "memory_store", json!({"content": "Before"})).good();
    let file = Connection::open(place(folder.path())).expect("the database");
    file.pragma_update(None, "user_version", 1_000_000)
        .expect("a version");
    drop(file);
    let error = ask(&mut server, "memory_store", json!({"content": "After"})).bad();
    assert_eq!(error["kind"], "unavailable", "{error}");
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("update this Mimo"), "{error}");
    assert!(server.exit().success());
    let file = Connection::open(place(folder.path())).expect("the database");
    let count: i64 = file
        .query_row("SELECT count(*) FROM memory", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(count, 1);
}

#[test]
fn empty_file_beside_its_log_is_not_taken_for_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    ask(&mut server, "memory_store", json!({"content": "Kept"})).good();
    server.signal(nix::sys::signal::Signal::SIGKILL);
    server.exit();
    let (file, log) = (place(folder.path()), folder.path().join("data/mimo.db-wal"));
    let before = fs::read(&log).expect("a log");
    let whole = fs::read(&file).expect("the file");
    for empty in [true, false] {
        match empty {
            true => fs::write(&file, "").expect("emptied"),
            false => fs::remove_file(&file).expect("removed"),
        }
        let mut server = Server::of(&mut mimo(folder.path()));
        let error = ask(&mut server, "memory_store", json!({"content": "More"})).bad();
        assert!(error["message"].to_string().contains("was lost"), "{error}");
        assert!(server.exit().success());
        assert!(fs::read(&log).expect("the log stays") == before);
    }
    fs::write(&file, whole).expect("back");
    let mut server = Server::of(&mut mimo(folder.path()));
    let found = ask(&mut server, "memory_search", json!({"query": "kept"})).good();
    assert_eq!(found["items"][0]["content"], "Kept");
    assert!(server.exit().success());
}

/// A program reads a database that is not in write-ahead mode, and keeps reading.
#[test]
fn database_that_others_hold_fails_the_call_and_lets_the_server_end() {
    let folder = tempfile::tempdir().expect("a folder");
    remember(folder.path(), 1);
    let file = Connection::open(place(folder.path())).expect("the database");
    file.pragma_update(None, "journal_mode", "delete")
        .expect("without a log");
    file.execute_batch("BEGIN; SELECT * FROM memory")
        .expect("a reader");
    let mut server = Server::of(&mut mimo(folder.path()));
    let error = ask(&mut server, "memory_search", json!({"query": "lamps"})).bad();
    assert_eq!(error["kind"], "unavailable", "{error}");
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("another program holds"), "{error}");
    assert!(server.exit().success(), "it ends while the file is held");
}

#[test]
fn corrupt_pages_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    remember(folder.path(), 50);
    let mut bytes = fs::read(place(folder.path())).expect("the database");
    // The first page is intact, so that the file opens normally.
    bytes[4096..].fill(0xa5);
    fs::write(place(folder.path()), bytes).expect("the database");
    cannot_be_used(folder.path(), "damaged");
}

/// A truncated file, as from an interrupted copy.
#[test]
fn truncated_database_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    remember(folder.path(), 50);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(place(folder.path()));
    let file = file.expect("the database");
    file.set_len(file.metadata().expect("its size").len() / 2 / 4096 * 4096)
        .expect("less");
    drop(file);
    cannot_be_used(folder.path(), "damaged");
}

fn place(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder.join("data")).expect("a folder");
    folder.join("data/mimo.db")
}

/// Makes a database with so many memories.
fn remember(folder: &Path, count: usize) {
    let mut server = Server::of(&mut mimo(folder));
    let memories: Vec<Value> = (0..count)
        .map(|n| json!({"content": format!("Crate {n} holds {} lamps", n * 7 + 3)}))
        .collect();
    ask(&mut server, "memory_store", json!({"memories": memories})).good();
    assert!(server.exit().success());
}

/// Every call on this folder reports `reason` until the advice is followed;
/// then the server recovers without a restart.
fn cannot_be_used(folder: &Path, reason: &str) {
    let before = fs::read(place(folder)).expect("the file");
    let mut server = Server::of(&mut mimo(folder));
    assert_eq!(initialize(&mut server)["serverInfo"]["name"], "mimo");
    for (tool, arguments) in [
        ("memory_store", json!({"content": "One more"})),
        ("memory_search", json!({"query": "lamps"})),
        ("memory_edit", json!({"action": "forget", "ids": [1]})),
    ] {
        let error = ask(&mut server, tool, arguments).bad();
        assert_eq!(error["kind"], "unavailable", "{tool}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "{tool}: {error}");
        assert!(error["hint"].is_string(), "{tool}: {error}");
    }
    let memory = ask(&mut server, "mimo_status", json!({})).good()["memory"].clone();
    assert_eq!(memory["state"], "unavailable", "{memory}");
    let problem = memory["problem"].as_str().unwrap_or_default();
    assert!(problem.contains(reason), "{memory}");
    assert!(memory["next_step"].is_string(), "{memory}");
    assert!(server.exit().success());
    let after = fs::read(place(folder)).expect("the file");
    assert!(after == before, "the file is as it was");

    fs::rename(place(folder), folder.join("aside.db")).expect("the file goes aside");
    let mut server = Server::of(&mut mimo(folder));
    ask(&mut server, "memory_store", json!({"content": "One more"})).good();
    assert!(server.exit().success());
}
