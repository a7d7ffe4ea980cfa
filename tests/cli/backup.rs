//! `mimo backup` during writes and after a kill, and `mimo verify` on damaged
//! databases.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::home::{Home, MIMO};
use crate::support::terminal;

/// The number of memories stored in one call: a backup has all or none.
const BATCH: usize = 20;

/// A home with some memories, a relation and a run of a procedure.
fn stored() -> Home {
    let home = Home::new();
    for memory in ["Alice leads Apollo", "The launch is in March"] {
        home.call(&[
            "memory_store",
            &json!({"content": memory, "tags": ["a"]}).to_string(),
        ]);
    }
    let triples = json!({"assert": [{"subject": "person:alice", "predicate": "leads", "object": "project:apollo"}]});
    home.call(&["graph_update", &triples.to_string()]);
    let definition = json!({"name": "one", "version": "1.0.0", "initial_state": "a", "states": {
        "a": {"action": {"tool": "memory_search", "arguments": {}}, "next": "b"},
        "b": {"end": true},
    }});
    home.call(&[
        "procedure_define",
        &json!({"definition": definition}).to_string(),
    ]);
    home.call(&["procedure_run", "{\"name\": \"one\"}"]);
    home
}

fn database(home: &Home) -> PathBuf {
    home.data().join("mimo.db")
}

/// Names of everything in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    };
    entries.map(name).collect()
}

/// The damage that verify reports.
fn wrong(home: &Home) -> String {
    let looked = home.run(&["verify", "--json"]);
    assert_eq!(looked.code, Some(1), "{looked:?}");
    let report = looked.json();
    assert_eq!(report["ok"], false, "{report}");
    assert!(report["next"].is_string(), "{report}");
    let parts = report["parts"].as_array().expect("parts");
    let problems = parts
        .iter()
        .flat_map(|part| part["problems"].as_array().expect("problems"));
    let said = |problem: &Value| {
        let examples = problem["examples"].as_array().expect("examples");
        let examples: Vec<&str> = examples.iter().filter_map(Value::as_str).collect();
        let what = problem["what"].as_str().expect("words");
        format!("{} {what}: {}", problem["count"], examples.join(", "))
    };
    problems.map(said).collect::<Vec<_>>().join("\n")
}

#[test]
fn backup_is_one_private_file_with_everything() {
    let home = stored();
    let done = home.run(&["backup"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let folder = home.data().join("backups");
    let [name] = &names(&folder)[..] else {
        panic!("one file: {:?}", names(&folder));
    };
    assert!(
        name.starts_with("mimo-20") && name.ends_with("Z.db"),
        "{name}"
    );
    assert!(done.out.contains(name), "{}", done.out);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(name))), (0o700, 0o600));
    let checked = home.run(&["verify", folder.join(name).to_str().expect("UTF-8")]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.out.contains("is whole: 2 memories"), "{checked:?}");
    let parts = checked.out.lines().filter(|line| line.ends_with("  ok"));
    let widths: std::collections::BTreeSet<usize> = parts.map(str::len).collect();
    assert_eq!(widths.len(), 1, "the states form a column: {checked:?}");
    assert_eq!(names(&folder).len(), 1, "looking makes no file");
    // Another installation finds the memories in it.
    let other = Home::new();
    fs::create_dir(other.data()).expect("a folder");
    fs::copy(folder.join(name), database(&other)).expect("a copy");
    let found = other.call(&["memory_search", "{\"query\": \"who leads Apollo\"}"]);
    assert_eq!(
        found["items"][0]["content"], "Alice leads Apollo",
        "{found}"
    );
}

#[test]
fn backup_goes_to_the_given_path_and_replaces_nothing() {
    let home = stored();
    let file = home.path().join("mine.db");
    let named = file.to_str().expect("UTF-8");
    let done = home.run(&["backup", named, "--json"]).json();
    assert_eq!(done["file"], named);
    let bytes = fs::metadata(&file).expect("there").len();
    assert_eq!(done["bytes"], bytes);
    let before = fs::read(&file).expect("there");
    let refused = home.run(&["backup", named]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("replaces nothing"), "{}", refused.err);
    assert!(fs::read(&file).expect("there") == before);
    let itself = database(&home);
    let refused = home.run(&["backup", itself.to_str().expect("UTF-8")]);
    assert!(refused.err.contains("replaces nothing"), "{}", refused.err);
    let folder = home.path().join("stick");
    fs::create_dir(&folder).expect("a folder");
    assert_eq!(
        home.run(&["backup", folder.to_str().expect("UTF-8")]).code,
        Some(0)
    );
    assert_eq!(names(&folder).len(), 1);
    let nowhere = home.path().join("no/where.db");
    let refused = home.run(&["backup", nowhere.to_str().expect("UTF-8")]);
    assert!(
        refused.err.contains("there is no folder"),
        "{}",
        refused.err
    );

    let empty = Home::new();
    for command in ["backup", "verify"] {
        let refused = empty.run(&[command]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.err.contains("there is no database"),
            "{}",
            refused.err
        );
    }
    assert!(!empty.data().exists(), "nothing was made");
}

/// A server that stores batches until it is told to stop. It signals the first
/// batch and returns their number.
fn writer(home: &Home, name: &str, begun: Sender<()>, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    let mut command = home.command(&["serve"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let name = name.to_owned();
    std::thread::spawn(move || {
        let mut stored = 0;
        while !stop.load(Ordering::Relaxed) {
            let memories: Vec<Value> = (0..BATCH)
                .map(|n| json!({"content": format!("{name} {stored}: crate number {n}")}))
                .collect();
            let call = json!({"jsonrpc": "2.0", "id": stored, "method": "tools/call", "params":
                {"name": "memory_store", "arguments": {"memories": memories}}});
            writeln!(input, "{call}").expect("it reads");
            let answer = answers.next().expect("an answer").expect("a line");
            assert!(answer.contains("created"), "{answer}");
            stored += 1;
            // The other signals have no receiver.
            let _ = begun.send(());
        }
        drop(input);
        assert!(child.wait().expect("it ends").success());
        stored
    })
}

#[test]
fn backup_during_writes_is_a_consistent_snapshot() {
    let home = Home::new();
    let stop = Arc::new(AtomicBool::new(false));
    let writers = ["one", "two"].map(|name| {
        let (begun, first) = channel();
        let writer = writer(&home, name, begun, stop.clone());
        first.recv().expect("it stores");
        writer
    });
    let mut counts = Vec::new();
    for backup in 0..6 {
        let file = home.path().join(format!("{backup}.db"));
        let named = file.to_str().expect("UTF-8");
        let done = home.run(&["backup", named]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let checked = home.run(&["verify", named, "--json"]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        counts.push(checked.json()["memories"].as_u64().expect("a count") as usize);
        assert_eq!(home.run(&["verify"]).code, Some(0), "also while they write");
    }
    stop.store(true, Ordering::Relaxed);
    let stored: usize = writers
        .map(|writer| writer.join().expect("it stored"))
        .iter()
        .sum();
    assert!(counts[0] >= 2 * BATCH && counts.is_sorted(), "{counts:?}");
    assert!(
        counts.iter().all(|count| count % BATCH == 0),
        "whole batches: {counts:?}"
    );
    let whole = home.run(&["verify", "--json"]).json();
    assert_eq!(whole["memories"], stored * BATCH, "nobody's write was lost");
}

/// The kernel kills a process at the chosen byte of its file size limit.
#[test]
fn killed_backup_leaves_no_file() {
    let home = stored();
    let size = fs::metadata(database(&home)).expect("there").len();
    for blocks in [70, 100, size / 512 - 1] {
        let file = home.path().join("copy.db");
        let mut shell = Command::new("/bin/sh");
        let limit = format!(r#"ulimit -c 0; ulimit -f {blocks}; exec "$0" backup "$1""#);
        shell.args(["-c", &limit, MIMO]).arg(&file);
        shell.env_clear().env("MIMO_DATA_DIR", home.data());
        shell.env("MIMO_CONFIG_DIR", home.path().join("config"));
        let ended = shell.output().expect("a shell");
        let signal = nix::sys::signal::Signal::SIGXFSZ as i32;
        assert_eq!(
            ended.status.signal(),
            Some(signal),
            "at {blocks}: {ended:?}"
        );
        assert!(!file.exists());
        assert_eq!(
            home.run(&["backup", file.to_str().expect("UTF-8")]).code,
            Some(0)
        );
        fs::remove_file(&file).expect("gone");
        let left = names(home.path()).join(" ");
        assert!(!left.contains(".part"), "the next backup cleans up");
    }
    assert_eq!(
        home.run(&["verify"]).code,
        Some(0),
        "and the database is whole"
    );
}

#[test]
fn damaged_database_is_not_backed_up() {
    let home = stored();
    garble(&database(&home));
    let refused = home.run(&["backup", "--json"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("damaged"), "{message}");
    assert_eq!(names(&home.data().join("backups")), [""; 0]);
}

#[test]
fn verify_passes_an_intact_database_and_leaves_it_unchanged() {
    let home = stored();
    let before = fs::read(database(&home)).expect("there");
    let looked = home.run(&["verify"]);
    assert_eq!(
        (looked.code, looked.err.as_str()),
        (Some(0), ""),
        "{looked:?}"
    );
    for part in [
        "file",
        "references",
        "texts",
        "keyword index",
        "vectors",
        "graph",
        "procedures",
        "approved tools",
    ] {
        let line = looked
            .out
            .lines()
            .find(|line| line.trim_start().starts_with(part));
        assert!(
            line.is_some_and(|line| line.ends_with("  ok")),
            "{part}: {}",
            looked.out
        );
    }
    assert!(fs::read(database(&home)).expect("there") == before);
}

#[test]
fn verify_names_each_kind_of_damage() {
    for (damage, expected) in [
        (
            "DELETE FROM memory_words WHERE rowid = 1",
            "1 memories are not in the keyword index: 1",
        ),
        (
            "INSERT INTO memory_words (rowid, words) VALUES (77, 'x')",
            "1 entries of the keyword index belong to no memory: 77",
        ),
        (
            "DELETE FROM memory_vector WHERE memory_id = 2",
            "1 memories have no vector: 2",
        ),
        (
            "UPDATE memory_vector SET window = 1 WHERE memory_id = 2",
            "1 memories lack the vectors of some of their text: 2",
        ),
        (
            "UPDATE memory_vector SET vector = substr(vector, 1, 100) WHERE memory_id = 1",
            "1 memories have vectors with too few or too many numbers: 1",
        ),
        (
            "UPDATE memory_vector SET vector = zeroblob(1536) WHERE memory_id = 1",
            "1 vectors are not of unit length: 1",
        ),
        (
            "INSERT INTO memory_code (model_id, project, vectors, block) \
             VALUES (1, 'global', 2, zeroblob(57))",
            "1 blocks of codes are cut off: 1",
        ),
        (
            "UPDATE embedding_model SET coded = 1",
            "1 models have too few or too many codes: all-MiniLM-L6-v2/int8",
        ),
        (
            "UPDATE memory SET content = 'Alice leads nobody' WHERE id = 1",
            "1 memories have another text than was stored: 1",
        ),
        (
            "INSERT INTO memory_tag (memory_id, tag) VALUES (77, 'x')",
            "1 tags belong to memories that do not exist: memory_tag to memory",
        ),
        (
            "UPDATE memory SET supersedes = 77 WHERE id = 1",
            "1 memories replace one that does not exist",
        ),
        (
            "DELETE FROM embedding_model",
            "2 vectors are of a model that does not exist",
        ),
        (
            "INSERT INTO memory_entity VALUES (1, 77)",
            "1 memories are linked to entities that do not exist: 1",
        ),
        (
            "INSERT INTO entity_name SELECT 'x', project, 77, 'x', 'x', 'Ex' FROM entity_name LIMIT 1",
            "1 names belong to entities that do not exist: Ex",
        ),
        (
            "INSERT INTO entity VALUES (77 << 32 | 1, 'odd:one', 'one')",
            "1 entities are of a type that does not exist: odd:one",
        ),
        (
            "UPDATE triple SET object = 77",
            "1 triples have an end that does not exist: 1",
        ),
        (
            "UPDATE triple SET predicate = 77",
            "1 triples have a predicate, a project or a source that does not exist: 1",
        ),
        (
            "UPDATE procedure SET definition = '{'",
            "1 definitions cannot be read: one@",
        ),
        (
            "DELETE FROM journal WHERE number = 2",
            "1 executions have a journal with gaps: ",
        ),
        (
            "DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)",
            "1 executions have a journal with gaps: ",
        ),
        (
            "UPDATE journal SET entry = 'x' WHERE number = 1",
            "1 executions have a journal that cannot be read: ",
        ),
        (
            "DELETE FROM procedure",
            "1 executions follow definitions that do not exist",
        ),
    ] {
        let home = stored();
        let file = Connection::open(database(&home)).expect("the database");
        file.pragma_update(None, "foreign_keys", false)
            .expect("off");
        let rows = file.execute(damage, []).expect(damage);
        assert!(rows > 0, "{damage}");
        drop(file);
        let said = wrong(&home);
        assert!(said.contains(expected), "{damage}: {said}");
    }
}

/// Fills the last page with garbage.
fn garble(file: &Path) {
    let mut bytes = fs::read(file).expect("the database");
    let last = bytes.len() - 8192;
    bytes[last..].fill(0xa5);
    fs::write(file, bytes).expect("the database");
}

#[test]
fn verify_reports_damaged_pages_and_foreign_files() {
    let home = stored();
    let done = home.run(&["backup"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    garble(&database(&home));
    let said = wrong(&home);
    assert!(said.contains("places are damaged"), "{said}");
    let shown = home.run(&["verify"]);
    assert!(shown.out.contains("is not whole"), "{}", shown.out);
    let backup = format!("backups/{}", names(&home.data().join("backups"))[0]);
    assert!(
        shown.out.contains(&backup),
        "the next step names it: {}",
        shown.out
    );

    let other = home.path().join("other.db");
    for (text, expected) in [
        ("Dear diary, ", "not a SQLite database"),
        ("", "the file is empty"),
    ] {
        fs::write(&other, text.repeat(1000)).expect("a file");
        let refused = home.run(&["verify", other.to_str().expect("UTF-8")]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(expected), "{}", refused.err);
        assert!(
            refused.err.contains("next: do not rely on this file"),
            "{}",
            refused.err
        );
    }
    fs::remove_file(&other).expect("gone");
    let soup = Connection::open(&other).expect("a database");
    soup.execute_batch("CREATE TABLE soup (x)").expect("SQL");
    drop(soup);
    let refused = home.run(&["verify", other.to_str().expect("UTF-8")]);
    assert!(refused.err.contains("another program"), "{}", refused.err);
}

/// Memories of another embedding model are not damage.
#[test]
fn verify_counts_memories_of_another_model() {
    let home = stored();
    let file = Connection::open(database(&home)).expect("the database");
    file.execute("UPDATE embedding_model SET name = 'older'", [])
        .expect("renamed");
    drop(file);
    let looked = home.run(&["verify"]);
    assert_eq!(looked.code, Some(0), "{looked:?}");
    assert!(
        looked.out.contains("found by keyword alone: 2"),
        "{}",
        looked.out
    );
}

#[test]
fn progress_is_shown_on_a_terminal() {
    let home = stored();
    let file = Connection::open(database(&home)).expect("the database");
    let long = "INSERT INTO recorded_call (number, id, called_at, tool, arguments, project) \
                VALUES (1, 'a', 0, 't', printf('%.*c', 5000000, 'x'), 'global')";
    file.execute(long, []).expect("a long row");
    drop(file);
    // Without TERM nobody knows how to draw on it.
    let on_terminal = |command: &str| {
        let mut command = home.command(&[command]);
        command.env("TERM", "xterm");
        terminal::run(command, "")
    };
    let (code, shown) = on_terminal("backup");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(" pages"), "{shown:?}");
    assert!(shown.contains("Backed up 5."), "{shown:?}");
    let (code, shown) = on_terminal("verify");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("looking at: vectors"), "{shown:?}");
    assert!(shown.contains("\u{1b}[32mok"), "{shown:?}");
}
