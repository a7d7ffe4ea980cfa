//! The migration of names from keys of words to keys of identity.

use rusqlite::{Connection, params};

use crate::store::StoreError;
use crate::text;

/// Moves the names of migration 10's old table into the new one, then drops it.
/// A type:id stays as it is: only the keys of names changed.
pub(in crate::store::sqlite) fn rekey(file: &Connection) -> Result<(), StoreError> {
    let mut old = file.prepare("SELECT project, entity, name FROM entity_name_by_words")?;
    let mut insert = file.prepare(
        "INSERT OR IGNORE INTO entity_name (key, project, entity, backwards, words, name) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let (project, entity, name): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let key = text::identity(&name);
        let backwards: String = key.chars().rev().collect();
        let words = text::name_words(&name);
        insert.execute(params![key, project, entity, backwards, words, name])?;
    }
    drop(rows);
    drop((old, insert));
    file.execute_batch("DROP TABLE entity_name_by_words")?;
    Ok(())
}
