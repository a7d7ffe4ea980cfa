//! Ctrl-C in the middle of long work.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::home::Home;

const MEMORIES: i64 = 3_000;

#[test]
fn interrupted_import_says_how_far_it_came() {
    let home = Home::new();
    let lines = (0..MEMORIES).map(|number| {
        let content = format!("Delivery {number} came at gate {}", number * 7);
        format!("{}\n", json!({ "content": content }))
    });
    let file = home.file("memories.jsonl", &lines.collect::<String>());
    let mut import = home
        .command(&["import", &file.to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stored = || -> Option<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = Connection::open_with_flags(home.data().join("mimo.db"), flags).ok()?;
        let count = "SELECT count(*) FROM memory";
        file.query_row(count, [], |row| row.get(0)).ok()
    };
    while stored().is_none_or(|count| count == 0) {
        let ended = import.try_wait().expect("a child");
        assert!(ended.is_none(), "it ended early");
    }
    let pid = Pid::from_raw(i32::try_from(import.id()).expect("an id"));
    kill(pid, Signal::SIGINT).expect("a signal");
    let done = import.wait_with_output().expect("it ends");
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    assert_eq!(done.status.code(), Some(130), "{text}");
    let count = stored().expect("the database");
    assert!(count < MEMORIES, "{text}");
    let said = format!("stopped by Ctrl-C: {count} memories");
    assert!(text.contains(&said), "{said}: {text}");
    assert!(text.contains("run it again"), "{text}");
}
