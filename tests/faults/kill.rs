//! Servers killed while they store: acknowledged memories are stored exactly once,
//! and every other call completely or not at all.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use super::audit::audit;
use super::load::{Account, calls, drive};
use crate::support::Server;
use crate::support::server::{ask, mimo, on};

#[test]
fn killed_server_leaves_the_other_and_all_acknowledged_memories() {
    for (seed, kill_at) in [(1, 100), (2, 1), (3, 250)] {
        let folder = tempfile::tempdir().expect("a folder");
        let start = || Server::of(&mut mimo(folder.path()));
        let (mut survivor, mut victim) = (start(), start());
        let (kept, lost) = std::thread::scope(|scope| {
            let first = calls("one", 500, 20, seed);
            let kept = scope.spawn(|| drive(&mut survivor, first, 8, |_, _| false));
            let second = calls("two", 500, 20, !seed);
            let lost = drive(&mut victim, second, 8, |server, count| {
                let now = count >= kill_at;
                if now {
                    server.signal(Signal::SIGKILL);
                }
                now
            });
            (kept.join().expect("the survivor's story"), lost)
        });
        let end = victim.exit().signal();
        assert_eq!(end, Some(Signal::SIGKILL as i32), "it was killed in time");
        assert!(lost.acknowledged.iter().flatten().count() < 500);
        assert_eq!(kept.acknowledged.iter().flatten().count(), 500);

        // The survivor finds a memory of the killed server.
        let text = &lost.acknowledged[0][0];
        let found = ask(&mut survivor, "memory_search", json!({"query": text})).good();
        assert_eq!(found["items"][0]["content"], text.as_str());
        assert!(survivor.exit().success());
        settle(folder.path(), &[kept, lost]);
    }
}

#[test]
fn repeated_kills_lose_no_acknowledged_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut accounts = Vec::new();
    for round in 0..18 {
        // Each server recovers the file that the last one left.
        let mut server = Server::of(&mut mimo(folder.path()));
        let wanted = calls(&format!("round{round}"), 60, 12, round);
        let kill_at = 1 + 7 * round as usize % 50;
        accounts.push(drive(&mut server, wanted, 5, |server, count| {
            let now = count >= kill_at;
            if now {
                server.signal(Signal::SIGKILL);
            }
            now
        }));
        assert_eq!(server.exit().signal(), Some(Signal::SIGKILL as i32));
        // The audit checkpoints the log, so it does not run every time.
        if round % 3 == 2 {
            settle(folder.path(), &accounts);
        }
    }
}

/// SIGKILL arrives between two instructions that a test cannot choose. The
/// kernel's signal for exceeding the file size limit arrives at a chosen byte:
/// while creating the file, or within a transaction or a page.
#[test]
fn death_at_any_written_byte_loses_no_acknowledged_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut accounts = Vec::new();
    let making = [1, 7, 9, 63, 65, 90, 131, 200, 240];
    let storing = (0..24).map(|n| 66 + n * n * 4 + n);
    for (round, blocks) in making.into_iter().chain(storing).enumerate() {
        let mut command = Command::new("/bin/sh");
        on(&mut command, folder.path());
        let limit = format!(r#"ulimit -c 0; ulimit -f {blocks}; exec "$0" serve"#);
        command.args(["-c", &limit, env!("CARGO_BIN_EXE_mimo")]);
        let mut server = Server::of(&mut command);
        // One call at a time, so that it dies with at most one open.
        let wanted = calls(&format!("round{round}"), 400, 40, round as u64);
        accounts.push(drive(&mut server, wanted, 1, |_, _| false));
        let end = server.exit().signal();
        assert_eq!(end, Some(Signal::SIGXFSZ as i32), "at {blocks} blocks");

        let mut server = Server::of(&mut mimo(folder.path()));
        let status = ask(&mut server, "mimo_status", json!({})).good();
        assert_eq!(status["memory"]["state"], "ok", "{status}");
        assert!(server.exit().success());
        settle(folder.path(), &accounts);
    }
    let stored = accounts.iter().flat_map(|account| &account.acknowledged);
    assert!(stored.count() > 20, "some came through before each death");
}

/// The file holds only memories that the accounts explain.
fn settle(folder: &Path, accounts: &[Account]) {
    let mut stored = audit(&folder.join("data/mimo.db"));
    for account in accounts {
        account.settle(&mut stored);
    }
    assert!(stored.is_empty(), "nobody stored {stored:?}");
}
