//! Checks a database file with SQL of its own: SQLite and the keyword index find
//! it sound, and no memory is half written.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

/// A word in every text of these tests, to find them all by keyword.
pub const WORD: &str = "harbour";

/// Checks the file and counts the active memories of each text. No server may
/// have it open, since closing it checkpoints the log.
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
    // The windows of each memory are complete, and all have the model's
    // dimensions.
    let odd = "SELECT v.memory_id FROM memory_vector v JOIN embedding_model m ON m.id = v.model_id \
               GROUP BY v.memory_id, v.model_id \
               HAVING min(window) <> 0 OR max(window) <> count(*) - 1 \
               OR min(length(vector)) <> max(dimensions) * 4 OR max(length(vector)) <> max(dimensions) * 4";
    assert_eq!(numbers(&file, odd), [0; 0], "whole vectors");

    codes(&file);

    let mut texts = BTreeMap::new();
    for text in strings(&file, "SELECT content FROM memory WHERE state = 'active'") {
        *texts.entry(text).or_default() += 1;
    }
    texts
}

/// Each vector up to the last coded one has exactly one code, in a block of its
/// memory's project; later ones have none.
fn codes(file: &Connection) {
    let sql = "SELECT v.id, m.project, v.vector FROM memory_vector v \
               JOIN memory m ON m.id = v.memory_id \
               JOIN embedding_model e ON e.id = v.model_id WHERE v.id <= e.coded";
    let mut statement = file.prepare(sql).expect("SQL");
    let coded = statement.query_map([], |row| {
        let vector: Vec<u8> = row.get(2)?;
        let numbers = vector.as_chunks().0.iter().copied().map(f32::from_le_bytes);
        let code = mimo::vector::code(&numbers.collect::<Vec<f32>>());
        Ok((row.get::<_, i64>(0)?, (row.get::<_, String>(1)?, code)))
    });
    let expected: BTreeMap<_, _> = coded
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect();

    let mut found = BTreeMap::new();
    let mut statement = file
        .prepare("SELECT project, vectors, block FROM memory_code")
        .expect("SQL");
    let mut rows = statement.query([]).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        let project: String = row.get(0).expect("its project");
        let count: u32 = row.get(1).expect("how many");
        let count = count as usize;
        let block: Vec<u8> = row.get(2).expect("a block");
        let (ids, codes) = block.split_at(8 * count);
        for (id, code) in ids
            .as_chunks()
            .0
            .iter()
            .zip(codes.chunks(codes.len() / count))
        {
            let twice = found.insert(i64::from_le_bytes(*id), (project.clone(), code.to_vec()));
            assert_eq!(twice, None, "one code for each");
        }
    }
    assert_eq!(found, expected);
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
