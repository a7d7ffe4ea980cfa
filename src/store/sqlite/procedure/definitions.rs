//! Definitions: a text is stored once by its hash, and each project names its
//! own current versions.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::readable;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::procedure::{DefineOutcome, StoredDefinition};

pub(super) fn define(
    tx: &Transaction<'_>,
    reach: &Reach,
    new: &StoredDefinition,
    at: Timestamp,
) -> Result<DefineOutcome, StoreError> {
    if !reach.can_write(&new.project) {
        return Err(StoreError::NoAccess(new.project.clone()));
    }
    let current: Option<String> = tx
        .prepare_cached(
            "SELECT hash FROM procedure_name WHERE project = ? AND name = ? AND version = ?",
        )?
        .query_row([&new.project, &new.name, &new.version], |row| row.get(0))
        .optional()?;
    if current.as_ref() == Some(&new.hash) {
        return Ok(DefineOutcome::Unchanged);
    }
    tx.execute(
        "INSERT INTO procedure (hash, name, version, description, definition) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
        [
            &new.hash,
            &new.name,
            &new.version,
            &new.description,
            &new.definition,
        ],
    )?;
    tx.execute(
        "INSERT OR REPLACE INTO procedure_name (project, name, version, hash, defined_at) \
         VALUES (?, ?, ?, ?, ?)",
        params![new.project, new.name, new.version, new.hash, at.0],
    )?;
    Ok(match current {
        Some(_) => DefineOutcome::Replaced,
        None => DefineOutcome::Created,
    })
}

pub(super) fn remove(
    tx: &Transaction<'_>,
    reach: &Reach,
    project: &str,
    name: &str,
    version: Option<&str>,
) -> Result<usize, StoreError> {
    if !reach.can_write(project) {
        return Err(StoreError::NoAccess(project.to_owned()));
    }
    let removed = tx.execute(
        "DELETE FROM procedure_name WHERE project = ?1 AND name = ?2 \
         AND (?3 IS NULL OR version = ?3)",
        params![project, name, version],
    )?;
    forget_unused(tx)?;
    Ok(removed)
}

/// Deletes the texts of definitions that have neither a name nor an execution.
pub(super) fn forget_unused(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM procedure WHERE hash NOT IN (SELECT hash FROM procedure_name) \
         AND hash NOT IN (SELECT hash FROM execution)",
        [],
    )?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredDefinition> {
    Ok(StoredDefinition {
        hash: row.get(0)?,
        project: row.get(1)?,
        name: row.get(2)?,
        version: row.get(3)?,
        description: row.get(4)?,
        definition: row.get(5)?,
    })
}

pub(super) fn definitions(
    tx: &Transaction<'_>,
    reach: &Reach,
    name: Option<&str>,
) -> Result<Vec<StoredDefinition>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT p.hash, n.project, n.name, n.version, p.description, p.definition \
         FROM procedure_name n JOIN procedure p USING (hash) \
         WHERE (?1 IS NULL OR n.project IN (SELECT value FROM json_each(?1))) \
         AND (?2 IS NULL OR n.name = ?2) ORDER BY n.defined_at DESC, n.name, n.version, n.project",
    )?;
    let rows = statement.query_map(params![readable(reach), name], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn definition(tx: &Transaction<'_>, hash: &str) -> Result<Option<String>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT definition FROM procedure WHERE hash = ?")?;
    Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
}

/// Number of distinct names.
pub(super) fn count(tx: &Transaction<'_>, reach: &Reach) -> Result<u64, StoreError> {
    let count = tx.query_row(
        "SELECT count(DISTINCT name) FROM procedure_name \
         WHERE ?1 IS NULL OR project IN (SELECT value FROM json_each(?1))",
        [readable(reach)],
        |row| row.get::<_, i64>(0),
    )?;
    Ok(u64::try_from(count).unwrap_or(0))
}
