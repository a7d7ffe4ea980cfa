//! Leases: which store drives which execution.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Claimant, owner};
use crate::clock::Timestamp;
use crate::store::StoreError;

pub(super) fn claim(
    tx: &Transaction<'_>,
    claimant: &Claimant<'_>,
    id: &str,
) -> Result<bool, StoreError> {
    let found: Option<Option<String>> = tx
        .prepare_cached("SELECT owner FROM execution WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let is_free = match found {
        None => return Ok(false),
        Some(None) => true,
        Some(Some(owner)) => owner != claimant.id && owner::is_gone(claimant.database, &owner),
    };
    if is_free {
        take(tx, claimant, id)?;
    }
    Ok(is_free)
}

fn take(tx: &Transaction<'_>, claimant: &Claimant<'_>, id: &str) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE execution SET owner = ?, active = 1, wake_at = NULL WHERE id = ?")?
        .execute([claimant.id, id])?;
    Ok(())
}

/// Whether `claim_any` may find something.
pub(super) fn any_to_claim(
    tx: &Transaction<'_>,
    own: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM execution WHERE active AND owner IS NOT ?1) \
             OR EXISTS (SELECT 1 FROM execution WHERE active AND owner IS NULL) \
             OR EXISTS (SELECT 1 FROM execution WHERE wake_at <= ?2)",
        )?
        .query_row(params![own, now.0], |row| row.get(0))?;
    Ok(found)
}

pub(super) fn claim_any(
    tx: &Transaction<'_>,
    claimant: &Claimant<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let owners: Vec<String> = tx
        .prepare_cached(
            "SELECT DISTINCT owner FROM execution WHERE active AND owner IS NOT NULL AND owner <> ?",
        )?
        .query_map([claimant.id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for owner in owners {
        if owner::is_gone(claimant.database, &owner) {
            let sql = "UPDATE execution SET owner = NULL WHERE active AND owner = ?";
            tx.execute(sql, [&owner])?;
        }
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let free: Vec<String> = tx
        .prepare_cached(
            "SELECT id FROM execution WHERE owner IS NULL AND parent IS NULL AND active \
             UNION SELECT id FROM execution WHERE owner IS NULL AND parent IS NULL \
             AND wake_at <= ?1 LIMIT ?2",
        )?
        .query_map([now.0, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &free {
        take(tx, claimant, id)?;
    }
    Ok(free)
}

pub(super) fn release(
    tx: &Transaction<'_>,
    claimant: &Claimant<'_>,
    id: &str,
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE execution SET owner = NULL WHERE id = ? AND owner = ?")?
        .execute([id, claimant.id])?;
    Ok(())
}

pub(super) fn cancel_requests(
    tx: &Transaction<'_>,
    owner: &str,
) -> Result<Vec<String>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT id FROM execution WHERE active AND owner = ? AND cancel")?;
    let rows = statement.query_map([owner], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
