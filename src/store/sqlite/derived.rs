//! Compares the keyword index and the counts with their sources, and rebuilds them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::{Connection, params};

use crate::limits;
use crate::store::StoreError;
use crate::store::memory::MemoryId;
use crate::text;

/// The correct rows of `memory_count`.
macro_rules! memory_counts {
    () => {
        "SELECT project, category, sum(state = 'active'), sum(state = 'superseded'), \
         sum(state = 'archived'), sum(protected), sum(octet_length(content)) \
         FROM memory GROUP BY project, category"
    };
}

/// The correct rows of `triple_count`.
macro_rules! triple_counts {
    () => {
        "SELECT project, predicate, count(*), count(closed) FROM triple \
         GROUP BY project, predicate"
    };
}

/// The correct rows of `thread_label`.
macro_rules! label_counts {
    () => {
        "SELECT thread_id, label, count(*) FROM memory_feature WHERE label IS NOT NULL \
         GROUP BY thread_id, label"
    };
}

/// A table of counts, and the query that recounts.
macro_rules! differences {
    ($name:literal, $table:literal, $counts:expr) => {
        concat!(
            "SELECT ",
            $name,
            " FROM (SELECT * FROM (",
            $counts,
            ") EXCEPT SELECT * FROM ",
            $table,
            ") UNION SELECT ",
            $name,
            " FROM (SELECT * FROM ",
            $table,
            " EXCEPT ",
            $counts,
            ")"
        )
    };
}

/// Selects the projects whose memories are counted wrongly.
pub(super) const WRONG_MEMORY_COUNTS: &str =
    differences!("project", "memory_count", memory_counts!());
/// Selects the projects, by number, whose triples are counted wrongly.
pub(super) const WRONG_TRIPLE_COUNTS: &str =
    differences!("project", "triple_count", triple_counts!());
/// Selects the labels that are counted wrongly.
pub(super) const WRONG_LABEL_COUNTS: &str = differences!("label", "thread_label", label_counts!());
/// Selects the memories whose tags have another state or time.
pub(super) const WRONG_TAGS: &str = "SELECT DISTINCT t.memory_id FROM memory_tag t \
     JOIN memory m ON m.id = t.memory_id \
     WHERE t.state IS NOT m.state OR t.time IS NOT coalesce(m.said_at, m.created_at)";
pub(super) const WRONG_ENTITY_COUNT: &str = "SELECT 'entities' \
     WHERE (SELECT count(*) FROM entity) IS NOT (SELECT entities FROM entity_count)";

pub(super) fn recount(file: &Connection) -> Result<(), StoreError> {
    file.execute_batch(concat!(
        "DELETE FROM memory_count; INSERT INTO memory_count ",
        memory_counts!(),
        "; DELETE FROM triple_count; INSERT INTO triple_count ",
        triple_counts!(),
        "; DELETE FROM thread_label; INSERT INTO thread_label ",
        label_counts!(),
        "; DELETE FROM entity_count; INSERT INTO entity_count SELECT count(*) FROM entity; \
         UPDATE memory_tag SET (state, time) = \
         (SELECT state, coalesce(said_at, created_at) FROM memory WHERE id = memory_id)"
    ))?;
    Ok(())
}

/// The memories that are not in the keyword index with the words of their text.
pub(super) fn wrong_words(file: &Connection) -> Result<Vec<MemoryId>, StoreError> {
    file.execute_batch(
        "CREATE VIRTUAL TABLE temp.words_found USING fts5vocab (main, memory_words, instance)",
    )?;
    let found = occurrences(file, "SELECT doc, term, \"offset\" FROM temp.words_found");
    file.execute_batch("DROP TABLE temp.words_found")?;
    let mut found = found?;

    // FTS5 itself tokenizes the text.
    let made = Connection::open_in_memory()?;
    made.execute_batch(
        "CREATE VIRTUAL TABLE made USING fts5 (words, content = '', \
             tokenize = 'porter unicode61 remove_diacritics 2'); \
         CREATE VIRTUAL TABLE words_made USING fts5vocab (made, instance);",
    )?;
    let mut statement = file.prepare("SELECT id, content FROM memory ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut wrong = Vec::new();
    loop {
        let mut portion: Vec<MemoryId> = Vec::new();
        let tx = made.unchecked_transaction()?;
        tx.execute("INSERT INTO made (made) VALUES ('delete-all')", [])?;
        let mut add = tx.prepare_cached("INSERT INTO made (rowid, words) VALUES (?, ?)")?;
        while portion.len() < limits::VERIFY_PORTION_MEMORIES_MAX
            && let Some(row) = rows.next()?
        {
            let id = row.get(0)?;
            let content = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default());
            add.execute(params![id, text::index_words(&content)])?;
            portion.push(id);
        }
        drop(add);
        tx.commit()?;
        if portion.is_empty() {
            return Ok(wrong);
        }
        let expected = occurrences(&made, "SELECT doc, term, \"offset\" FROM words_made")?;
        wrong.extend(
            portion
                .into_iter()
                .filter(|id| found.remove(id) != expected.get(id).copied()),
        );
    }
}

/// For each memory one number for all its words in their places.
fn occurrences(file: &Connection, sql: &str) -> Result<HashMap<MemoryId, u64>, StoreError> {
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found: HashMap<MemoryId, u64> = HashMap::new();
    while let Some(row) = rows.next()? {
        let mut hash = DefaultHasher::new();
        row.get_ref(1)?
            .as_bytes()
            .unwrap_or_default()
            .hash(&mut hash);
        row.get::<_, i64>(2)?.hash(&mut hash);
        // Addition: the index has the words in another order than the text.
        let memory = found.entry(row.get(0)?).or_default();
        *memory = memory.wrapping_add(hash.finish());
    }
    Ok(found)
}

/// Reindexes the words of these memories.
pub(super) fn rewrite_words(file: &Connection, ids: &[MemoryId]) -> Result<(), StoreError> {
    let mut remove = file.prepare("DELETE FROM memory_words WHERE rowid = ?")?;
    let mut content = file.prepare("SELECT content FROM memory WHERE id = ?")?;
    let mut add = file.prepare("INSERT INTO memory_words (rowid, words) VALUES (?, ?)")?;
    for id in ids {
        remove.execute([id])?;
        let content: String = content.query_row([id], |row| row.get(0))?;
        add.execute(params![id, text::index_words(&content)])?;
    }
    Ok(())
}

/// Rebuilds the keyword index.
pub(super) fn rebuild_words(file: &Connection) -> Result<(), StoreError> {
    file.execute(
        "INSERT INTO memory_words (memory_words) VALUES ('delete-all')",
        [],
    )?;
    let mut texts = file.prepare("SELECT id, content FROM memory ORDER BY id")?;
    let mut add = file.prepare("INSERT INTO memory_words (rowid, words) VALUES (?, ?)")?;
    let mut rows = texts.query([])?;
    while let Some(row) = rows.next()? {
        let content: String = row.get(1)?;
        add.execute(params![
            row.get::<_, MemoryId>(0)?,
            text::index_words(&content)
        ])?;
    }
    Ok(())
}
