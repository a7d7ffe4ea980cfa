//! Restricts what the schema of a database file may do: the file may come from anybody.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::store::StoreError;

/// Keeps expressions of the schema from functions that reach beyond the file, and SQL
/// from the tables in which SQLite and its extensions keep their own books.
pub(super) fn limit_schema(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

static ADDED_CODE_ALLOWED: AtomicBool = AtomicBool::new(false);

/// Lets this process open files with triggers of others, for tests that make a store fail
/// by them.
#[doc(hidden)]
pub fn allow_added_code() {
    ADDED_CODE_ALLOWED.store(true, Ordering::Relaxed);
}

/// Refuses triggers and views that are not in `migrations`: a trigger changes what is
/// stored with each write, and could add a key.
pub(super) fn refuse_added_code(
    connection: &Connection,
    migrations: &[&str],
) -> Result<(), StoreError> {
    if ADDED_CODE_ALLOWED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view')";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        if !migrations.iter().any(|migration| migration.contains(&sql)) {
            return Err(StoreError::Damaged(format!(
                "the file has a trigger or view that Mimo did not make: {name}"
            )));
        }
    }
    Ok(())
}
