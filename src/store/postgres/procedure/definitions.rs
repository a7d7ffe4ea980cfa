//! Definitions: a text is stored once by its hash, and each project names its
//! own current versions.

use tokio_postgres::Row;

use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::postgres::transaction::Tx;
use crate::store::procedure::{DefineOutcome, StoredDefinition};

pub(super) async fn define(
    tx: &Tx,
    reach: &Reach,
    new: &StoredDefinition,
    at: Timestamp,
) -> Result<DefineOutcome, StoreError> {
    if !reach.can_write(&new.project) {
        return Err(StoreError::NoAccess(new.project.clone()));
    }
    let sql = "SELECT hash FROM procedure_name WHERE project = $1 AND name = $2 AND version = $3";
    let current = tx
        .query_opt(sql, &[&new.project, &new.name, &new.version])
        .await?;
    let current: Option<String> = current.map(|row| row.get(0));
    if current.as_ref() == Some(&new.hash) {
        return Ok(DefineOutcome::Unchanged);
    }
    // The update, which changes nothing, keeps `forget_unused` away from the row.
    tx.execute(
        "INSERT INTO procedure (hash, name, version, description, definition) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash",
        &[
            &new.hash,
            &new.name,
            &new.version,
            &new.description,
            &new.definition,
        ],
    )
    .await?;
    tx.execute(
        "INSERT INTO procedure_name (project, name, version, hash, defined_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, name, version) \
         DO UPDATE SET hash = excluded.hash, defined_at = excluded.defined_at",
        &[&new.project, &new.name, &new.version, &new.hash, &at.0],
    )
    .await?;
    Ok(match current {
        Some(_) => DefineOutcome::Replaced,
        None => DefineOutcome::Created,
    })
}

pub(super) async fn remove(
    tx: &Tx,
    reach: &Reach,
    project: &str,
    name: &str,
    version: Option<&str>,
) -> Result<usize, StoreError> {
    if !reach.can_write(project) {
        return Err(StoreError::NoAccess(project.to_owned()));
    }
    let sql = "DELETE FROM procedure_name WHERE project = $1 AND name = $2 \
         AND ($3::text IS NULL OR version = $3)";
    let removed = tx.execute(sql, &[&project, &name, &version]).await?;
    forget_unused(tx).await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// Deletes the texts of definitions that have neither a name nor an execution.
/// Whoever is about to use one holds its row, and it stays.
pub(super) async fn forget_unused(tx: &Tx) -> Result<(), StoreError> {
    let unused = "NOT EXISTS (SELECT FROM procedure_name n WHERE n.hash = p.hash) \
         AND NOT EXISTS (SELECT FROM execution e WHERE e.hash = p.hash)";
    let sql = format!("SELECT hash FROM procedure p WHERE {unused} FOR UPDATE SKIP LOCKED");
    let held = tx.query(&sql, &[]).await?;
    if held.is_empty() {
        return Ok(());
    }
    // Asked again, because another may have used one before it was held.
    let held: Vec<&str> = held.iter().map(|row| row.get(0)).collect();
    let sql = format!("DELETE FROM procedure p WHERE p.hash = ANY ($1) AND {unused}");
    tx.execute(&sql, &[&held]).await?;
    Ok(())
}

fn from_row(row: &Row) -> StoredDefinition {
    StoredDefinition {
        hash: row.get(0),
        project: row.get(1),
        name: row.get(2),
        version: row.get(3),
        description: row.get(4),
        definition: row.get(5),
    }
}

pub(super) async fn definitions(
    tx: &Tx,
    reach: &Reach,
    name: Option<&str>,
) -> Result<Vec<StoredDefinition>, StoreError> {
    let sql = "SELECT p.hash, n.project, n.name, n.version, p.description, p.definition \
         FROM procedure_name n JOIN procedure p USING (hash) \
         WHERE ($1::text[] IS NULL OR n.project = ANY ($1)) AND ($2::text IS NULL OR n.name = $2) \
         ORDER BY n.defined_at DESC, n.name, n.version, n.project";
    let found = tx.query(sql, &[&reach.readable(&[]), &name]).await?;
    Ok(found.iter().map(from_row).collect())
}

pub(super) async fn definition(tx: &Tx, hash: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT definition FROM procedure WHERE hash = $1";
    let found = tx.query_opt(sql, &[&hash]).await?;
    Ok(found.map(|row| row.get(0)))
}

/// Number of distinct names.
pub(super) async fn count(tx: &Tx, reach: &Reach) -> Result<u64, StoreError> {
    let sql = "SELECT count(DISTINCT name) FROM procedure_name \
         WHERE $1::text[] IS NULL OR project = ANY ($1)";
    let row = tx.query_one(sql, &[&reach.readable(&[])]).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
