//! Leases: which node drives which execution.

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::postgres::node;
use crate::store::postgres::transaction::Tx;

pub(super) async fn claim(tx: &Tx, node: i64, id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT owner FROM execution WHERE id = $1 FOR UPDATE";
    let Some(found) = tx.query_opt(sql, &[&id]).await? else {
        return Ok(false);
    };
    if let Some(owner) = found.get::<_, Option<i64>>(0)
        && (owner == node || node::ended(tx, &[owner]).await?.is_empty())
    {
        return Ok(false);
    }
    let sql = "UPDATE execution SET owner = $1, active = true, wake_at = NULL WHERE id = $2";
    tx.execute(sql, &[&node, &id]).await?;
    Ok(true)
}

/// Whether `claim_any` may find something.
pub(super) async fn any_to_claim(tx: &Tx, node: i64, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT FROM execution WHERE active AND owner <> $1) \
         OR EXISTS (SELECT FROM execution WHERE active AND owner IS NULL) \
         OR EXISTS (SELECT FROM execution WHERE wake_at <= $2)";
    Ok(tx.query_one(sql, &[&node, &now.0]).await?.get(0))
}

pub(super) async fn claim_any(
    tx: &Tx,
    node: i64,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT owner FROM execution WHERE active AND owner <> $1";
    let owners = tx.query(sql, &[&node]).await?;
    let owners: Vec<i64> = owners.iter().map(|row| row.get(0)).collect();
    let gone = match owners.is_empty() {
        true => Vec::new(),
        false => node::ended(tx, &owners).await?,
    };
    if !gone.is_empty() {
        // Rows that are locked are being freed by another node.
        let sql = "UPDATE execution SET owner = NULL WHERE number IN (SELECT number \
             FROM execution WHERE active AND owner = ANY ($1) FOR UPDATE SKIP LOCKED)";
        tx.execute(sql, &[&gone]).await?;
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "WITH free AS MATERIALIZED (SELECT number FROM execution WHERE owner IS NULL \
         AND parent IS NULL AND (active OR wake_at <= $2) \
         ORDER BY number LIMIT $3 FOR UPDATE SKIP LOCKED) \
         UPDATE execution e SET owner = $1, active = true, wake_at = NULL \
         FROM free WHERE e.number = free.number RETURNING e.id, e.number";
    let claimed = tx.query(sql, &[&node, &now.0, &limit]).await?;
    let mut claimed: Vec<(i64, String)> =
        claimed.iter().map(|row| (row.get(1), row.get(0))).collect();
    claimed.sort_unstable();
    Ok(claimed.into_iter().map(|(_, id)| id).collect())
}

pub(super) async fn release(tx: &Tx, node: i64, id: &str) -> Result<(), StoreError> {
    let sql = "UPDATE execution SET owner = NULL WHERE id = $1 AND owner = $2";
    tx.execute(sql, &[&id, &node]).await?;
    Ok(())
}

pub(super) async fn cancel_requests(tx: &Tx, node: i64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id FROM execution WHERE active AND owner = $1 AND cancel";
    let found = tx.query(sql, &[&node]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}
