//! Reads and writes for some minutes: two servers that stay, and one that is killed in
//! the middle of its writes and started again.

use std::path::Path;
use std::time::{Duration, Instant};

use mimo::embed::builtin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;
use serde_json::json;

use crate::database::start;
use crate::memories;
use crate::texts::{Chance, sentence};

/// Memories that are there from the start.
const FIRST: usize = 5_000;
/// Writes of a server before it is killed.
const WRITES: usize = 40;
/// Between two lines of the output.
const REPORT_SECONDS: u64 = 30;

/// Soaks for so many minutes, and prints sizes and what was lost.
pub fn soak(minutes: u64) {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let folder = folder.path();
    memories::add(&folder.join("mimo.db"), builtin().model_id(), 0..FIRST);
    let began = Instant::now();
    let end = began + Duration::from_secs(minutes * 60);
    let mut chance = Chance(5);
    let (mut acknowledged, mut kills, mut reads) = (Vec::new(), 0, 0_u64);
    let mut stays = [start(folder), start(folder)];
    let mut report = began;
    while Instant::now() < end {
        let mut killed = start(folder);
        for _ in 0..WRITES {
            let content = format!(
                "{} soak {}",
                sentence(&mut chance, 10, 1),
                acknowledged.len()
            );
            let stored = killed.document("memory_store", &json!({ "content": content }));
            assert_eq!(stored["results"][0]["outcome"], "created", "{stored}");
            acknowledged.push(content.clone());
            for client in &mut stays {
                let query = sentence(&mut chance, 4, 50);
                client.document("memory_search", &json!({ "query": query }));
                reads += 1;
            }
            // What one server stored, another finds at once.
            let found = stays[0].document("memory_search", &json!({"query": content, "limit": 1}));
            assert_eq!(found["items"][0]["content"], content.as_str(), "{found}");
        }
        // A write is on its way when the process ends.
        let request = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "memory_store", "arguments": {"content": format!("unanswered {kills}")}}});
        killed.send(&format!("{request}\n"));
        let pid = i32::try_from(killed.pid()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
        drop(killed);
        kills += 1;
        if report <= Instant::now() {
            report += Duration::from_secs(REPORT_SECONDS);
            let own: Vec<u64> = stays.iter().map(|client| own_bytes(client.pid())).collect();
            let size =
                |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
            println!(
                "{}",
                json!({"bench": "soak", "seconds": began.elapsed().as_secs(), "kills": kills,
                       "acknowledged": acknowledged.len(), "reads": reads, "own_bytes": own,
                       "file_bytes": size("mimo.db"), "log_bytes": size("mimo.db-wal")})
            );
        }
    }
    drop(stays);
    let lost = lost(folder, &acknowledged);
    println!(
        "{}",
        json!({"bench": "soak", "kills": kills, "acknowledged": acknowledged.len(), "lost": lost})
    );
    assert_eq!(lost, 0);
}

/// How many of these texts are not there.
fn lost(folder: &Path, acknowledged: &[String]) -> usize {
    let file = Connection::open(folder.join("mimo.db")).expect("opens");
    let mut found = file
        .prepare("SELECT EXISTS (SELECT 1 FROM memory WHERE text_key = ? AND content = ?)")
        .expect("SQL");
    let is_lost = |content: &&String| {
        let key = mimo::text::key(content);
        let found = found.query_row((key, content), |row| row.get::<_, bool>(0));
        !found.expect("an answer")
    };
    acknowledged.iter().filter(is_lost).count()
}

/// Memory of a process that no other shares with it.
pub fn own_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
