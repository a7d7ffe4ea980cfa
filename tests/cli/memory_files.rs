//! Memories as files: out and in without loss, again without doubles, after a
//! kill without gaps, from other programs, and what is told of a broken line.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::Home;

impl Home {
    fn store(&self, memories: Value) -> Vec<i64> {
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

    fn search(&self, arguments: Value) -> Vec<Value> {
        let found = self.call(&["memory_search", &arguments.to_string()]);
        found["items"].as_array().expect("items").clone()
    }

    fn edit(&self, arguments: Value) {
        self.call(&["memory_edit", &arguments.to_string()]);
    }

    /// The memories of an export, without its first line.
    fn exported(&self) -> Vec<Value> {
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

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// What importing `path` comes to.
    fn import(&self, path: &Path) -> Value {
        let ran = self.run(&["--json", "memory", "import", &path.to_string_lossy()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.json()
    }

    fn database(&self) -> Connection {
        Connection::open(self.data().join("mimo.db")).expect("the database")
    }
}

fn counts(out: &Value) -> [u64; 3] {
    ["created", "merged", "unchanged"].map(|key| out[key].as_u64().expect("a count"))
}

/// Texts that could be taken for something else on their way.
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

/// A home with a memory in every state, and some of every kind.
fn furnished() -> Home {
    let home = Home::new();
    home.store(json!([
        {"content": "Ada repairs the lamp", "category": "action", "importance": 0.1,
         "tags": ["z", "lamp", "ä"], "thread": "log", "valid_until": "2027-01-01"},
        {"content": "Ada paints the door", "category": "observation", "thread": "log", "importance": 1},
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
fn what_goes_out_comes_in_line_for_line_and_again_without_doubles() {
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
    // What came goes on as if it had been stored here.
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

    // Of the current project and the shared one alone.
    let own = home.run(&["--project", "elsewhere", "memory", "export"]);
    assert_eq!(own.out.lines().count(), 15, "all but the harbour's");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
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
        // Replaced versions stand behind those that replaced them.
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
    // It stores what it has read in portions, and waits for the rest.
    let begun = Instant::now();
    let stored = || -> i64 {
        let file = Connection::open(home.data().join("mimo.db"));
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
fn a_broken_line_is_named_and_what_came_before_it_stays() {
    let home = Home::new();
    let good = r#"{"content": "good"}"#;
    let long = json!({"content": "x".repeat(100 * 1024 + 1)}).to_string();
    let cases = [
        ("{", "line 3: this is not JSON"),
        ("[1]", "line 3: this is no memory"),
        (
            r#"{"content": "b", "importanse": 1}"#,
            "unknown field `importanse`",
        ),
        (r#"{"content": " "}"#, "the content is blank (at /content)"),
        (
            r#"{"content": 7}"#,
            "line 3: this is no memory: invalid type",
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
            r#"{"format": "mimo-memories", "version": 2, "exported_at": "", "memories": 0}"#,
            "newer Mimo",
        ),
        (
            r#"{"format": "photos"}"#,
            "the format \"photos\" is not known",
        ),
    ];
    for (bad, says) in cases {
        let file = home.file(
            "in.jsonl",
            &format!("{good}\n\n{bad}\n{{\"content\": \"after\"}}\n"),
        );
        let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
        assert_eq!(ran.code, Some(1), "{bad}: {ran:?}");
        assert!(ran.err.contains("mimo: line 3: "), "{bad}: {ran:?}");
        assert!(ran.err.contains(says), "{bad}: {ran:?}");
        assert!(ran.err.contains("next: "), "{bad}: {ran:?}");
        let texts: Vec<Value> = home
            .exported()
            .iter()
            .map(|line| line["content"].clone())
            .collect();
        assert_eq!(texts, ["good"], "{bad}");
    }
    let file = home.file("in.jsonl", &format!("{good}\n{{\"content\": \"after\"}}\n"));
    assert_eq!(counts(&home.import(&file)), [1, 0, 1]);

    let cut = json!({"format": "mimo-memories", "version": 1, "exported_at": "", "memories": 5});
    let file = home.file("in.jsonl", &format!("{cut}\n{good}\n"));
    let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
    assert!(ran.out.contains("4 memories are missing"), "{ran:?}");
    let none = home.run(&["memory", "import", "/no/such/file"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.err.contains("/no/such/file cannot be read"),
        "{none:?}"
    );
}

#[test]
fn what_is_taken_or_said_already_gives_way_or_joins() {
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
    // Of two that hold a key the newer is believed, wherever it came from.
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
    // What was forgotten since is not brought back by coming again.
    home.edit(json!({"action": "forget", "ids": [sails["id"]]}));
    assert_eq!(counts(&home.import(&file)), [0, 0, 6]);
    assert!(
        home.search(json!({"query": "fleet sails", "mode": "keyword"}))
            .is_empty()
    );
}

#[test]
fn the_official_memory_servers_file_comes_in_with_its_graph() {
    let lines = [
        json!({"type": "entity", "name": "Ada Lovelace", "entityType": "person",
               "observations": ["wrote notes", "Ada Lovelace liked maths"]}),
        json!({"type": "entity", "name": "Analytical Engine", "entityType": "machine", "observations": []}),
        json!({"type": "relation", "from": "Ada Lovelace", "to": "Analytical Engine", "relationType": "programmed"}),
    ];
    let as_lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let whole = format!(
        "{:#}",
        json!({"entities": lines[..2], "relations": lines[2..]})
    );
    for text in [as_lines, whole] {
        let home = Home::new();
        let file = home.file("memory.jsonl", &text);
        let out = home.import(&file);
        assert_eq!((counts(&out), &out["triples"]), ([2, 0, 0], &json!(1)));
        let found = home.search(json!({"query": "wrote notes", "mode": "keyword"}));
        assert_eq!(found[0]["content"], "Ada Lovelace: wrote notes");
        assert_eq!(found[0]["category"], "observation");
        assert_eq!(
            found[0]["entities"],
            json!(["person:ada_lovelace"]),
            "linked by its name"
        );
        let maths = home.search(json!({"query": "maths", "mode": "keyword"}));
        assert_eq!(maths[0]["content"], "Ada Lovelace liked maths");
        let asked = json!({"start": "ada lovelace"}).to_string();
        let graph = home.call(&["graph_query", &asked]);
        assert_eq!(
            graph["paths"][0]["entities"][1], "machine:analytical_engine",
            "{graph}"
        );
        let before = home.exported();
        let again = home.import(&file);
        assert_eq!((counts(&again), &again["triples"]), ([0, 0, 2], &json!(0)));
        assert_eq!(home.exported(), before);
    }
}

#[test]
fn the_export_of_mcp_memory_service_comes_in() {
    let memory = |content: &str, created: Value, kind: Value, tags: Value| {
        json!({"content": content, "content_hash": format!("{:064x}", content.len()), "tags": tags,
               "created_at": created, "updated_at": created, "memory_type": kind,
               "metadata": {"source": "cli"}, "store": "default", "export_source": "desk",
               "embedding": [0.25, -0.5]})
    };
    let export = json!({
        "export_metadata": {"source_machine": "desk", "total_memories": 3, "exporter_version": "5.0.1"},
        "memories": [
            memory("the gate opens at dawn", json!(1_700_000_000.123456), json!("observation"), json!(["gate", " "])),
            memory("mend the gate tomorrow", json!(1_700_000_100), json!("planning"), json!("gate, work")),
            memory("the gate is made of oak", Value::Null, Value::Null, json!([])),
        ]
    });
    let home = Home::new();
    let file = home.file("export.json", &format!("{export:#}"));
    let out = home.import(&file);
    assert_eq!(
        (counts(&out), &out["metadata"], &out["missing"]),
        ([3, 0, 0], &json!(3), &json!(0))
    );
    let all = home.exported();
    let fields =
        |nth: usize| ["content", "category", "tags", "created_at"].map(|key| all[nth][key].clone());
    assert_eq!(
        fields(0),
        [
            json!("the gate opens at dawn"),
            json!("observation"),
            json!(["gate", "observation"]),
            json!("2023-11-14T22:13:20.123456Z")
        ]
    );
    assert_eq!(
        fields(1)[1..3],
        [json!("plan"), json!(["gate", "planning", "work"])]
    );
    assert_eq!(all[2]["category"], "fact");
    assert_eq!(counts(&home.import(&file)), [0, 0, 3]);
    assert_eq!(home.exported(), all);
    // An old memory that just came has not been unused for years.
    let due = home
        .run(&["--json", "memory", "cleanup", "--dry-run"])
        .json();
    assert_eq!(due["archived"], json!({"idle": [], "beyond": []}));

    let bad =
        json!({"memories": [{"content": "fine"}, {"content": "x", "created_at": "yesterday"}]});
    let file = home.file("export.json", &format!("{bad:#}"));
    let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
    assert!(ran.err.contains("at /memories/1/created_at"), "{ran:?}");
    assert_eq!(home.exported(), all);
}

#[test]
fn what_a_cleanup_archived_is_taken_back_and_everything_is_counted() {
    let home = Home::new();
    let ids = home.store(json!([
        {"content": "minor one", "importance": 0.1}, {"content": "minor two", "importance": 0.1},
        {"content": "forgotten on purpose", "importance": 0.1}, {"content": "kept", "project": "other"},
        {"content": "minor three", "importance": 0.1},
    ]));
    let days = 8 * 24 * 3600 * 1_000_000_i64;
    home.database()
        .execute(
            "UPDATE memory SET created_at = created_at - ?1, updated_at = updated_at - ?1",
            [days],
        )
        .expect("made older");
    home.edit(json!({"action": "forget", "ids": [ids[2]]}));
    let dry = home.run(&["memory", "cleanup", "--dry-run"]);
    assert!(
        dry.out
            .starts_with("3 would be archived: not used for 30 days"),
        "{dry:?}"
    );
    assert!(dry.out.contains("minor two"), "{dry:?}");
    let cleaned = home.run(&["memory", "cleanup"]);
    assert_eq!(cleaned.out, "3 memories were archived, 0 were erased\n");
    // One that is protected by now was still archived by the cleanup, not forgotten.
    home.edit(json!({"action": "protect", "ids": [ids[0]]}));
    home.edit(json!({"action": "protect", "ids": [ids[2]]}));
    home.store(json!([{"content": "minor three"}]));

    let since = |more: &[&str]| {
        let list = [
            "--json",
            "memory",
            "restore",
            "--archived-since",
            "1d",
            "--dry-run",
        ];
        home.run(&[&list, more].concat()).json()["restored"].clone()
    };
    assert_eq!(since(&[]), json!([ids[0], ids[1], ids[4]]));
    assert_eq!(
        since(&["--forgotten"]),
        json!([ids[0], ids[1], ids[2], ids[4]])
    );
    let back = home.run(&[
        "--json",
        "memory",
        "restore",
        "--archived-since",
        "2020-01-01",
    ]);
    assert_eq!(back.code, Some(1), "one cannot come back: {back:?}");
    let back = back.json();
    assert_eq!(back["restored"], json!([ids[0], ids[1]]));
    assert_eq!(
        (
            &back["failed"][0]["id"],
            &back["failed"][0]["error"]["kind"]
        ),
        (&json!(ids[4]), &json!("conflict"))
    );
    let again = home.run(&["memory", "cleanup"]);
    assert_eq!(
        again.out, "0 memories were archived, 0 were erased\n",
        "what came back stays"
    );
    let one = home.run(&[
        "memory",
        "restore",
        &ids[2].to_string(),
        &ids[3].to_string(),
    ]);
    assert_eq!(one.out, "1 memories are back\n1 were not archived\n");
    let none = home.run(&["memory", "restore", "999"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.err.contains("memory 999: no memory has the id 999"),
        "{none:?}"
    );
    assert_eq!(home.run(&["memory", "restore"]).code, Some(2));
    let odd = home.run(&["memory", "restore", "--archived-since", "soon"]);
    assert!(
        odd.code == Some(2) && odd.err.contains("no day, moment or span"),
        "{odd:?}"
    );

    let stats = home.run(&["--json", "memory", "stats"]).json();
    let all = &stats["all"];
    assert_eq!(
        [
            &all["active"],
            &all["superseded"],
            &all["archived"],
            &all["protected"]
        ],
        [5, 0, 1, 2]
    );
    assert_eq!(stats["projects"]["other"]["active"], 1);
    assert_eq!(stats["projects"]["other"]["content_bytes"], 4);
    assert_eq!(stats["categories"]["fact"]["archived"], 1);
    assert_eq!(
        [
            &stats["vectors"][0]["memories"],
            &stats["vectors"][0]["vectors"]
        ],
        [6, 6]
    );
    assert_eq!(stats["last_cleanup"]["number"], 2);
    let shown = home.run(&["memory", "stats"]);
    assert!(
        shown.out.contains("last cleanup: 20") && shown.out.contains("number 2"),
        "{shown:?}"
    );
}
