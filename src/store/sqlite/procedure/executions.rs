//! Executions and their journals.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Claimant, definitions, readable};
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, Execution, ExecutionStatus, ExecutionUpdate, NewExecution,
};

impl ToSql for ExecutionStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.name()))
    }
}

impl FromSql for ExecutionStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        name.parse().map_err(|_| FromSqlError::InvalidType)
    }
}

pub(super) fn begin(
    tx: &Transaction<'_>,
    claimant: &Claimant<'_>,
    new: &NewExecution,
    forget_before: Timestamp,
    at: Timestamp,
) -> Result<BeginOutcome, StoreError> {
    let existing: Option<String> = tx
        .prepare_cached(
            "SELECT id FROM execution WHERE id = ?1 OR (idempotency_key = ?2 AND project = ?3 \
             AND name = (SELECT name FROM procedure WHERE hash = ?4))",
        )?
        .query_row(
            params![new.id, new.idempotency_key, new.project, new.hash],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = existing {
        return Ok(BeginOutcome::Existing(id));
    }
    forget(tx, forget_before)?;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO execution (id, project, hash, name, status, state, depth, active, owner, \
             created_at, updated_at, entries, parent, idempotency_key) \
             SELECT ?1, ?2, hash, name, ?3, '', ?4, 1, ?5, ?6, ?6, 1, ?7, ?8 FROM procedure \
             WHERE hash = ?9",
        )?
        .execute(params![
            new.id,
            new.project,
            match new.owned {
                true => ExecutionStatus::Running,
                false => ExecutionStatus::Pending,
            },
            new.depth,
            new.owned.then_some(claimant.id),
            at.0,
            new.parent,
            new.idempotency_key,
            new.hash,
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict(format!(
            "no definition has the hash {}",
            new.hash
        )));
    }
    let entry = std::slice::from_ref(&new.entry);
    write_entries(tx, tx.last_insert_rowid(), 0, entry)?;
    Ok(BeginOutcome::Created)
}

/// Deletes some of the executions that ended before `before`.
fn forget(tx: &Transaction<'_>, before: Timestamp) -> Result<(), StoreError> {
    let limit = i64::try_from(limits::EXECUTIONS_FORGOTTEN_MAX).unwrap_or(0);
    let old: Vec<i64> = tx
        .prepare_cached(
            "SELECT number FROM execution WHERE updated_at < ?1 AND NOT active \
             AND owner IS NULL AND status <> 'waiting_approval' LIMIT ?2",
        )?
        .query_map([before.0, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in &old {
        tx.execute("DELETE FROM journal WHERE execution = ?", [number])?;
        tx.execute("DELETE FROM execution WHERE number = ?", [number])?;
    }
    match old.is_empty() {
        true => Ok(()),
        false => definitions::forget_unused(tx),
    }
}

fn write_entries(
    tx: &Transaction<'_>,
    number: i64,
    length: u64,
    entries: &[String],
) -> Result<(), StoreError> {
    let mut statement =
        tx.prepare_cached("INSERT INTO journal (execution, number, entry) VALUES (?, ?, ?)")?;
    for (entry, at) in entries.iter().zip(length + 1..) {
        statement.execute(params![number, as_i64(at), entry])?;
    }
    Ok(())
}

fn as_i64(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

const SELECT: &str = "SELECT e.id, e.project, e.hash, e.name, p.version, e.status, e.state, \
     e.depth, e.parent, e.cancel, e.created_at, e.updated_at, e.entries \
     FROM execution e JOIN procedure p USING (hash) \
     WHERE (?1 IS NULL OR e.project IN (SELECT value FROM json_each(?1)))";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Execution> {
    Ok(Execution {
        id: row.get(0)?,
        project: row.get(1)?,
        hash: row.get(2)?,
        name: row.get(3)?,
        version: row.get(4)?,
        status: row.get(5)?,
        state: row.get(6)?,
        depth: row.get(7)?,
        parent: row.get(8)?,
        cancel: row.get(9)?,
        created_at: Timestamp(row.get(10)?),
        updated_at: Timestamp(row.get(11)?),
        entries: u64::try_from(row.get::<_, i64>(12)?).unwrap_or(0),
    })
}

pub(super) fn execution(
    tx: &Transaction<'_>,
    reach: &Reach,
    id: &str,
) -> Result<Option<Execution>, StoreError> {
    let mut statement = tx.prepare_cached(&format!("{SELECT} AND e.id = ?2"))?;
    let row = statement.query_row(params![readable(reach), id], from_row);
    Ok(row.optional()?)
}

pub(super) fn executions(
    tx: &Transaction<'_>,
    reach: &Reach,
    name: Option<&str>,
    status: Option<ExecutionStatus>,
    limit: usize,
) -> Result<Vec<Execution>, StoreError> {
    // One statement for each filter, so that each gets its index.
    let filter = match (name, status) {
        (Some(_), Some(_)) => "e.name = ?2 AND e.status = ?3",
        (Some(_), None) => "e.name = ?2 AND ?3 IS NULL",
        (None, Some(_)) => "e.status = ?3 AND ?2 IS NULL",
        (None, None) => "?2 IS NULL AND ?3 IS NULL",
    };
    let sql = format!("{SELECT} AND {filter} ORDER BY e.number DESC LIMIT ?4");
    let mut statement = tx.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![readable(reach), name, status, limit], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn journal(
    tx: &Transaction<'_>,
    reach: &Reach,
    id: &str,
) -> Result<Option<(Execution, Vec<String>)>, StoreError> {
    let Some(execution) = execution(tx, reach, id)? else {
        return Ok(None);
    };
    let mut statement = tx.prepare_cached(
        "SELECT entry FROM journal WHERE execution = (SELECT number FROM execution WHERE id = ?) \
         ORDER BY number",
    )?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    Ok(Some((execution, rows.collect::<Result<_, _>>()?)))
}

pub(super) fn append(
    tx: &Transaction<'_>,
    claimant: &Claimant<'_>,
    id: &str,
    length: u64,
    entries: &[String],
    update: &ExecutionUpdate,
    at: Timestamp,
) -> Result<AppendOutcome, StoreError> {
    let written: Option<(i64, bool)> = tx
        .prepare_cached(
            "UPDATE execution SET entries = entries + ?1, \
             status = CASE WHEN cancel AND ?11 THEN 'running' ELSE ?2 END, state = ?3, \
             active = ?4 OR (cancel AND ?11), \
             owner = CASE WHEN ?5 AND NOT (cancel AND ?11) THEN NULL ELSE owner END, \
             wake_at = ?6, updated_at = ?7 \
             WHERE id = ?8 AND owner = ?9 AND entries = ?10 RETURNING number, cancel",
        )?
        .query_row(
            params![
                i64::try_from(entries.len()).unwrap_or(0),
                update.status,
                update.state,
                update.status == ExecutionStatus::Running,
                update.parked,
                update.wake_at.map(|time| time.0),
                at.0,
                id,
                claimant.id,
                as_i64(length),
                update.status == ExecutionStatus::WaitingApproval && !update.cancelling,
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((number, cancel)) = written else {
        return Ok(AppendOutcome::Lost);
    };
    write_entries(tx, number, length, entries)?;
    Ok(AppendOutcome::Written { cancel })
}

pub(super) fn decide(
    tx: &Transaction<'_>,
    reach: &Reach,
    id: &str,
    length: u64,
    entry: String,
    ancestors: &[String],
    at: Timestamp,
) -> Result<AppendOutcome, StoreError> {
    refuse_foreign(tx, reach, id)?;
    let number: Option<i64> = tx
        .prepare_cached(
            "UPDATE execution SET entries = entries + 1, status = 'running', active = 1, \
             wake_at = NULL, updated_at = ?1 WHERE id = ?2 AND owner IS NULL AND entries = ?3 \
             AND status = 'waiting_approval' RETURNING number",
        )?
        .query_row(params![at.0, id, as_i64(length)], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        return Ok(AppendOutcome::Lost);
    };
    write_entries(tx, number, length, &[entry])?;
    for id in ancestors {
        let sql = "UPDATE execution SET active = 1, status = 'running' \
             WHERE id = ? AND owner IS NULL AND status = 'waiting_approval'";
        tx.prepare_cached(sql)?.execute([id])?;
    }
    Ok(AppendOutcome::Written { cancel: false })
}

pub(super) fn request_cancel(
    tx: &Transaction<'_>,
    reach: &Reach,
    id: &str,
) -> Result<(), StoreError> {
    refuse_foreign(tx, reach, id)?;
    tx.execute("UPDATE execution SET cancel = 1 WHERE id = ?", [id])?;
    tx.execute(
        "UPDATE execution SET active = 1, status = 'running' \
         WHERE id = ? AND owner IS NULL AND status = 'waiting_approval'",
        [id],
    )?;
    Ok(())
}

/// Refuses to change an execution of a project that `reach` may not write to.
fn refuse_foreign(tx: &Transaction<'_>, reach: &Reach, id: &str) -> Result<(), StoreError> {
    let project: Option<String> = tx
        .prepare_cached("SELECT project FROM execution WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match project.filter(|project| !reach.can_write(project)) {
        Some(project) => Err(StoreError::NoAccess(project)),
        None => Ok(()),
    }
}

pub(super) fn count(
    tx: &Transaction<'_>,
    reach: &Reach,
) -> Result<Vec<(ExecutionStatus, u64)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT status, count(*) FROM execution \
         WHERE ?1 IS NULL OR project IN (SELECT value FROM json_each(?1)) GROUP BY status",
    )?;
    let counts = statement.query_map([readable(reach)], |row| {
        let count: i64 = row.get(1)?;
        Ok((row.get(0)?, u64::try_from(count).unwrap_or(0)))
    })?;
    Ok(counts.collect::<Result<_, _>>()?)
}
