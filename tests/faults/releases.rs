//! Database files of released versions, one for each schema, which this version
//! migrates and reads.
//!
//! A new schema needs its own file. The test writes the current one to
//! `target/tmp/schema-N.db`. Until N is released it may replace
//! `tests/faults/schema-N.db`; afterwards that file never changes.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::audit::audit;
use crate::support::Server;
use crate::support::server::{ask, mimo};

#[test]
fn database_of_every_schema_version_is_migrated() {
    let today = database_of_today();
    let number = schema(&today);
    assert!(
        kept(number).exists(),
        "schema {number} is new: copy {} to {} and commit it",
        today.display(),
        kept(number).display()
    );
    for number in 1..=number {
        go_on_with(&kept(number));
    }
    for number in GRAPH_SINCE..=number {
        go_on_with_graph(&kept(number));
    }
    for number in PROCEDURES_SINCE..=number {
        go_on_with_procedures(&kept(number));
    }
    // A file written just now passes the same checks, so the checks fit the
    // older files.
    go_on_with(&today);
    go_on_with_graph(&today);
    go_on_with_procedures(&today);
}

/// The first schema with a graph.
const GRAPH_SINCE: i64 = 2;

/// The first schema with procedures.
const PROCEDURES_SINCE: i64 = 3;

/// The keys of the two executions in the file, and their visibility in the fog.
const EXECUTIONS: [(&str, i64); 2] = [("fog-1", 5000), ("fog-2", 50)];

/// A procedure that asks for approval in thick fog and returns how long to
/// sound the horn.
fn fog_horn() -> Value {
    json!({
        "name": "fog_horn", "version": "1.0.0", "initial_state": "look",
        "context_schema": {"type": "object", "required": ["metres"], "additionalProperties": false,
                           "properties": {"metres": {"type": "integer"}}},
        "states": {
            "look": {
                "action": {"choice": [{"when": "{{ metres < 100 }}", "event": "thick"}, {"event": "clear"}]},
                "transitions": [{"event": "thick", "target": "ask"}, {"event": "clear", "target": "done"}],
            },
            "ask": {
                "action": {"wait_for_approval": {"message": "Sound the horn?"}},
                "next": "done",
            },
            "done": {"end": true},
        },
    })
}

fn kept(number: i64) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    folder.join(format!("schema-{number}.db"))
}

fn schema(database: &Path) -> i64 {
    let file = Connection::open(database).expect("the database");
    file.pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("its version")
}

/// A small database with a memory and a triple in every state.
fn database_of_today() -> PathBuf {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    let mut good = |tool: &str, arguments: Value| ask(&mut server, tool, arguments).good();
    good(
        "memory_store",
        json!({"content": "Ada repairs the lamp of the lighthouse every spring",
               "category": "action", "importance": 0.9, "tags": ["lighthouse", "ada"]}),
    );
    let berth = |content| json!({"content": content, "topic_key": "decision/berth"});
    good("memory_store", berth("The ferry berths at pier four"));
    good("memory_store", berth("The ferry berths at pier nine"));
    good(
        "memory_store",
        json!({"content": "東京の灯台は夜明けまで光る"}),
    );
    let old = good(
        "memory_store",
        json!({"content": "The harbour master is called Bo"}),
    );
    let forget = json!({"action": "forget", "ids": [id(&old)], "reason": "he retired"});
    good("memory_edit", forget);
    let kept = good(
        "memory_store",
        json!({"content": "Never sell the old rowing boat"}),
    );
    good(
        "memory_edit",
        json!({"action": "protect", "ids": [id(&kept)]}),
    );
    let lamp = json!({"subject": "person:ada", "predicate": "repairs", "object": "lamp"});
    let house = json!({"subject": "lamp", "predicate": "part_of", "object": "building:lighthouse",
                       "confidence": 0.9});
    good(
        "graph_update",
        json!({"assert": [lamp, house], "source": "the log"}),
    );
    let keeper = json!({"subject": "person:bo", "predicate": "runs", "object": "the harbour"});
    let keeper = good("graph_update", json!({"assert": [keeper]}));
    good(
        "graph_update",
        json!({"retract": [keeper["triples"][0]["id"]]}),
    );
    good("procedure_define", json!({ "definition": fog_horn() }));
    for (key, metres) in EXECUTIONS {
        good(
            "procedure_run",
            json!({"name": "fog_horn", "context": {"metres": metres}, "idempotency_key": key}),
        );
    }
    assert!(server.exit().success());

    let written = Connection::open(folder.path().join("data/mimo.db")).expect("the database");
    let number: i64 = written
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("its version");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schema-{number}.db"));
    let _there_was_none = fs::remove_file(&place);
    written
        .execute("VACUUM INTO ?", [place.to_string_lossy()])
        .expect("a copy without slack");
    place
}

fn go_on_with(database: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    let place = folder.path().join("data/mimo.db");
    fs::copy(database, &place).expect("a copy to work on");
    let mut server = Server::of(&mut mimo(folder.path()));
    let mut good = |tool: &str, arguments: Value| ask(&mut server, tool, arguments).good();
    let mut first = |arguments: Value| good("memory_search", arguments)["items"][0].clone();

    for mode in ["semantic", "keyword", "hybrid"] {
        let lamp = first(json!({"query": "who fixes the lighthouse lamp?", "mode": mode}));
        assert_eq!(
            lamp["content"], "Ada repairs the lamp of the lighthouse every spring",
            "{mode}"
        );
        assert_eq!(lamp["category"], "action");
        assert_eq!(lamp["importance"], 0.9);
        assert_eq!(lamp["tags"], json!(["ada", "lighthouse"]));
    }
    let pier = first(json!({"query": "ferry pier"}));
    assert_eq!(pier["content"], "The ferry berths at pier nine");
    let cjk = first(json!({"query": "灯台", "mode": "keyword"}));
    assert_eq!(cjk["content"], "東京の灯台は夜明けまで光る");
    let simplified = first(json!({"query": "东京", "mode": "keyword"}));
    assert_eq!(simplified["content"], cjk["content"], "in the index anew");
    let boat = first(json!({"query": "rowing boat"}));

    let memory = good("mimo_status", json!({"section": "memory"}))["memory"].clone();
    let counts = [
        &memory["active"],
        &memory["superseded"],
        &memory["archived"],
    ];
    assert_eq!(counts, [4, 1, 1]);

    // Later writes: equal texts still merge, topic keys still replace, edits
    // still apply.
    let again = good(
        "memory_store",
        json!({"content": "the ferry berths at Pier Nine."}),
    );
    assert_eq!(again["results"][0]["outcome"], "merged", "{again}");
    let new = json!({"content": "The ferry berths at pier two", "topic_key": "decision/berth"});
    let new = good("memory_store", new);
    assert_eq!(new["results"][0]["outcome"], "upserted", "{new}");
    let forget = json!({"action": "forget", "ids": [boat["id"]]});
    let refused = ask(&mut server, "memory_edit", forget).bad();
    assert_eq!(refused["kind"], "refused", "{refused}");
    assert!(server.exit().success());
    assert_eq!(audit(&place).len(), 4);
}

/// Asserted triples are found, retracted ones are history, and repeated ones
/// are not duplicated.
fn go_on_with_graph(database: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    fs::copy(database, folder.path().join("data/mimo.db")).expect("a copy to work on");
    let mut server = Server::of(&mut mimo(folder.path()));
    let mut good = |tool: &str, arguments: Value| ask(&mut server, tool, arguments).good();
    let found = good("graph_query", json!({"start": "Ada", "direction": "out"}));
    let path = &found["paths"][1];
    let expected = ["person:ada", "thing:lamp", "building:lighthouse"];
    assert_eq!(path["entities"], json!(expected), "{found}");
    assert_eq!(path["confidence"], 0.9);
    let gone = good("graph_query", json!({"start": "person:bo"}));
    assert_eq!(gone["paths"], json!([]));
    let lamp = json!({"subject": "person:ada", "predicate": "repairs", "object": "lamp"});
    let again = good("graph_update", json!({"assert": [lamp]}));
    assert_eq!(again["triples"][0]["outcome"], "unchanged", "{again}");
    let named = good(
        "memory_search",
        json!({"query": "lighthouse lamp", "limit": 1}),
    );
    let linked = ["building:lighthouse", "person:ada", "thing:lamp"];
    assert_eq!(named["items"][0]["entities"], json!(linked), "{named}");
    let graph = good("mimo_status", json!({}))["graph"].clone();
    assert_eq!([&graph["triples"], &graph["closed"]], [2, 1], "{graph}");
    assert!(server.exit().success());
}

/// The completed execution is complete, the waiting one still waits, and the
/// definition still runs.
fn go_on_with_procedures(database: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    fs::copy(database, folder.path().join("data/mimo.db")).expect("a copy to work on");
    let mut server = Server::of(&mut mimo(folder.path()));
    let mut good = |tool: &str, arguments: Value| ask(&mut server, tool, arguments).good();
    let found = good("procedure_find", json!({"name": "fog_horn"}));
    assert_eq!(found["definition"]["initial_state"], "look", "{found}");
    let statuses = ["completed", "waiting_approval"];
    for ((key, metres), status) in EXECUTIONS.into_iter().zip(statuses) {
        let context = json!({ "metres": metres });
        let again = json!({"name": "fog_horn", "context": context, "idempotency_key": key});
        let again = good("procedure_run", again);
        assert_eq!(again["status"], status, "{again}");
    }
    let new = json!({"name": "fog_horn", "context": {"metres": 300}});
    assert_eq!(good("procedure_run", new)["status"], "completed");
    assert!(server.exit().success());
}

fn id(stored: &Value) -> i64 {
    stored["results"][0]["id"].as_i64().expect("an id")
}
