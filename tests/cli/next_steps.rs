//! What commands say where nothing comes of them: the reason, and a step that a person
//! can take.

use std::fs;

use serde_json::json;

use super::home::Home;

/// The names of the tools, none of which a person types.
const TOOLS: [&str; 6] = [
    "memory_search",
    "memory_edit",
    "procedure_define",
    "procedure_find",
    "tools/list",
    "max_tokens",
];

#[test]
fn hints_name_commands_and_not_tools() {
    let home = Home::new();
    home.store(json!([{"content": "Rain"}]));
    home.edit(json!({"action": "protect", "ids": [1]}));
    for arguments in [
        &["memory", "erase", "1", "--yes"][..],
        &["memory", "erase", "99", "--yes"],
        &["memory", "list", "-n", "0"],
        &["memory", "edit", "1", "--importance", "2"],
        &["search", "--category", "plans", "rain"],
        &["procedure", "run", "nothing"],
        &["procedure", "history", "nothing"],
    ] {
        let ran = home.run(arguments);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        for tool in TOOLS {
            assert!(!ran.err.contains(tool), "{arguments:?}: {}", ran.err);
        }
    }
    let refused = home.run(&["memory", "erase", "1", "--yes"]);
    assert!(
        refused.err.contains("mimo memory edit ID --unprotect"),
        "{refused:?}"
    );
    let unnamed = home.run(&["memory", "erase", "--yes"]);
    assert!(
        unnamed.err.contains("--query") && unnamed.err.contains("--forgotten"),
        "{unnamed:?}"
    );
}

#[test]
fn an_empty_answer_and_an_import_name_the_other_projects() {
    let home = Home::new();
    let file = home.path().join("lines.jsonl");
    let lines = [
        json!({"content": "The site is blue", "project": "website"}),
        json!({"content": "The site is old", "project": "website"}),
    ];
    fs::write(&file, lines.map(|line| line.to_string()).join("\n")).expect("written");
    let imported = home.run(&["import", file.to_str().expect("UTF-8")]);
    assert!(
        imported
            .out
            .contains("2 memories are in the project website"),
        "{imported:?}"
    );
    for arguments in [&["search", "site"][..], &["memory", "list"]] {
        let ran = home.run(arguments);
        assert!(ran.err.contains("--everywhere"), "{ran:?}");
    }
    let found = home.run(&["search", "--everywhere", "site"]);
    assert!(
        found.out.contains("blue") && found.err.is_empty(),
        "{found:?}"
    );
}

#[test]
fn a_file_that_is_no_import_is_refused_with_what_it_is() {
    let home = Home::new();
    home.store(json!([{"content": "Rain"}]));
    let file = home.path().join("input");
    let path = file.to_str().expect("UTF-8");
    let mut utf16 = vec![0xFF, 0xFE];
    utf16.extend("{}".encode_utf16().flat_map(u16::to_le_bytes));
    let database = fs::read(home.data().join("mimo.db")).expect("the database");
    for (bytes, code, said) in [
        (utf16, 2, "save it as UTF-8"),
        (vec![0x1F, 0x8B, 8, 0, 0], 2, "zcat"),
        (database, 2, "mimo restore"),
        (Vec::new(), 1, "holds nothing to import"),
        (b"[\"first\"]".to_vec(), 1, "it is a string"),
        (b"{\"a\": 1}".to_vec(), 1, "it has no content"),
    ] {
        fs::write(&file, bytes).expect("written");
        let ran = home.run(&["import", path]);
        assert_eq!(ran.code, Some(code), "{said}: {ran:?}");
        assert!(ran.err.contains(said), "{said}: {ran:?}");
        assert!(
            !ran.err.contains("ExportLine") && !ran.err.contains("expected one of"),
            "{ran:?}"
        );
    }
    let triple =
        json!({"type": "relation", "from": "Ana", "to": "Rome", "relationType": "lives_in"});
    fs::write(&file, triple.to_string()).expect("written");
    assert_eq!(home.run(&["import", path]).code, Some(0));
    let again = home.run(&["import", path]);
    assert!(
        again.out.contains("found 1 triple already there"),
        "{again:?}"
    );
}

#[test]
fn a_note_with_a_title_is_an_entity_with_its_relations() {
    let home = Home::new();
    for (name, front) in [
        ("Grinder", "title: Grinder"),
        ("Kettle", "title: Kettle\ntags: [coffee]"),
    ] {
        let file = home.path().join(format!("{name}.md"));
        fs::write(
            &file,
            format!("---\n{front}\n---\n\n- part_of [[Brewing]]\n"),
        )
        .expect("written");
        let ran = home.run(&["import", file.to_str().expect("UTF-8")]);
        assert!(
            ran.out.contains("added 0 memories") && ran.out.contains("1 triple"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_memory_that_is_no_longer_valid_is_stored_with_a_word() {
    let home = Home::new();
    for until in ["2020-01-01", "yesterday"] {
        let call = json!({"content": format!("It held until {until}"), "valid_until": until});
        let stored = home.call(&["memory_store", &call.to_string()]);
        let warning = stored["results"][0]["warning"].as_str().unwrap_or_default();
        assert!(warning.contains("in the past"), "{stored}");
    }
    let stored = home.call(&[
        "memory_store",
        r#"{"content":"x","valid_until":"2100-01-01"}"#,
    ]);
    assert!(stored["results"][0]["warning"].is_null(), "{stored}");
}

#[test]
fn status_says_why_a_database_is_unusable_and_fails() {
    let home = Home::new();
    home.store(json!([{"content": "Rain"}]));
    fs::write(
        home.data().join("mimo.db"),
        "this is no database at all".repeat(400),
    )
    .expect("written");
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.data().join(format!("mimo.db{side}")));
    }
    let ran = home.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("next: ") && !ran.out.contains("0 memories"),
        "{ran:?}"
    );
}

#[test]
fn a_replaced_memory_names_its_active_version() {
    let home = Home::new();
    home.store(json!([{"content": "The door is red"}]));
    for (old, text) in [(1, "The door is blue"), (2, "The door is green")] {
        home.store(json!([{"content": text, "supersedes_id": old}]));
    }
    let call = json!({"content": "The door is black", "supersedes_id": 1}).to_string();
    let ran = home.run(&["call", "memory_store", &call]);
    assert!(
        ran.err.contains("active version of memory 1 is 3"),
        "{ran:?}"
    );
}

#[test]
fn a_shell_without_completions_is_not_taken_for_another() {
    let ran = Home::new().run(&["completions", "tcsh"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("bash, elvish, fish") && !ran.err.contains("similar"),
        "{ran:?}"
    );
}

#[test]
fn a_start_that_fails_says_so_once() {
    let home = Home::new();
    fs::create_dir_all(home.data()).expect("a folder");
    fs::write(
        home.data().join("mimo.db"),
        "this is no database at all".repeat(400),
    )
    .expect("written");
    let ran = home.run(&["serve", "--http", "127.0.0.1:1"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.err.contains("stopped:"), "{ran:?}");
}
