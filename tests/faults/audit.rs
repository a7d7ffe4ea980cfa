//! Looks at a database file from outside, with SQL of its own: that SQLite and
//! its keyword index find it sound, and that no memory is half there.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

/// The word that every text of these tests holds, to find them all by keyword.
pub const WORD: &str = "harbour";

/// Checks the file and returns how often each text is active in it. The
/// servers that had it open are gone: closing it folds the log back in.
pub fn audit(database: &Path) -> BTreeMap<String, usize> {
    let file = Connection::open(database).expect("the database opens");
    assert_eq!(strings(&file, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(
        strings(&file, "SELECT \"table\" FROM pragma_foreign_key_check"),
        [""; 0]
    );
    // Fails unless the index agrees with itself.
    file.execute(
        "INSERT INTO memory_words (memory_words) VALUES ('integrity-check')",
        [],
    )
    .expect("the keyword index is sound");

    let memories = numbers(&file, "SELECT id FROM memory ORDER BY id");
    let indexed = numbers(&file, "SELECT rowid FROM memory_words ORDER BY rowid");
    assert_eq!(
        indexed, memories,
        "each memory has its words, and no others"
    );
    let found =
        format!("SELECT rowid FROM memory_words WHERE memory_words MATCH '{WORD}' ORDER BY rowid");
    let holds = format!("SELECT id FROM memory WHERE content LIKE '%{WORD}%' ORDER BY id");
    assert_eq!(numbers(&file, &found), numbers(&file, &holds));

    let vectors = "SELECT DISTINCT memory_id FROM memory_vector ORDER BY memory_id";
    assert_eq!(
        numbers(&file, vectors),
        memories,
        "each memory has its vectors, and no others"
    );
    // The first window of each, none left out, all of the model's length.
    let odd = "SELECT v.memory_id FROM memory_vector v JOIN embedding_model m ON m.id = v.model_id \
               GROUP BY v.memory_id, v.model_id \
               HAVING min(window) <> 0 OR max(window) <> count(*) - 1 \
               OR min(length(vector)) <> max(dimensions) * 4 OR max(length(vector)) <> max(dimensions) * 4";
    assert_eq!(numbers(&file, odd), [0; 0], "whole vectors");

    let mut texts = BTreeMap::new();
    for text in strings(&file, "SELECT content FROM memory WHERE state = 'active'") {
        *texts.entry(text).or_default() += 1;
    }
    texts
}

fn numbers(file: &Connection, sql: &str) -> Vec<i64> {
    let mut statement = file.prepare(sql).expect("SQL");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a number")).collect()
}

fn strings(file: &Connection, sql: &str) -> Vec<String> {
    let mut statement = file.prepare(sql).expect("SQL");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}
