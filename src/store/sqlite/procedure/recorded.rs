//! Recorded calls of skills' tools.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::readable;
use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::procedure::RecordedCall;

pub(super) fn record(
    tx: &Transaction<'_>,
    calls: &[RecordedCall],
    keep: usize,
) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO recorded_call (id, project, called_at, tool, arguments) \
         VALUES (?, ?, ?, ?, ?)",
    )?;
    for call in calls {
        insert.execute(params![
            call.id,
            call.project,
            call.at.0,
            call.tool,
            call.arguments
        ])?;
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    tx.prepare_cached("DELETE FROM recorded_call WHERE number <= ?")?
        .execute([tx.last_insert_rowid() - keep])?;
    Ok(())
}

const SELECT: &str = "SELECT id, project, tool, arguments, called_at FROM recorded_call \
     WHERE (?1 IS NULL OR project IN (SELECT value FROM json_each(?1)))";

fn from_row(row: &Row<'_>) -> rusqlite::Result<RecordedCall> {
    Ok(RecordedCall {
        id: row.get(0)?,
        project: row.get(1)?,
        tool: row.get(2)?,
        arguments: row.get(3)?,
        at: Timestamp(row.get(4)?),
    })
}

pub(super) fn recorded(
    tx: &Transaction<'_>,
    reach: &Reach,
    ids: &[String],
) -> Result<Vec<RecordedCall>, StoreError> {
    let mut statement = tx.prepare_cached(&format!("{SELECT} AND id = ?2"))?;
    let readable = readable(reach);
    let mut found = Vec::new();
    for id in ids {
        let row = statement.query_row(params![readable, id], from_row);
        found.extend(row.optional()?);
    }
    Ok(found)
}

pub(super) fn recent(
    tx: &Transaction<'_>,
    reach: &Reach,
    limit: usize,
) -> Result<Vec<RecordedCall>, StoreError> {
    let mut statement = tx.prepare_cached(&format!("{SELECT} ORDER BY number DESC LIMIT ?2"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![readable(reach), limit], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
