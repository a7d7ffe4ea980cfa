//! Going back to a backup: `mimo restore`, and copying by hand over a database whose
//! log was left by a killed process.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::home::{Home, Ran};
use crate::support::Server;
use crate::support::server::ask;

/// A home with memories of these texts.
fn home_with(texts: &[&str]) -> Home {
    let home = Home::new();
    let memories: Vec<Value> = texts.iter().map(|text| json!({"content": text})).collect();
    home.store(json!(memories));
    home
}

fn database(home: &Home) -> PathBuf {
    home.data().join("mimo.db")
}

fn texts(home: &Home) -> Vec<String> {
    let found = home.search(json!({"limit": 50}));
    let text = |item: &Value| item["content"].as_str().expect("a text").to_owned();
    let mut texts: Vec<String> = found.iter().map(text).collect();
    texts.sort();
    texts
}

/// Stores a text and kills Mimo, so that its log stays.
fn store_and_kill(home: &Home, text: &str) {
    let mut server = Server::of(&mut home.command(&["serve"]));
    ask(&mut server, "memory_store", json!({"content": text})).good();
    server.signal(nix::sys::signal::Signal::SIGKILL);
    server.exit();
    let log = fs::metadata(home.data().join("mimo.db-wal")).expect("a log");
    assert!(log.len() > 0, "the test needs a log");
}

fn restore(home: &Home, file: &str) -> Ran {
    home.run(&["--json", "restore", file])
}

fn named(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_backup_takes_the_place_of_the_database() {
    let home = home_with(&["one", "two"]);
    let copy = home.path().join("copy.db");
    assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0));
    home.store(json!([{"content": "three"}]));
    let done = restore(&home, named(&copy));
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = done.json();
    assert_eq!(done["memories"], 2);
    assert_eq!(texts(&home), ["one", "two"]);
    let replaced = done["replaced"].as_str().expect("a name");
    let checked = home.run(&["verify", replaced]);
    assert!(checked.out.contains("is whole: 3 memories"), "{checked:?}");
    // The way back, and into a folder without a database.
    assert_eq!(restore(&home, replaced).code, Some(0));
    assert_eq!(texts(&home), ["one", "three", "two"]);
    let other = Home::new();
    let done = restore(&other, named(&copy)).json();
    assert_eq!(done["replaced"], Value::Null);
    assert_eq!(texts(&other), ["one", "two"]);
}

#[test]
fn a_running_mimo_keeps_its_database() {
    let home = home_with(&["one"]);
    let copy = home.path().join("copy.db");
    assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0));
    let mut server = Server::of(&mut home.command(&["serve"]));
    ask(&mut server, "memory_store", json!({"content": "two"})).good();
    let refused = restore(&home, named(&copy));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let error = &refused.json()["error"];
    assert!(
        error["message"].to_string().contains("running Mimo"),
        "{error}"
    );
    ask(&mut server, "memory_store", json!({"content": "three"})).good();
    assert!(server.exit().success());
    assert_eq!(texts(&home), ["one", "three", "two"]);
}

#[test]
fn what_is_no_whole_backup_is_not_restored() {
    let home = home_with(&["one"]);
    let copy = home.path().join("copy.db");
    let make = |change: &dyn Fn(&rusqlite::Connection)| {
        let _ = fs::remove_file(&copy);
        assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0));
        let file = rusqlite::Connection::open(&copy).expect("the copy");
        change(&file);
    };
    let sql = |text: &'static str| {
        move |file: &rusqlite::Connection| file.execute_batch(text).expect(text)
    };
    for (change, says) in [
        ("UPDATE memory SET content = 'other'", "not whole"),
        ("PRAGMA user_version = 1000000", "newer Mimo"),
        ("PRAGMA application_id = 7", "another program"),
        (
            "CREATE TRIGGER memory_feature_label_kept AFTER INSERT ON memory \
             BEGIN DELETE FROM memory; END",
            "did not make: memory_feature_label_kept",
        ),
        (
            "DROP TRIGGER memory_feature_label_added; CREATE TRIGGER memory_feature_label_added \
             AFTER INSERT ON memory_feature BEGIN DELETE FROM memory; END",
            "did not make: memory_feature_label_added",
        ),
        (
            "CREATE VIEW everything AS SELECT * FROM memory",
            "did not make: everything",
        ),
    ] {
        make(&sql(change));
        let refused = restore(&home, named(&copy));
        assert_eq!(refused.code, Some(1), "{change}: {refused:?}");
        assert!(refused.out.contains(says), "{change}: {refused:?}");
    }
    make(&sql("CREATE VIEW everything AS SELECT * FROM memory"));
    let checked = home.run(&["verify", named(&copy)]);
    assert!(checked.err.contains("did not make"), "{checked:?}");
    fs::write(&copy, "Dear diary").expect("a file");
    assert!(restore(&home, named(&copy)).out.contains("not a SQLite"));
    assert_eq!(restore(&home, "nowhere.db").code, Some(1));
    assert_eq!(restore(&home, named(&database(&home))).code, Some(1));
    assert_eq!(texts(&home), ["one"]);
    let entries = fs::read_dir(home.data()).expect("the folder");
    let left = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .filter(|name| name.as_ref().is_ok_and(|name| name.contains(".part")));
    assert_eq!(left.count(), 0, "nothing unfinished is left");
}

#[test]
fn a_damaged_database_is_replaced_and_kept() {
    let home = home_with(&["one"]);
    let copy = home.path().join("copy.db");
    assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0));
    let garbage = vec![0xa5; 50_000];
    fs::write(database(&home), &garbage).expect("damaged");
    let done = restore(&home, named(&copy));
    assert_eq!(done.code, Some(0), "{done:?}");
    let replaced = done.json()["replaced"].as_str().expect("a name").to_owned();
    assert!(fs::read(replaced).expect("kept") == garbage);
    assert_eq!(texts(&home), ["one"]);
}

#[test]
fn a_left_log_does_not_undo_a_copy_made_by_hand() {
    // A copy by `mimo backup`, one of the closed file, and one while the log lives.
    for way in ["backup", "closed", "killed"] {
        let home = home_with(&["one", "two"]);
        let copy = home.path().join("copy.db");
        match way {
            "backup" => assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0)),
            "closed" => drop(fs::copy(database(&home), &copy).expect("a copy")),
            _ => {
                store_and_kill(&home, "three");
                assert_eq!(home.run(&["backup", named(&copy)]).code, Some(0));
            }
        }
        store_and_kill(&home, "later");
        fs::copy(&copy, database(&home)).expect("restored by hand");
        for arguments in [
            &["call", "memory_search", "{}"][..],
            &["call", "memory_store", r#"{"content": "more"}"#],
            &["verify"],
            &["backup"],
        ] {
            let refused = home.run(arguments);
            assert_eq!(refused.code, Some(1), "{way}: {refused:?}");
            let said = format!("{}{}", refused.out, refused.err);
            assert!(
                said.contains("mimo.db-wal belongs to another"),
                "{way}: {said}"
            );
        }
        let done = restore(&home, named(&copy));
        assert_eq!(done.code, Some(0), "{way}: {done:?}");
        let expected: &[&str] = match way {
            "killed" => &["one", "three", "two"],
            _ => &["one", "two"],
        };
        assert_eq!(texts(&home), expected, "{way}");
    }
}

#[test]
fn the_log_of_another_database_replaces_nothing() {
    let home = home_with(&["one"]);
    let other = home_with(&["foreign"]);
    store_and_kill(&other, "foreign too");
    let log = "mimo.db-wal";
    fs::copy(other.data().join(log), home.data().join(log)).expect("a copy");
    let refused = home.run(&["verify"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("belongs to another"), "{refused:?}");
    // The advice: without the log, the file is as it was.
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.data().join(format!("mimo.db{end}")));
    }
    assert_eq!(texts(&home), ["one"]);
    // The log's own database is whole, with what the killed Mimo stored.
    assert_eq!(texts(&other), ["foreign", "foreign too"]);
}
