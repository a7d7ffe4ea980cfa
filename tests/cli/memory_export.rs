//! Memory export and import: lossless, repeatable without duplicates, resumable
//! after a kill, with broken lines reported.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::home::{Home, ran};

impl Home {
    pub(super) fn store(&self, memories: Value) -> Vec<i64> {
        let stored = self.run_with(
            &["call", "memory_store", "-"],
            &json!({"memories": memories}).to_string(),
        );
        assert_eq!(stored.code, Some(0), "{stored:?}");
        let results = stored.json()["results"]
            .as_array()
            .expect("results")
            .clone();
        results
            .iter()
            .map(|each| each["id"].as_i64().expect("id"))
            .collect()
    }

    pub(super) fn search(&self, arguments: Value) -> Vec<Value> {
        let found = self.call(&["memory_search", &arguments.to_string()]);
        found["items"].as_array().expect("items").clone()
    }

    pub(super) fn edit(&self, arguments: Value) {
        self.call(&["memory_edit", &arguments.to_string()]);
    }

    /// The memories of an export, without its first line.
    pub(super) fn exported(&self) -> Vec<Value> {
        let ran = self.run(&["memory", "export", "--all"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let mut lines = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let first: Value = lines.next().expect("a first line");
        let lines: Vec<Value> = lines.collect();
        assert_eq!(
            (&first["format"], &first["version"], &first["memories"]),
            (&json!("mimo-memories"), &json!(1), &json!(lines.len()))
        );
        lines
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// The summary of importing `path`.
    pub(super) fn import(&self, path: &Path) -> Value {
        let ran = self.run(&["--json", "memory", "import", &path.to_string_lossy()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.json()
    }

    pub(super) fn database(&self) -> Connection {
        Connection::open(self.data().join("mimo.db")).expect("the database")
    }
}

pub(super) fn counts(out: &Value) -> [u64; 3] {
    ["created", "merged", "unchanged"].map(|key| out[key].as_u64().expect("a count"))
}

/// Texts that are easily damaged in transit.
fn hostile() -> Vec<String> {
    vec![
        "two\nlines\r\nand a tab\t.".to_owned(),
        "separated\u{2028}by\u{2029}others \u{85} and \u{feff}".to_owned(),
        "\"quoted\" \\ back\\slash {\"format\":\"mimo-memories\",\"version\":9}".to_owned(),
        "👩‍👩‍👧‍👦 🇩🇪 e\u{301} \u{202e}desrever".to_owned(),
        "controls \u{1} \u{7f} \u{1b}[2J".to_owned(),
        "東京の灯台は夜明けまで光る".to_owned(),
        format!("long {}", "0123456789 abcde ".repeat(6_000)),
    ]
}

/// A home with memories of every state and kind.
fn furnished() -> Home {
    let home = Home::new();
    home.store(json!([
        {"content": "Ada repairs the lamp", "category": "action", "importance": 0.1,
         "tags": ["z", "lamp", "ä"], "thread": "log", "valid_until": "2027-01-01"},
        {"content": "Ada paints the door", "category": "observation", "thread": "log", "importance": 1,
         "said_at": "1987-05-01"},
        {"content": "sell the boat", "category": "plan", "project": "harbour",
         "importance": 0.30000000000000004, "valid_until": "4294967295w"},
    ]));
    let hostile: Vec<Value> = hostile()
        .iter()
        .map(|text| json!({"content": text}))
        .collect();
    home.store(json!(hostile));
    for pier in ["four", "nine", "two"] {
        let berth = format!("the ferry berths at pier {pier}");
        home.store(json!([{"content": berth, "topic_key": "berth"}]));
    }
    home.edit(json!({"action": "update", "ids": [1], "content": "Ada repaired the lamp"}));
    home.store(json!([{"content": "Bo paints the door", "supersedes_id": 2}]));
    home.edit(json!({"action": "forget", "ids": [3]}));
    home.edit(json!({"action": "protect", "ids": [4]}));
    home.search(json!({"query": "ferry"}));
    home
}

#[test]
fn export_imports_line_for_line_and_again_without_duplicates() {
    let home = furnished();
    let before = home.exported();
    assert_eq!(before.len(), 15);
    let states = |state: &str| before.iter().filter(|line| line["state"] == state).count();
    assert_eq!(
        (states("active"), states("superseded"), states("archived")),
        (10, 4, 1)
    );
    assert!(before.iter().any(|line| line["recall_count"] == 1));
    assert!(before.iter().any(|line| line["protected"] == true));
    assert!(
        before
            .iter()
            .filter(|line| line["supersedes"].is_i64())
            .count()
            == 4
    );

    let file = home.path().join("out.jsonl");
    std::fs::write(&file, "there already").expect("a file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("open to all");
    let written = home.run(&["memory", "export", "--all", "-o", &file.to_string_lossy()]);
    assert_eq!(written.out, format!("15 memories in {}\n", file.display()));
    let mode = file.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what a person said is theirs alone");

    let other = Home::new();
    for round in [[15, 0, 0], [0, 0, 15], [0, 0, 15]] {
        assert_eq!(counts(&other.import(&file)), round);
        assert_eq!(other.exported(), before);
    }
    for (query, mode) in [
        ("repaired lamp", "keyword"),
        ("who fixed the light?", "semantic"),
    ] {
        let found = other.search(json!({"query": query, "mode": mode, "limit": 1}));
        assert_eq!(found[0]["content"], "Ada repaired the lamp", "{mode}");
    }
    let older =
        json!({"query": "pier nine", "mode": "keyword", "include_superseded": true, "limit": 1});
    assert_eq!(
        other.search(older)[0]["content"],
        "the ferry berths at pier nine"
    );
    // Imported memories behave like stored ones.
    let again =
        other.store(json!([{"content": "the ferry berths at pier one", "topic_key": "berth"}]));
    let ferry = before
        .iter()
        .find(|line| line["content"] == "the ferry berths at pier two");
    assert_eq!(json!(again[0]), ferry.expect("it is there")["id"]);
    let unsound: i64 = other
        .database()
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .expect("checked");
    assert_eq!(unsound, 0);

    // Only the current project and the shared one.
    let own = home.run(&["--project", "elsewhere", "memory", "export"]);
    assert_eq!(own.out.lines().count(), 15, "all but the harbour's");
}

#[test]
fn failed_or_killed_export_leaves_the_last_good_file() {
    let home = furnished();
    let folder = home.path().join("exports");
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("memories.jsonl");
    std::fs::write(&file, "the last good export").expect("a file");
    // Over the file size limit the kernel kills the process, or, if it ignores
    // the signal, a write fails as on a full disk.
    for (signal, code) in [("", None), ("trap '' XFSZ;", Some(1))] {
        let export = ["memory", "export", "--all", "-o", &file.to_string_lossy()];
        let mimo = home.command(&export);
        let mut limited = std::process::Command::new("sh");
        limited
            .args(["-c", &format!("{signal} ulimit -f 128; exec \"$0\" \"$@\"")])
            .arg(mimo.get_program())
            .args(mimo.get_args())
            .env_clear()
            .envs(
                mimo.get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            );
        let ran = ran(limited, "");
        assert_eq!(ran.code, code, "{ran:?}");
        let kept = std::fs::read_to_string(&file).expect("the file");
        assert!(kept == "the last good export", "{} bytes", kept.len());
        if code.is_some() {
            assert!(ran.err.contains("next:"), "{ran:?}");
            let names = std::fs::read_dir(&folder).expect("a folder").count();
            assert_eq!(names, 2, "the killed one left its part, this one nothing");
        }
    }
}

#[test]
fn killed_import_resumes_where_it_stopped() {
    const LINES: i64 = 520;
    let mut lines = vec![
        json!({"format": "mimo-memories", "version": 1,
                                "exported_at": "2026-11-22T12:00:00Z", "memories": LINES})
        .to_string(),
    ];
    for id in 1..=LINES {
        let mut line = json!({"id": id, "content": format!("entry {id} of the log"), "thread": "log",
            "position": id, "created_at": "2026-11-22T12:00:00.000000Z",
            "updated_at": "2026-11-22T12:00:00.000000Z"});
        // Superseded versions come after their successors.
        if id <= 100 {
            line["supersedes"] = json!(LINES - id + 1);
        }
        if id > LINES - 100 {
            line["state"] = json!("superseded");
            line["retired_at"] = json!("2026-11-22T13:00:00.000000Z");
        }
        lines.push(line.to_string());
    }
    let whole = Home::new();
    let file = whole.file("in.jsonl", &(lines.join("\n") + "\n"));
    assert_eq!(counts(&whole.import(&file)), [LINES as u64, 0, 0]);
    let expected = whole.exported();
    let linked = expected
        .iter()
        .filter(|line| line["supersedes"].is_i64())
        .count();
    assert_eq!(linked, 100);

    let home = Home::new();
    let mut child = home
        .command(&["memory", "import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all((lines[..450].join("\n") + "\n").as_bytes())
        .expect("it reads");
    // It stores in batches and waits for the rest.
    let begun = Instant::now();
    let stored = || -> i64 {
        // Does not create the file.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = Connection::open_with_flags(home.data().join("mimo.db"), flags);
        let count = |file: Connection| {
            file.query_row("SELECT count(*) FROM memory", [], |row| row.get(0))
                .ok()
        };
        file.ok().and_then(count).unwrap_or(0)
    };
    while stored() < 400 {
        assert!(
            begun.elapsed() < Duration::from_secs(100),
            "it stores nothing"
        );
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    child.wait().expect("it is gone");
    let there = stored();
    assert!((400..LINES).contains(&there), "{there}");
    let none = "SELECT count(*) FROM memory WHERE supersedes IS NOT NULL";
    let none: i64 = home
        .database()
        .query_row(none, [], |row| row.get(0))
        .expect("counted");
    assert_eq!(none, 0, "what they replaced had not come");

    let out = home.import(&file);
    assert_eq!(counts(&out), [(LINES - there) as u64, 0, there as u64]);
    assert_eq!(home.exported(), expected);
}

#[test]
fn broken_line_is_named_and_the_others_come_in() {
    let good = r#"{"content": "good"}"#;
    let long = json!({"content": "x".repeat(100 * 1024 + 1)}).to_string();
    let cases = [
        ("{", "line 3: this is not JSON"),
        ("[1]", "line 3: this is not a memory"),
        (
            r#"{"content": "b", "importanse": 1}"#,
            "unknown field `importanse`",
        ),
        (r#"{"content": " "}"#, "the content is blank (at /content)"),
        (
            r#"{"content": 7}"#,
            "line 3: this is not a memory: invalid type",
        ),
        (&long, "the content has 102401 bytes; at most 102400 fit"),
        (
            r#"{"content": "b", "importance": 1.5}"#,
            "1.5 is not between 0 and 1 (at /importance)",
        ),
        (
            r#"{"content": "b", "category": "song"}"#,
            "there is no category \"song\"",
        ),
        (
            r#"{"content": "b", "state": "gone"}"#,
            "there is no state \"gone\"",
        ),
        (
            r#"{"content": "b", "created_at": "soon"}"#,
            "\"soon\" is not a moment",
        ),
        (
            r#"{"content": "b", "project": "*"}"#,
            "* stands for all projects",
        ),
        (r#"{"content": "b", "tags": [""]}"#, "is not blank"),
        (r#"{"content": "b", "position": 0}"#, "0 is less than 1"),
        (
            r#"{"content": "b", "retired_at": "2026-11-22T12:00:00Z"}"#,
            "was not retired",
        ),
        (
            r#"{"format": "photos"}"#,
            "the format \"photos\" is not known",
        ),
    ];
    for (bad, says) in cases {
        let home = Home::new();
        let file = home.file(
            "in.jsonl",
            &format!("{good}\n\n{bad}\n{{\"content\": \"after\"}}\n"),
        );
        let strict = home.run(&["memory", "import", "--strict", &file.to_string_lossy()]);
        assert_eq!(strict.code, Some(1), "{bad}: {strict:?}");
        assert!(strict.err.contains(says), "{bad}: {strict:?}");
        assert!(home.exported().is_empty(), "{bad}");
        let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
        assert_eq!(ran.code, Some(0), "{bad}: {ran:?}");
        assert!(ran.err.contains("  line 3: "), "{bad}: {ran:?}");
        assert!(ran.err.contains(says), "{bad}: {ran:?}");
        assert!(ran.err.contains("next: "), "{bad}: {ran:?}");
        let texts: Vec<Value> = home
            .exported()
            .iter()
            .map(|line| line["content"].clone())
            .collect();
        assert_eq!(texts, ["good", "after"], "{bad}");
    }
    let home = Home::new();
    let newer = json!({"format": "mimo-memories", "version": 2, "exported_at": "", "memories": 0});
    let file = home.file("in.jsonl", &format!("{newer}\n{good}\n"));
    let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("newer Mimo"), "{ran:?}");
    assert!(home.exported().is_empty(), "nothing of an unknown format");

    let cut = json!({"format": "mimo-memories", "version": 1, "exported_at": "", "memories": 5});
    let file = home.file("in.jsonl", &format!("{cut}\n{good}\n"));
    let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("counts 4 memories more than"), "{ran:?}");
    let none = home.run(&["memory", "import", "/no/such/file"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.err.contains("/no/such/file cannot be read"),
        "{none:?}"
    );
}

#[test]
fn import_merges_equal_texts_and_taken_topic_keys() {
    let home = Home::new();
    let ids = home.store(json!([
        {"content": "Raj deploys on Mondays", "tags": ["a"], "importance": 0.4},
        {"content": "the port is 80", "topic_key": "port"},
        {"content": "the host is old", "topic_key": "host"},
    ]));
    let moment = |year: u32| format!("{year}-01-01T00:00:00.000000Z");
    let lines = [
        json!({"id": 2, "content": "raj  deploys on mondays.", "tags": ["b"], "importance": 0.8,
               "thread": "t", "position": 1, "created_at": moment(2020)}),
        json!({"id": 1, "content": "the fleet sails", "supersedes": 9, "thread": "t", "position": 2,
               "created_at": moment(2021)}),
        json!({"id": 3, "content": "the port is 443", "topic_key": "port", "thread": "t", "position": 3,
               "created_at": moment(2100)}),
        json!({"id": 4, "content": "the host is ancient", "topic_key": "host", "thread": "t",
               "position": 4, "created_at": moment(2001)}),
        json!({"id": 9, "content": "the fleet lies", "state": "superseded", "thread": "t",
               "position": 2, "created_at": moment(2019), "retired_at": moment(2021)}),
        json!({"id": i64::MAX, "content": "far out", "supersedes": i64::MAX, "thread": "t", "position": 6,
               "created_at": moment(2022)}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = home.file("in.jsonl", &text);
    assert_eq!(counts(&home.import(&file)), [5, 1, 0]);
    let all = home.exported();
    let find = |content: &str| {
        let found = all.iter().find(|line| line["content"] == content);
        found.unwrap_or_else(|| panic!("{content}: {all:?}"))
    };
    let raj = find("Raj deploys on Mondays");
    assert_eq!(
        (&raj["id"], &raj["tags"], &raj["importance"]),
        (&json!(ids[0]), &json!(["a", "b"]), &json!(0.8))
    );
    let (sails, lies) = (find("the fleet sails"), find("the fleet lies"));
    assert!(sails["id"].as_i64() > Some(3), "1 is another's");
    assert_eq!(
        sails["supersedes"], lies["id"],
        "the chain is kept by its new ids"
    );
    // Of two memories with a topic key the newer wins.
    let (new, old) = (find("the port is 443"), find("the port is 80"));
    assert_eq!(
        (&new["state"], &old["state"]),
        (&json!("active"), &json!("superseded"))
    );
    assert_eq!(new["supersedes"], old["id"]);
    assert_eq!(find("the host is old")["state"], "active");
    assert_eq!(find("the host is ancient")["state"], "superseded");
    let far = find("far out");
    assert!(
        far["id"].as_i64() < Some(100) && far["supersedes"].is_null(),
        "{far}"
    );
    home.store(json!([{"content": "ids go on"}]));

    let before = home.exported();
    assert_eq!(counts(&home.import(&file)), [0, 0, 6]);
    assert_eq!(home.exported(), before, "again changes nothing");
    // A repeated import does not restore forgotten memories.
    home.edit(json!({"action": "forget", "ids": [sails["id"]]}));
    assert_eq!(counts(&home.import(&file)), [0, 0, 6]);
    assert!(
        home.search(json!({"query": "fleet sails", "mode": "keyword"}))
            .is_empty()
    );
}
