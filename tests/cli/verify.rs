//! `mimo verify` finds single changed bits, and `--repair` makes derived data anew.

use std::fs;

use rusqlite::Connection;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use super::home::Home;

/// A home with memories that have every optional field, an edit and a replacement.
fn stored() -> Home {
    let home = Home::new();
    let memories = json!({"memories": [
        {"content": "Alice: the launch of Apollo is in March 2027, in room 12?",
         "tags": ["launch", "apollo"], "topic_key": "apollo/launch", "thread": "plans",
         "valid_until": "2099-01-01T00:00:00Z", "said_at": "2026-11-01"},
        {"content": "Bo keeps the lamp of the lighthouse", "thread": "plans"},
    ]});
    home.call(&["memory_store", &memories.to_string()]);
    let later = json!({"content": "Alice: the launch of Apollo is in May 2027, in room 12?",
                       "topic_key": "apollo/launch", "thread": "plans"});
    home.call(&["memory_store", &later.to_string()]);
    home.call(&["memory_search", "{\"query\": \"who keeps the lamp\"}"]);
    home
}

fn file(home: &Home) -> Connection {
    let file = Connection::open(home.data().join("mimo.db")).expect("the database");
    file.pragma_update(None, "foreign_keys", false)
        .expect("off");
    file.pragma_update(None, "ignore_check_constraints", true)
        .expect("off");
    file
}

/// The exit code and the problems, one a line.
fn verify(home: &Home, arguments: &[&str]) -> (Option<i32>, String, Value) {
    let ran = home.run(&[&["verify", "--json"], arguments].concat());
    let report = ran.json();
    let parts = report["parts"]
        .as_array()
        .unwrap_or_else(|| panic!("{ran:?}"));
    let problems = parts
        .iter()
        .flat_map(|part| part["problems"].as_array().expect("problems"));
    let line = |problem: &Value| format!("{}: {}", problem["what"], problem["examples"]);
    let lines: Vec<String> = problems.map(line).collect();
    (ran.code, lines.join("\n"), report)
}

/// The value with one bit changed.
fn flipped(value: Column) -> Option<Column> {
    let flip = |bytes: &mut Vec<u8>| match bytes.last_mut() {
        Some(last) => *last ^= 1,
        None => bytes.push(b'x'),
    };
    match value {
        Column::Null => None,
        Column::Integer(number) => Some(Column::Integer(number ^ 1)),
        Column::Real(number) => Some(Column::Real(f64::from_bits(number.to_bits() ^ 1))),
        Column::Text(text) => {
            let mut bytes = text.into_bytes();
            flip(&mut bytes);
            Some(Column::Text(String::from_utf8(bytes).expect("ASCII")))
        }
        Column::Blob(mut bytes) => {
            flip(&mut bytes);
            Some(Column::Blob(bytes))
        }
    }
}

#[test]
fn verify_finds_one_bit_in_any_column_of_a_memory() {
    let home = stored();
    assert_eq!(verify(&home, &[]).0, Some(0), "after writes and a recall");
    let file = file(&home);
    let columns: Vec<String> = file
        .prepare("SELECT name FROM pragma_table_info('memory') WHERE name <> 'id'")
        .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
        .expect("columns");
    let mut flips = 0;
    for column in columns {
        let sql = format!("SELECT id, {column} FROM memory WHERE {column} IS NOT NULL LIMIT 1");
        let found = file.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        // A text is recorded twice only by an edit.
        let Ok((id, value)) = found else {
            assert_eq!(column, "recorded_at");
            continue;
        };
        let (id, value): (i64, Column) = (id, value);
        let set = |value: &Column| {
            let sql = format!("UPDATE memory SET {column} = ? WHERE id = ?");
            file.execute(&sql, (value, id)).expect("set");
        };
        set(&flipped(value.clone()).expect("a bit"));
        let (code, said, _) = verify(&home, &[]);
        assert_eq!(code, Some(1), "{column}: {said}");
        let expected = format!("\"memories have other values than were stored\": [\"{id}\"]");
        assert!(said.contains(&expected), "{column}: {said}");
        set(&value);
        flips += 1;
    }
    assert!(flips > 15, "{flips}");
    file.execute(
        "UPDATE memory_tag SET tag = 'lauoch' WHERE tag = 'launch'",
        [],
    )
    .expect("set");
    assert_eq!(verify(&home, &[]).0, Some(1), "a tag");
    file.execute(
        "UPDATE memory_tag SET tag = 'launch' WHERE tag = 'lauoch'",
        [],
    )
    .expect("set");
    assert_eq!(verify(&home, &[]).0, Some(0), "as it was");
}

/// What a caller wrote is not made up: it stays wrong through later changes, until
/// somebody writes the text again.
#[test]
fn damaged_memory_stays_reported_until_it_is_written_again() {
    let home = stored();
    let file = file(&home);
    let sql = "SELECT id FROM memory WHERE content LIKE 'Bo keeps%'";
    let id: i64 = file.query_row(sql, [], |row| row.get(0)).expect("there");
    let damage = "UPDATE memory SET importance = 0.75 WHERE id = ?";
    assert_eq!(file.execute(damage, [id]).expect("set"), 1);
    home.call(&["memory_search", "{\"query\": \"who keeps the lamp\"}"]);
    let edit = json!({"action": "protect", "ids": [id]});
    home.call(&["memory_edit", &edit.to_string()]);
    let (code, said, report) = verify(&home, &["--repair"]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(report["mended"], json!([]), "{report}");
    let next = report["next"].as_str().expect("a next step");
    assert!(next.contains(&format!("mimo memory show {id}")), "{next}");

    for edit in [
        json!({"action": "unprotect", "ids": [id]}),
        json!({"action": "update", "ids": [id], "content": "Bo keeps the lamp and the horn"}),
    ] {
        home.call(&["memory_edit", &edit.to_string()]);
    }
    let (code, said, _) = verify(&home, &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn repair_makes_derived_data_anew() {
    let block = |file: &Connection, table: &str, column: &str, byte: usize| {
        let sql = format!("SELECT {column} FROM {table} LIMIT 1");
        let mut bytes: Vec<u8> = file.query_row(&sql, [], |row| row.get(0)).expect("bytes");
        let at = byte.min(bytes.len() - 1);
        bytes[at] ^= 1;
        let sql = format!(
            "UPDATE {table} SET {column} = ? WHERE rowid = (SELECT rowid FROM {table} LIMIT 1)"
        );
        file.execute(&sql, [bytes]).expect("set");
    };
    let run =
        |file: &Connection, sql: &str| assert!(file.execute(sql, []).expect(sql) > 0, "{sql}");
    type Damage<'d> = (&'d str, Box<dyn Fn(&Connection) + 'd>);
    let damages: Vec<Damage<'_>> = vec![
        (
            "vectors of other numbers",
            Box::new(|file| block(file, "memory_vector", "vector", 400)),
        ),
        (
            "tags of another state or age",
            Box::new(|file| run(file, "UPDATE memory_tag SET state = 'archived'")),
        ),
        (
            "have no vector",
            Box::new(|file| run(file, "DELETE FROM memory_vector WHERE memory_id = 2")),
        ),
        (
            "without a checksum",
            Box::new(|file| run(file, "DELETE FROM vector_checksum")),
        ),
        (
            "no checksum",
            Box::new(|file| run(file, "DELETE FROM memory_checksum WHERE memory_id = 2")),
        ),
        (
            "codes are not of their vectors",
            Box::new(|file| block(file, "memory_code", "block", 60)),
        ),
        (
            "too few or too many codes",
            Box::new(|file| run(file, "DELETE FROM memory_code")),
        ),
        (
            "not of their text",
            Box::new(|file| {
                run(file, "DELETE FROM memory_words WHERE rowid = 2");
                run(
                    file,
                    "INSERT INTO memory_words (rowid, words) VALUES (2, 'bo keeps the horn')",
                );
            }),
        ),
        (
            "not in the keyword index",
            Box::new(|file| run(file, "DELETE FROM memory_words WHERE rowid = 2")),
        ),
        (
            "belong to no memory",
            Box::new(|file| {
                run(
                    file,
                    "INSERT INTO memory_words (rowid, words) VALUES (77, 'nobody')",
                );
            }),
        ),
        (
            "features of another text",
            Box::new(|file| run(file, "UPDATE memory_feature SET words = words + 1")),
        ),
        (
            "features of another text",
            Box::new(|file| run(file, "DELETE FROM memory_feature")),
        ),
        (
            "labels are counted wrongly",
            Box::new(|file| run(file, "UPDATE thread_label SET memories = 9")),
        ),
        (
            "counted wrongly",
            Box::new(|file| run(file, "UPDATE memory_count SET active = active + 1")),
        ),
        (
            "counted wrongly",
            Box::new(|file| run(file, "UPDATE entity_count SET entities = 9")),
        ),
    ];
    let home = stored();
    // So few vectors would have no codes yet.
    force_codes(&file(&home));
    let whole = home.path().join("whole.db");
    let named = whole.to_str().expect("UTF-8");
    assert_eq!(home.run(&["backup", named]).code, Some(0));
    for (expected, damage) in damages {
        fs::copy(&whole, home.data().join("mimo.db")).expect("as it was");
        damage(&file(&home));
        let (code, said, report) = verify(&home, &[]);
        assert_eq!(code, Some(1), "{expected}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
        let next = report["next"].as_str().expect("a next step");
        assert!(next.contains("mimo verify --repair"), "{next}");
        let (code, said, report) = verify(&home, &["--repair"]);
        assert_eq!(code, Some(0), "{expected}: {said}");
        assert_ne!(report["mended"], json!([]), "{expected}: {report}");
        let rows = |sql: &str| -> i64 {
            let found = file(&home).query_row(sql, [], |row| row.get(0));
            found.expect("a number")
        };
        let lamp =
            "SELECT count(*) FROM memory_words WHERE memory_words MATCH 'lamp AND lighthouse'";
        assert_eq!(rows(lamp), 1, "{expected}");
        assert_eq!(rows("SELECT count(*) FROM memory_vector"), 3, "{expected}");
        assert_eq!(
            rows("SELECT sum(active) FROM memory_count"),
            2,
            "{expected}"
        );
    }
    assert_eq!(verify(&home, &["--repair"]).2["mended"], json!([]));
    let query = json!({"query": "keeps the lamp", "mode": "semantic"}).to_string();
    let found = home.call(&["memory_search", &query]);
    assert_eq!(
        found["items"][0]["content"],
        "Bo keeps the lamp of the lighthouse"
    );
}

/// Codes all vectors, as the store does once there are some hundred.
fn force_codes(file: &Connection) {
    let sql = "SELECT v.id, v.model_id, m.project, v.vector FROM memory_vector v \
               JOIN memory m ON m.id = v.memory_id ORDER BY v.id";
    let rows: Vec<(i64, i64, String, Vec<u8>)> = file
        .prepare(sql)
        .and_then(|mut rows| {
            let row =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            rows.query_map([], row)?.collect()
        })
        .expect("vectors");
    for (id, model, project, vector) in rows {
        let numbers = vector.as_chunks().0.iter().copied().map(f32::from_le_bytes);
        let code = mimo::vector::code(&numbers.collect::<Vec<f32>>());
        let block = [&id.to_le_bytes()[..], &code].concat();
        let sql = "INSERT INTO memory_code (model_id, project, vectors, block) VALUES (?, ?, 1, ?)";
        file.execute(sql, (model, project, block)).expect("a code");
    }
    let sql = "UPDATE embedding_model SET coded = (SELECT max(id) FROM memory_vector)";
    file.execute(sql, []).expect("coded");
}

#[test]
fn repair_is_of_the_database_only() {
    let home = stored();
    let refused = home.run(&["verify", "--repair", "some.db"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let shown = home.run(&["verify", "--repair"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.contains("nothing needed repair"), "{shown:?}");
}
