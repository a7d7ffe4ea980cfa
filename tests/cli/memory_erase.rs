//! Erasing for good: the bytes are gone from the file, its log and its index.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::home::Home;
use crate::support::terminal;

const SECRET: &str = "hunter22-vermilion-kumquat";
const NEW: &str = "hunter33-vermilion-quandong";

/// Whether any file of the database holds `text`, whole or as a word of the index.
fn held(home: &Home, text: &str) -> Vec<String> {
    let words = text.split('-');
    let texts: Vec<&str> = words.chain([text]).filter(|word| word.len() > 8).collect();
    let entries = fs::read_dir(home.data()).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.to_string_lossy().contains("mimo.db"));
    let holding = files.filter(|path| {
        let bytes = fs::read(path).expect("a file");
        let holds = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
        texts.iter().any(|text| holds(text))
    });
    holding
        .map(|path| path.file_name().expect("a name").to_string_lossy().into())
        .collect()
}

fn erase(home: &Home, arguments: &[&str]) -> Value {
    let head = ["--json", "memory", "erase", "--yes"];
    let done = home.run(&[&head, arguments].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

/// A secret that was stored, changed, forgotten and backed up, between others.
fn home_with_secret() -> (Home, i64) {
    let home = Home::new();
    home.store(json!([{"content": "Ana likes tea"}, {"content": "Bo likes rain"}]));
    let text = format!("The door code is {SECRET}");
    let id = home.store(json!([{"content": text, "tags": [SECRET]}]))[0];
    home.edit(
        json!({"action": "update", "ids": [id], "content": format!("The door code is {NEW}")}),
    );
    home.edit(json!({"action": "forget", "ids": [id], "reason": format!("it was {SECRET}")}));
    (home, id)
}

#[test]
fn an_erased_text_is_in_no_byte_of_the_file_or_its_log() {
    let (home, id) = home_with_secret();
    assert_eq!(
        held(&home, SECRET),
        ["mimo.db"],
        "the test looks where it is"
    );
    // A running Mimo, with the database and its log open.
    let mut server = crate::support::Server::of(&mut home.command(&["serve"]));
    let found = crate::support::server::ask(&mut server, "memory_search", json!({"query": "tea"}));
    found.good();
    let erased = erase(&home, &["--query", "HUNTER22"]);
    assert_eq!(
        erased["erased"],
        json!([id, id + 1]),
        "with the older version"
    );
    assert_eq!(erased["log_emptied"], true);
    assert_eq!(erased["also_in"], json!([]));
    assert_eq!(held(&home, SECRET), [""; 0]);
    assert_eq!(held(&home, NEW), [""; 0]);
    let left = crate::support::server::ask(&mut server, "memory_search", json!({})).good();
    assert_eq!(left["items"].as_array().expect("items").len(), 2);
    assert!(server.exit().success());
    assert_eq!(home.run(&["verify"]).code, Some(0));
    let exported = home.run(&["memory", "export", "--all"]).out;
    assert!(!exported.contains("vermilion"), "{exported}");
}

#[test]
fn files_and_rows_that_still_hold_the_text_are_named() {
    let (home, id) = home_with_secret();
    assert_eq!(home.run(&["backup"]).code, Some(0));
    let note = json!({"content": format!("Note: The door code is {NEW} and more")});
    let other = home.store(json!([note]))[0];
    let erased = erase(&home, &[&id.to_string()]);
    let files = erased["files"].as_array().expect("files");
    assert_eq!(files.len(), 1, "{erased}");
    let file = files[0].as_str().expect("a path");
    assert!(
        Path::new(file)
            .parent()
            .is_some_and(|dir| dir.ends_with("backups"))
    );
    assert_eq!(erased["also_in"], json!([format!("memory {other}")]));
}

#[test]
fn the_typed_text_is_looked_for_in_all_that_is_stored() {
    let home = Home::new();
    let id = home.store(json!([{"content": "The code is Swordfish99", "tags": ["door"]}]))[0];
    let other = home.store(json!([{"content": "Rain", "tags": ["x-swordfish99"]}]))[0];
    home.edit(
        json!({"action": "update", "ids": [other], "importance": 0.9,
        "reason": "not SWORDFISH99"}),
    );
    let triple = json!({"assert": [{"subject": "door:front", "predicate": "opens_with",
        "object": "code:swordfish99"}]});
    home.call(&["graph_update", &triple.to_string()]);
    let definition = json!({"definition": {"name": "one", "version": "1.0.0",
        "initial_state": "a", "states": {"a": {"end": true}}}});
    home.call(&["procedure_define", &definition.to_string()]);
    home.call(&[
        "procedure_run",
        r#"{"name":"one","context":{"code":"swordfish99"}}"#,
    ]);
    let planned = home.run(&["memory", "erase", "--query", "swordfish99", "--dry-run"]);
    let erased = erase(&home, &["--query", "swordfish99"]);
    assert_eq!(erased["erased"], json!([id]));
    let again = erase(&home, &["--query", "swordfish99"]);
    assert_eq!(again["erased"], json!([]));
    for traces in [&erased["also_in"], &again["also_in"]] {
        let traces: Vec<&str> = traces
            .as_array()
            .expect("traces")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for place in [
            "entity code:swordfish99",
            "execution ",
            "a tag of memory 2",
            "the reason or the tags of an edit of memory 2",
        ] {
            assert!(
                traces.iter().any(|trace| trace.starts_with(place)),
                "{place}: {traces:?}"
            );
        }
    }
    assert!(
        planned.out.contains("entity code:swordfish99"),
        "{planned:?}"
    );
}

#[test]
fn case_does_not_hide_a_text_in_any_script() {
    let home = Home::new();
    let ids = home.store(json!([{"content": "Die Straße ist gesperrt"}, {"content": "ΟΔΟΣ one"}]));
    let found = erase(&home, &["--query", "STRASSE"]);
    assert_eq!(found["erased"], json!([ids[0]]));
    let found = erase(&home, &["--query", "οδος ONE"]);
    assert_eq!(found["erased"], json!([ids[1]]));
}

#[test]
fn a_person_sees_what_goes_and_decides() {
    let (home, id) = home_with_secret();
    let named = id.to_string();
    let unasked = home.run(&["memory", "erase", &named]);
    assert_eq!(unasked.code, Some(1));
    assert!(unasked.err.contains("--yes"), "{unasked:?}");
    let listed = home.run(&["memory", "erase", "--forgotten", "--dry-run"]);
    assert!(
        listed.out.contains("2 memories would be erased"),
        "{listed:?}"
    );
    assert!(listed.out.contains(NEW), "{listed:?}");
    for (typed, code, left) in [("no\n", 1, 4), ("yes\n", 0, 2)] {
        let (ended, shown) = terminal::run(home.command(&["memory", "erase", &named]), typed);
        assert_eq!(ended, code, "{shown}");
        assert!(shown.contains("door code"), "{shown}");
        assert_eq!(home.exported().len(), left);
    }
    let missing = home.run(&["memory", "erase", "--yes", &named]);
    assert!(missing.err.contains("no memory has the id"), "{missing:?}");
}

#[test]
fn protected_memories_are_not_erased() {
    let home = Home::new();
    let ids = home.store(json!([{"content": "Keep this"}, {"content": "And that"}]));
    home.edit(json!({"action": "protect", "ids": [ids[1]]}));
    let [one, two] = [ids[0].to_string(), ids[1].to_string()];
    let refused = home.run(&["memory", "erase", "--yes", &one, &two]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("protected"), "{refused:?}");
    assert_eq!(home.exported().len(), 2);
}

#[test]
fn a_text_that_looks_like_a_credential_is_reported_or_refused() {
    let token = "The token is ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let call = json!({"content": token}).to_string();
    let home = Home::new();
    let stored = home.call(&["memory_store", &call]);
    let warning = stored["results"][0]["warning"].as_str().expect("a warning");
    assert!(warning.contains("a GitHub token"), "{warning}");
    assert!(warning.contains("mimo memory erase 1"), "{warning}");

    let home = Home::with_config("[memory]\nrefuse_credentials = true\n");
    let refused = home.run(&["call", "memory_store", &call]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("nothing was stored"), "{refused:?}");
    let id = home.store(json!([{"content": "The token is in the vault"}]))[0];
    let edit = json!({"action": "update", "ids": [id], "content": token}).to_string();
    assert_eq!(home.run(&["call", "memory_edit", &edit]).code, Some(1));
}

#[test]
fn a_removed_procedure_is_gone_with_its_text_once_nothing_runs_it() {
    let home = Home::new();
    let define = |version: &str| {
        let definition = json!({"name": "one", "version": version, "initial_state": "a",
            "description": format!("says {SECRET} {version}"),
            "states": {"a": {"end": true}}});
        home.call(&[
            "procedure_define",
            &json!({"definition": definition}).to_string(),
        ]);
    };
    define("1.0.0");
    define("2.0.0");
    let texts = || {
        let sql = "SELECT count(*) FROM procedure";
        home.database()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    let removed = home.run(&["procedure", "remove", "one", "--version", "1.0.0"]);
    assert_eq!(removed.out, "removed one in 1 version\n", "{removed:?}");
    assert_eq!(texts(), 1);
    home.call(&["procedure_run", "{\"name\": \"one\"}"]);
    assert_eq!(home.run(&["procedure", "remove", "one"]).code, Some(0));
    assert_eq!(texts(), 1, "an execution is pinned to it");
    assert_eq!(home.run(&["procedure", "show", "one"]).code, Some(1));
    let again = home.run(&["procedure", "remove", "one"]);
    assert!(again.err.contains("no such procedure"), "{again:?}");
}
