//! Disks and folders that stop taking writes or disappear under a running server:
//! it reports this, loses nothing, and recovers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::audit::audit;
use super::load::{Account, calls, drive};
use crate::support::Server;
use crate::support::server::{ask, initialize, mimo, on};

/// A file size limit simulates a full disk without a mount: writes fail at the
/// same point. A checkpoint of the log frees space.
#[test]
fn full_disk_fails_the_call_and_keeps_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("data/mimo.db");
    let mut command = Command::new("/bin/sh");
    on(&mut command, folder.path());
    // With the signal ignored, the write fails instead: EFBIG, as ENOSPC would.
    let limit = r#"trap '' XFSZ; ulimit -f 4000; exec "$0" serve"#;
    command.args(["-c", limit, env!("CARGO_BIN_EXE_mimo")]);
    let mut server = Server::of(&mut command);

    let mut accounts: Vec<Account> = Vec::new();
    for round in 0..2 {
        let wanted = calls(&format!("round{round}"), 300, 20, round);
        let account = drive(&mut server, wanted, 4, |_, _| false);
        assert!(account.unanswered.is_empty(), "each call was answered");
        assert!(account.acknowledged.len() > 3, "there was room at first");
        assert!(!account.refused.is_empty(), "and none in the end");
        for (_, error) in &account.refused {
            assert_eq!(error["kind"], "unavailable", "{error}");
            let hint = error["hint"].as_str().unwrap_or_default();
            assert!(hint.contains("space"), "{error}");
        }
        // Stored memories stay readable.
        let text = &account.acknowledged[0][0];
        let found = ask(&mut server, "memory_search", json!({"query": text})).good();
        assert_eq!(found["items"][0]["content"], text.as_str());
        accounts.push(account);

        let file = Connection::open(&database).expect("the database");
        let folded: (i64, i64, i64) = file
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("the log is folded in");
        assert_eq!(folded.0, 0, "nobody was in the way");
    }
    ask(
        &mut server,
        "memory_store",
        json!({"content": "There is room"}),
    )
    .good();
    assert!(server.exit().success());

    let mut stored = audit(&database);
    for account in &accounts {
        account.settle(&mut stored);
    }
    assert_eq!(stored.remove("There is room"), Some(1));
    assert!(stored.is_empty(), "nobody stored {stored:?}");
}

/// A folder that can be read but not written, as on a read-only mount.
#[test]
fn read_only_folder_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    ask(&mut server, "memory_store", json!({"content": "Kept"})).good();
    assert!(server.exit().success());
    let data = folder.path().join("data");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    };
    for file in ["mimo.db", "logs/mimo.log"] {
        if data.join(file).exists() {
            mode(&data.join(file), 0o444);
        }
    }
    mode(&data.join("logs"), 0o555);
    mode(&data, 0o555);
    mode(folder.path(), 0o755);

    let mut command = mimo(folder.path());
    if nix::unistd::geteuid().is_root() {
        // Root may write everywhere, so another user runs this, with a copy of
        // the binary since it may not enter the build folder.
        let copy = folder.path().join("mimo");
        fs::copy(env!("CARGO_BIN_EXE_mimo"), &copy).expect("a copy");
        command = Command::new(copy);
        on(&mut command, folder.path());
        command.uid(65_534).gid(65_534);
    }
    let mut server = Server::of(&mut command);
    assert_eq!(initialize(&mut server)["serverInfo"]["name"], "mimo");
    let error = ask(&mut server, "memory_store", json!({"content": "One more"})).bad();
    assert_eq!(error["kind"], "unavailable", "{error}");
    let memory = ask(&mut server, "mimo_status", json!({})).good()["memory"].clone();
    assert_eq!(memory["state"], "read_only", "{memory}");
    let next = memory["next_step"].as_str().unwrap_or_default();
    assert!(next.contains("permissions"), "{memory}");
    // Reading goes on.
    let found = ask(&mut server, "memory_search", json!({"query": "kept"})).good();
    assert_eq!(found["items"][0]["content"], "Kept");
    assert!(server.exit().success());
    mode(&data, 0o755);
    mode(&data.join("logs"), 0o755);
    assert_eq!(audit(&data.join("mimo.db")).len(), 1);
}

/// A misspelled data folder, or one on a missing disk.
#[test]
fn missing_folder_that_cannot_be_created_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("data"), "in the way").expect("a file");
    let mut server = Server::of(&mut mimo(folder.path()));
    assert_eq!(initialize(&mut server)["serverInfo"]["name"], "mimo");
    unavailable(&mut server, "folder");
    assert!(server.exit().success());
}

/// The folder disappears under a running server. Writes to the unlinked file
/// would be lost, so they must fail. When the folder is back, so are the
/// memories.
#[test]
fn removed_folder_is_recovered_once_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = Server::of(&mut mimo(folder.path()));
    ask(&mut server, "memory_store", json!({"content": "Before"})).good();
    ask(&mut server, "memory_search", json!({"query": "before"})).good();

    fs::rename(&data, folder.path().join("elsewhere")).expect("it goes");
    unavailable(&mut server, "folder");

    // A new file takes its place and is used from now on.
    fs::create_dir(&data).expect("it comes back");
    ask(&mut server, "memory_store", json!({"content": "After"})).good();
    let found = ask(&mut server, "memory_search", json!({})).good();
    let texts: Vec<&Value> = found["items"].as_array().expect("items").iter().collect();
    assert_eq!(texts.len(), 1, "{found}");
    assert_eq!(texts[0]["content"], "After");
    assert!(server.exit().success());
    let after = audit(&data.join("mimo.db"));
    assert_eq!(after.keys().collect::<Vec<_>>(), ["After"]);
    let before = audit(&folder.path().join("elsewhere/mimo.db"));
    assert_eq!(before.keys().collect::<Vec<_>>(), ["Before"]);
}

/// Calls and status report that the store cannot be used, with a next step.
fn unavailable(server: &mut Server, hinted: &str) {
    let error = ask(server, "memory_store", json!({"content": "One more"})).bad();
    assert_eq!(error["kind"], "unavailable", "{error}");
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains(hinted), "{error}");
    let memory = ask(server, "mimo_status", json!({})).good()["memory"].clone();
    assert_eq!(memory["state"], "unavailable", "{memory}");
    let next = memory["next_step"].as_str().unwrap_or_default();
    assert!(next.contains(hinted), "{memory}");
}
