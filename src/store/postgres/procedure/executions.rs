//! Executions and their journals.

use tokio_postgres::Row;

use super::definitions;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::postgres::transaction::{Param, Tx};
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, Execution, ExecutionStatus, ExecutionUpdate, NewExecution,
};

pub(super) async fn begin(
    tx: &Tx,
    owner: Option<i64>,
    new: &NewExecution,
    forget_before: Timestamp,
    at: Timestamp,
) -> Result<BeginOutcome, StoreError> {
    if let Some(id) = existing(tx, new).await? {
        return Ok(BeginOutcome::Existing(id));
    }
    forget(tx, forget_before).await?;
    let status = match owner {
        Some(_) => ExecutionStatus::Running,
        None => ExecutionStatus::Pending,
    };
    // Holding the definition keeps `forget_unused` away from it.
    let inserted = tx
        .query_opt(
            "WITH definition AS MATERIALIZED \
             (SELECT hash, name FROM procedure WHERE hash = $1 FOR KEY SHARE), \
             begun AS (INSERT INTO execution (id, project, hash, name, status, state, depth, \
             active, owner, created_at, updated_at, entries, parent, idempotency_key) \
             SELECT $2, $3, hash, name, $4, '', $5, true, $6, $7, $7, 1, $8, $9 FROM definition \
             ON CONFLICT DO NOTHING RETURNING number), \
             entry AS (INSERT INTO journal (execution, number, entry) \
             SELECT number, 1, $10 FROM begun) \
             SELECT (SELECT count(*) FROM begun), (SELECT count(*) FROM definition)",
            &[
                &new.hash,
                &new.id,
                &new.project,
                &status.name(),
                &i64::from(new.depth),
                &owner,
                &at.0,
                &new.parent,
                &new.idempotency_key,
                &new.entry,
            ],
        )
        .await?;
    let counts: Option<(i64, i64)> = inserted.map(|row| (row.get(0), row.get(1)));
    match counts {
        Some((1, _)) => Ok(BeginOutcome::Created),
        // Another transaction was faster, and has ended.
        Some((_, 1)) => match existing(tx, new).await? {
            Some(id) => Ok(BeginOutcome::Existing(id)),
            None => Err(StoreError::Defect("an execution vanished".into())),
        },
        _ => Err(StoreError::Conflict(format!(
            "no definition has the hash {}",
            new.hash
        ))),
    }
}

/// The execution that already has this id or this idempotency key.
async fn existing(tx: &Tx, new: &NewExecution) -> Result<Option<String>, StoreError> {
    let sql = "SELECT id FROM execution WHERE id = $1 UNION ALL \
         SELECT id FROM execution WHERE idempotency_key = $2 AND project = $3 \
         AND name = (SELECT name FROM procedure WHERE hash = $4) LIMIT 1";
    let bound: &[Param<'_>] = &[&new.id, &new.idempotency_key, &new.project, &new.hash];
    Ok(tx.query_opt(sql, bound).await?.map(|row| row.get(0)))
}

/// Deletes some of the executions that ended before `before`. Those that another
/// transaction is deleting are left to it.
async fn forget(tx: &Tx, before: Timestamp) -> Result<(), StoreError> {
    let limit = i64::try_from(limits::EXECUTIONS_FORGOTTEN_MAX).unwrap_or(0);
    let sql = "SELECT number FROM execution WHERE updated_at < $1 AND NOT active \
         AND owner IS NULL AND status <> 'waiting_approval' LIMIT $2 FOR UPDATE SKIP LOCKED";
    let old = tx.query(sql, &[&before.0, &limit]).await?;
    if old.is_empty() {
        return Ok(());
    }
    let old: Vec<i64> = old.iter().map(|row| row.get(0)).collect();
    let sql = "DELETE FROM journal WHERE execution = ANY ($1)";
    tx.execute(sql, &[&old]).await?;
    let sql = "DELETE FROM execution WHERE number = ANY ($1)";
    tx.execute(sql, &[&old]).await?;
    definitions::forget_unused(tx).await
}

fn as_i64(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

const SELECT: &str = "SELECT e.id, e.project, e.hash, e.name, p.version, e.status, e.state, \
     e.depth, e.parent, e.cancel, e.created_at, e.updated_at, e.entries \
     FROM execution e JOIN procedure p USING (hash) \
     WHERE ($1::text[] IS NULL OR e.project = ANY ($1))";

fn status_from(name: &str) -> Result<ExecutionStatus, StoreError> {
    name.parse()
        .map_err(|_| StoreError::Damaged(format!("an execution has the status {name:?}")))
}

fn from_row(row: &Row) -> Result<Execution, StoreError> {
    Ok(Execution {
        id: row.get(0),
        project: row.get(1),
        hash: row.get(2),
        name: row.get(3),
        version: row.get(4),
        status: status_from(row.get(5))?,
        state: row.get(6),
        depth: u32::try_from(row.get::<_, i64>(7)).unwrap_or(u32::MAX),
        parent: row.get(8),
        cancel: row.get(9),
        created_at: Timestamp(row.get(10)),
        updated_at: Timestamp(row.get(11)),
        entries: row.get::<_, i64>(12).unsigned_abs(),
    })
}

pub(super) async fn execution(
    tx: &Tx,
    reach: &Reach,
    id: &str,
) -> Result<Option<Execution>, StoreError> {
    let sql = format!("{SELECT} AND e.id = $2");
    let found = tx.query_opt(&sql, &[&reach.readable(&[]), &id]).await?;
    found.as_ref().map(from_row).transpose()
}

pub(super) async fn executions(
    tx: &Tx,
    reach: &Reach,
    name: Option<&str>,
    status: Option<ExecutionStatus>,
    limit: usize,
) -> Result<Vec<Execution>, StoreError> {
    // One statement for each filter, so that each gets its index.
    let filter = match (name, status) {
        (Some(_), Some(_)) => "e.name = $2 AND e.status = $3",
        (Some(_), None) => "e.name = $2 AND $3::text IS NULL",
        (None, Some(_)) => "e.status = $3 AND $2::text IS NULL",
        (None, None) => "$2::text IS NULL AND $3::text IS NULL",
    };
    let sql = format!("{SELECT} AND {filter} ORDER BY e.number DESC LIMIT $4");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let status = status.map(ExecutionStatus::name);
    let found = tx
        .query(&sql, &[&reach.readable(&[]), &name, &status, &limit])
        .await?;
    found.iter().map(from_row).collect()
}

pub(super) async fn journal(
    tx: &Tx,
    reach: &Reach,
    id: &str,
) -> Result<Option<(Execution, Vec<String>)>, StoreError> {
    let Some(execution) = execution(tx, reach, id).await? else {
        return Ok(None);
    };
    Ok(Some((execution, entries_after(tx, id, 0).await?)))
}

async fn entries_after(tx: &Tx, id: &str, length: u64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT j.entry FROM execution e JOIN journal j ON j.execution = e.number \
         WHERE e.id = $1 AND j.number > $2 ORDER BY j.number";
    let found = tx.query(sql, &[&id, &as_i64(length)]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// One statement: the fence holds from the check of owner and length to the last
/// entry. The owner's lock is asked for too, because this process may not have learned
/// yet that its connection is gone: it is free only then.
pub(super) async fn append(
    tx: &Tx,
    owner: i64,
    id: &str,
    length: u64,
    entries: &[String],
    update: &ExecutionUpdate,
    at: Timestamp,
) -> Result<AppendOutcome, StoreError> {
    let written = tx
        .query_opt(
            "WITH driven AS (UPDATE execution SET entries = entries + cardinality($1::text[]), \
             status = CASE WHEN cancel AND $11 THEN 'running' ELSE $2 END, state = $3, \
             active = $4 OR (cancel AND $11), \
             owner = CASE WHEN $5 AND NOT (cancel AND $11) THEN NULL ELSE owner END, \
             wake_at = $6, updated_at = $7 \
             WHERE id = $8 AND owner = $9 AND entries = $10 \
             AND NOT pg_try_advisory_xact_lock_shared($9) RETURNING number, cancel), \
             added AS (INSERT INTO journal (execution, number, entry) \
             SELECT driven.number, $10 + new.nth, new.entry \
             FROM driven, unnest($1::text[]) WITH ORDINALITY new (entry, nth)) \
             SELECT cancel FROM driven",
            &[
                &entries,
                &update.status.name(),
                &update.state,
                &(update.status == ExecutionStatus::Running),
                &update.parked,
                &update.wake_at.map(|time| time.0),
                &at.0,
                &id,
                &owner,
                &as_i64(length),
                &(update.status == ExecutionStatus::WaitingApproval && !update.cancelling),
            ],
        )
        .await?;
    Ok(match written {
        Some(row) => AppendOutcome::Written { cancel: row.get(0) },
        None => AppendOutcome::Lost,
    })
}

/// Whether an append whose answer was lost was stored. `None` if it was not.
pub(super) async fn appended(
    tx: &Tx,
    id: &str,
    length: u64,
    entries: &[String],
) -> Result<Option<AppendOutcome>, StoreError> {
    let Some(execution) = execution(tx, &Reach::Everything, id).await? else {
        return Ok(None);
    };
    // Another owner may have added more since.
    let stored = entries_after(tx, id, length).await?;
    let is_written = !entries.is_empty() && stored == entries;
    Ok(is_written.then_some(AppendOutcome::Written {
        cancel: execution.cancel,
    }))
}

pub(super) async fn decide(
    tx: &Tx,
    reach: &Reach,
    id: &str,
    length: u64,
    entry: &str,
    ancestors: &[String],
    at: Timestamp,
) -> Result<AppendOutcome, StoreError> {
    refuse_foreign(tx, reach, id).await?;
    let sql = "WITH decided AS (UPDATE execution SET entries = entries + 1, status = 'running', \
         active = true, wake_at = NULL, updated_at = $1 WHERE id = $2 AND owner IS NULL \
         AND entries = $3 AND status = 'waiting_approval' RETURNING number), \
         added AS (INSERT INTO journal (execution, number, entry) \
         SELECT number, $3 + 1, $4 FROM decided) SELECT 1 FROM decided";
    let bound: &[Param<'_>] = &[&at.0, &id, &as_i64(length), &entry];
    if tx.query_opt(sql, bound).await?.is_none() {
        return Ok(AppendOutcome::Lost);
    }
    wake(tx, ancestors).await?;
    Ok(AppendOutcome::Written { cancel: false })
}

/// Lets those of these executions continue that wait for a person.
async fn wake(tx: &Tx, ids: &[String]) -> Result<(), StoreError> {
    let sql = "UPDATE execution SET active = true, status = 'running' \
         WHERE id = ANY ($1) AND owner IS NULL AND status = 'waiting_approval'";
    tx.execute(sql, &[&ids]).await?;
    Ok(())
}

pub(super) async fn request_cancel(tx: &Tx, reach: &Reach, id: &str) -> Result<(), StoreError> {
    refuse_foreign(tx, reach, id).await?;
    let sql = "UPDATE execution SET cancel = true WHERE id = $1";
    tx.execute(sql, &[&id]).await?;
    wake(tx, &[id.to_owned()]).await
}

/// Refuses to change an execution of a project that `reach` may not write to.
async fn refuse_foreign(tx: &Tx, reach: &Reach, id: &str) -> Result<(), StoreError> {
    let sql = "SELECT project FROM execution WHERE id = $1";
    let project: Option<String> = tx.query_opt(sql, &[&id]).await?.map(|row| row.get(0));
    match project.filter(|project| !reach.can_write(project)) {
        Some(project) => Err(StoreError::NoAccess(project)),
        None => Ok(()),
    }
}

pub(super) async fn count(
    tx: &Tx,
    reach: &Reach,
) -> Result<Vec<(ExecutionStatus, u64)>, StoreError> {
    let sql = "SELECT status, count(*) FROM execution \
         WHERE $1::text[] IS NULL OR project = ANY ($1) GROUP BY status ORDER BY status";
    let counts = tx.query(sql, &[&reach.readable(&[])]).await?;
    let count = |row: &Row| {
        Ok((
            status_from(row.get(0))?,
            row.get::<_, i64>(1).unsigned_abs(),
        ))
    };
    counts.iter().map(count).collect()
}
