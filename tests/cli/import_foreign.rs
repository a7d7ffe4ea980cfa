//! What other programs and people wrote: their files, in every form that was seen.

use serde_json::{Value, json};

use super::home::Home;

/// Imports `text` as a file called `name`, and gives the summary and the memories.
fn imported(name: &str, text: &str) -> (Home, Value, Vec<Value>) {
    let home = Home::new();
    let file = home.file(name, text);
    let ran = home.run(&["--json", "import", &file.to_string_lossy()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (summary, memories) = (ran.json(), home.exported());
    let again = home
        .run(&["--json", "import", &file.to_string_lossy()])
        .json();
    assert_eq!(
        (&again["created"], &again["triples"], &again["entities"]),
        (&json!(0), &json!(0), &json!(0)),
        "again changes nothing"
    );
    (home, summary, memories)
}

fn contents(memories: &[Value]) -> Vec<&str> {
    let contents = memories
        .iter()
        .map(|memory| memory["content"].as_str().expect("text"));
    contents.collect()
}

#[test]
fn server_memory_files_in_every_form() {
    let ada = json!({"type": "entity", "name": "Ada", "entityType": "person",
        "observations": ["wrote notes"], "createdAt": "2025-03-01"});
    let bare = json!({"type": "entity", "name": "Loom", "entityType": "machine"});
    let relation =
        json!({"type": "relation", "from": "Ada", "to": "Loom", "relationType": "knows"});
    let other = json!({"type": "relation", "from_entity": "Ada", "to_entity": "Loom", "relation_type": "knows"});
    let text = json!({"name": "Ada", "entityType": "person", "observations": "wrote notes",
        "created_at": 1_740_787_200_000_i64});
    let objects = json!({"name": "Ada", "entityType": "person",
        "observations": [{"content": "wrote notes", "timestamp": "2025-03-01T00:00:00Z"}]});
    let aim = json!({"type": "_aim", "source": "mcp-knowledge-graph"});
    for form in [
        format!("\u{feff}{ada}\n{bare}\n{relation}\n"),
        format!("{aim}\n{ada}{bare}\n{other}"),
        json!([ada, bare, relation]).to_string(),
        format!("{:#}", json!([objects, bare, other])),
        format!("{:#}", json!({"entities": [text, bare], "relations": [other]})),
        json!({"entities": [{"name": "Ada", "observations": ["wrote notes"], "updated_at": "2025-03-01",
            "createdAt": "2025-03-01", "type": "person"}, bare], "relations": [relation]}).to_string(),
    ] {
        let (home, summary, memories) = imported("memory.json", &form);
        let counts = ["created", "triples", "entities", "skipped"].map(|key| &summary[key]);
        assert_eq!(counts, [1, 1, 2, 0], "{form}: {summary}");
        assert_eq!(contents(&memories), ["Ada: wrote notes"], "{form}");
        assert_eq!(memories[0]["created_at"], "2025-03-01T00:00:00.000000Z", "{form}");
        assert_eq!(memories[0]["tags"], json!(["person"]), "{form}");
        let graph = home.call(&["graph_query", r#"{"start":"Ada"}"#]);
        assert_eq!(graph["paths"][0]["entities"], json!(["person:ada", "machine:loom"]), "{form}");
    }
}

#[test]
fn records_with_tags_and_times_of_any_form() {
    let many: Vec<String> = (0..70).map(|nth| format!("tag{nth:02}")).collect();
    let records = json!([
        {"content": "a", "tags": "red, blue", "created_at": 1_700_000_000_123_i64},
        {"content": "b", "tags": "[\"x\"]", "created_at": "2023-11-14 22:13:20", "updated_at": "2023-11-15"},
        {"content": "c", "tags": many},
        {"content": "d", "created_at": "3024-01-01"},
        {"content": "e", "observations": 1},
    ]);
    let (_, summary, memories) = imported("records.json", &records.to_string());
    assert_eq!(
        (&summary["created"], &summary["tags_cut"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(memories[0]["tags"], json!(["blue", "red"]));
    assert_eq!(memories[0]["created_at"], "2023-11-14T22:13:20.123000Z");
    assert_eq!(memories[1]["tags"], json!(["x"]));
    assert_eq!(memories[1]["updated_at"], "2023-11-15T00:00:00.000000Z");
    assert_eq!(memories[2]["tags"].as_array().expect("tags").len(), 64);
    let skipped = summary["skipped_items"].to_string();
    assert!(
        skipped.contains("beyond the year 2100 (at /3/created_at)"),
        "{skipped}"
    );
    assert!(
        skipped.contains("unknown field `observations`"),
        "{skipped}"
    );
}

#[test]
fn exports_of_claude_mem_and_mem0() {
    let export = json!({
        "exportedAt": "2026-01-04T00:00:00Z", "query": "x", "totalObservations": 1,
        "observations": [{"id": 7, "memory_session_id": "s1", "project": "website", "type": "decision",
            "title": "Use SQLite", "narrative": "One file is enough.", "facts": "[\"WAL, always\"]",
            "concepts": "[\"storage\"]", "created_at_epoch": 1_700_000_000_000_i64}],
        "summaries": [{"id": 1, "project": "website", "request": "Choose a store", "learned": "SQLite fits",
            "created_at": "2025-11-01T10:00:00Z"}],
        "sessions": [], "prompts": [{"prompt_text": "hello"}],
    });
    let (_, summary, memories) = imported("claude-mem.json", &format!("{export:#}"));
    assert_eq!(
        (&summary["created"], &summary["left_out"]),
        (&json!(2), &json!({"user prompt": 1}))
    );
    assert_eq!(
        contents(&memories),
        [
            "Use SQLite\nOne file is enough.\n- WAL, always",
            "request: Choose a store\nlearned: SQLite fits"
        ]
    );
    assert_eq!(
        (&memories[0]["project"], &memories[0]["tags"]),
        (&json!("website"), &json!(["decision", "storage"]))
    );
    assert_eq!(memories[0]["created_at"], "2023-11-14T22:13:20.000000Z");

    let export = json!({
        "results": [{"id": "m1", "memory": "Likes tea", "hash": "h", "metadata": {"category": "x"},
            "categories": ["food"], "user_id": "ada", "created_at": "2025-07-01T10:00:00.000000-07:00"}],
        "relations": [{"source": "ada", "relationship": "likes", "target": "tea"}],
    });
    let (_, summary, memories) = imported("mem0.json", &export.to_string());
    let counts = ["created", "triples", "metadata", "skipped"].map(|key| &summary[key]);
    assert_eq!(counts, [1, 1, 1, 0], "{summary}");
    assert_eq!(
        (&memories[0]["content"], &memories[0]["tags"]),
        (&json!("Likes tea"), &json!(["food"]))
    );
}

/// What is a time of the record stays one; no time of another kind keeps a memory out.
#[test]
fn times_at_which_something_was_said_come_in() {
    for (file, text) in [
        (
            "mem0.json",
            json!({"results": [
                {"id": "m1", "memory": "Likes tea", "created_at": "2025-07-01",
                 "metadata": {"timestamp": "2024-03-18T10:00:00Z"}},
                {"id": "m2", "memory": "Likes figs", "created_at": "2025-07-01",
                 "metadata": {"date": "2025-07-01"}},
                {"id": "m3", "memory": "Likes rye", "created_at": "2025-07-01",
                 "metadata": {"date": "last summer"}},
            ]})
            .to_string(),
        ),
        (
            "memories.json",
            json!([{"content": "Likes tea", "content_hash": "h1", "created_at": 1_751_328_000,
                    "metadata": {"event_date": "2024-03-18T10:00:00Z"}},
                   {"content": "Likes figs", "content_hash": "h2", "created_at": 1_751_328_000},
                   {"content": "Likes rye", "content_hash": "h3", "created_at": 1_751_328_000}])
            .to_string(),
        ),
        (
            "memory.json",
            json!({"type": "entity", "name": "Ada", "entityType": "person", "createdAt": "2025-07-01",
                   "observations": [{"content": "likes tea", "timestamp": "2024-03-18T10:00:00Z",
                                     "createdAt": "2025-07-01"},
                                    "likes figs", "likes rye"]})
            .to_string(),
        ),
        (
            "note.md",
            "---\ncreated: 2025-07-01\ndate: 2024-03-18T10:00:00Z\n---\n- Likes tea\n".to_owned(),
        ),
    ] {
        let (_, summary, memories) = imported(file, &text);
        assert_eq!(summary["skipped"], 0, "{file}: {summary}");
        assert_eq!(memories[0]["said_at"], "2024-03-18T10:00:00.000000Z", "{file}");
        for memory in &memories {
            assert_eq!(memory["created_at"], "2025-07-01T00:00:00.000000Z", "{file}");
        }
        for memory in &memories[1..] {
            assert_eq!(memory["said_at"], Value::Null, "{file}");
        }
    }
}

#[test]
fn folders_of_basic_memory_and_plain_notes() {
    let home = Home::new();
    let folder = home.path().join("notes");
    std::fs::create_dir_all(folder.join("coffee/.obsidian")).expect("folders");
    let note = "---\ntitle: Pour Over\ntype: technique\ntags: [coffee]\npermalink: coffee/pour-over\n---\n\
        # Pour Over\n## Observations\n- [method] Clearer than a French press #brewing\n\
        ## Relations\n- requires [[Grinder]]\n";
    std::fs::write(folder.join("coffee/pour-over.md"), note).expect("a note");
    std::fs::write(folder.join("coffee/.obsidian/x.md"), "- hidden").expect("a note");
    let outside = home.file("outside.md", "- outside of the folder");
    std::os::unix::fs::symlink(outside, folder.join("coffee/link.md")).expect("a link");
    std::fs::write(
        folder.join("CLAUDE.md"),
        "# Rules\n- Use tabs\n- Never push\n\nBe brief.\n",
    )
    .expect("a note");
    std::fs::write(folder.join("bad.md"), [0xff, 0xfe]).expect("a file");
    let ran = home.run(&["--json", "import", &folder.to_string_lossy()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let counts = ["created", "triples", "entities", "skipped"].map(|key| ran.json()[key].clone());
    assert_eq!(counts, [4, 1, 2, 1], "{ran:?}");
    let memories = home.exported();
    assert_eq!(
        contents(&memories),
        [
            "Use tabs",
            "Never push",
            "Be brief.",
            "Pour Over: Clearer than a French press #brewing"
        ]
    );
    assert_eq!(memories[0]["tags"], json!(["Rules"]));
    let tags = json!(["Observations", "Pour Over", "brewing", "coffee", "method"]);
    assert_eq!(memories[3]["tags"], tags);
    let graph = home.call(&["graph_query", r#"{"start":"Pour Over"}"#]);
    assert_eq!(
        graph["paths"][0]["entities"],
        json!(["technique:pour_over", "thing:grinder"])
    );
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    assert_eq!(
        home.run(&["import", &empty.to_string_lossy()]).code,
        Some(1)
    );
}
