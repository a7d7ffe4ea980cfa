//! Import of memories from files of other programs.

use serde_json::{Value, json};

use super::home::Home;
use super::memory_export::counts;

#[test]
fn official_memory_server_file_imports_with_its_graph() {
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
fn mcp_memory_service_export_imports() {
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
    // A newly imported old memory does not count as unused.
    let due = home
        .run(&["--json", "memory", "cleanup", "--dry-run"])
        .json();
    assert_eq!(due["archived"], json!({"idle": [], "beyond": []}));

    let bad =
        json!({"memories": [{"content": "fine"}, {"content": "x", "created_at": "yesterday"}]});
    let file = home.file("export.json", &format!("{bad:#}"));
    let ran = home.run(&["memory", "import", &file.to_string_lossy()]);
    assert!(ran.err.contains("at /memories/1/created_at"), "{ran:?}");
    assert_eq!(home.exported().len(), all.len() + 1, "the rest is in");
}
