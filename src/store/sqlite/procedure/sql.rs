//! The SQL of procedures. Every function runs inside a transaction of the
//! caller's.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Claimant, owner};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::StoreError;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, DefineOutcome, Execution, ExecutionUpdate, NewExecution,
    ProcedureCensus, RecordedCall, StoredDefinition,
};

type Done<T> = Result<T, StoreError>;

pub fn define(
    file: &Transaction<'_>,
    new: &StoredDefinition,
    at: Timestamp,
) -> Done<DefineOutcome> {
    let current: Option<String> = file
        .prepare_cached("SELECT hash FROM procedure WHERE name = ? AND version = ? AND current")?
        .query_row([&new.name, &new.version], |row| row.get(0))
        .optional()?;
    if current.as_ref() == Some(&new.hash) {
        return Ok(DefineOutcome::Unchanged);
    }
    file.execute(
        "UPDATE procedure SET current = 0 WHERE name = ? AND version = ?",
        [&new.name, &new.version],
    )?;
    file.execute(
        "INSERT INTO procedure (hash, name, version, current, defined_at, description, definition) \
         VALUES (?, ?, ?, 1, ?, ?, ?) \
         ON CONFLICT (hash) DO UPDATE SET current = 1, defined_at = excluded.defined_at",
        params![
            new.hash,
            new.name,
            new.version,
            at.0,
            new.description,
            new.definition
        ],
    )?;
    Ok(match current {
        Some(_) => DefineOutcome::Replaced,
        None => DefineOutcome::Created,
    })
}

const DEFINITION: &str = "SELECT hash, name, version, description, definition FROM procedure";

fn definition_from(row: &Row<'_>) -> rusqlite::Result<StoredDefinition> {
    Ok(StoredDefinition {
        hash: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        description: row.get(3)?,
        definition: row.get(4)?,
    })
}

pub fn versions(file: &Transaction<'_>, name: &str) -> Done<Vec<StoredDefinition>> {
    let sql = format!("{DEFINITION} WHERE name = ? AND current");
    let mut statement = file.prepare_cached(&sql)?;
    let rows = statement.query_map([name], definition_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn definition(file: &Transaction<'_>, hash: &str) -> Done<Option<StoredDefinition>> {
    let sql = format!("{DEFINITION} WHERE hash = ?");
    let mut statement = file.prepare_cached(&sql)?;
    Ok(statement.query_row([hash], definition_from).optional()?)
}

pub fn definitions(file: &Transaction<'_>) -> Done<Vec<StoredDefinition>> {
    let sql = format!("{DEFINITION} WHERE current ORDER BY defined_at DESC, name, version");
    let mut statement = file.prepare_cached(&sql)?;
    let rows = statement.query_map([], definition_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn begin(
    file: &Transaction<'_>,
    claimant: &Claimant<'_>,
    new: &NewExecution,
    at: Timestamp,
) -> Done<BeginOutcome> {
    let found: Option<String> = file
        .prepare_cached(
            "SELECT e.id FROM execution e WHERE e.id = ?1 OR (?2 IS NOT NULL AND \
             e.idempotency_key = ?2 AND e.name = (SELECT name FROM procedure WHERE hash = ?3))",
        )?
        .query_row(params![new.id, new.idempotency_key, new.hash], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(id) = found {
        return Ok(BeginOutcome::Existing(id));
    }
    forget(file, at)?;
    let made = file
        .prepare_cached(
            "INSERT INTO execution (id, hash, name, status, state, depth, active, owner, \
             created_at, updated_at, entries, parent, idempotency_key) \
             SELECT ?1, hash, name, ?2, '', ?3, 1, ?4, ?5, ?5, 1, ?6, ?7 FROM procedure \
             WHERE hash = ?8",
        )?
        .execute(params![
            new.id,
            if new.owned { "running" } else { "pending" },
            new.depth,
            new.owned.then_some(claimant.own),
            at.0,
            new.parent,
            new.idempotency_key,
            new.hash,
        ])?;
    if made == 0 {
        return Err(StoreError::Conflict(format!(
            "there is no definition with the hash {}",
            new.hash
        )));
    }
    write_entries(
        file,
        file.last_insert_rowid(),
        0,
        std::slice::from_ref(&new.entry),
    )?;
    Ok(BeginOutcome::Created)
}

/// Forgets some of those that ended long ago.
fn forget(file: &Transaction<'_>, at: Timestamp) -> Done<()> {
    let most = i64::try_from(limits::EXECUTIONS_FORGOTTEN_MAX).unwrap_or(0);
    let before = at.plus_seconds(-limits::EXECUTION_DAYS_MAX * 24 * 60 * 60);
    let old: Vec<i64> = file
        .prepare_cached(
            "SELECT number FROM execution WHERE updated_at < ?1 AND NOT active \
             AND owner IS NULL AND status <> 'waiting_approval' LIMIT ?2",
        )?
        .query_map([before.0, most], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in old {
        file.execute("DELETE FROM journal WHERE execution = ?", [number])?;
        file.execute("DELETE FROM execution WHERE number = ?", [number])?;
    }
    Ok(())
}

fn write_entries(file: &Transaction<'_>, number: i64, length: u64, entries: &[String]) -> Done<()> {
    let mut statement =
        file.prepare_cached("INSERT INTO journal (execution, number, entry) VALUES (?, ?, ?)")?;
    for (entry, at) in entries.iter().zip(length + 1..) {
        statement.execute(params![number, count(at), entry])?;
    }
    Ok(())
}

fn count(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

const EXECUTION: &str = "SELECT e.id, e.hash, e.name, p.version, e.status, e.state, e.depth, \
     e.parent, e.cancel, e.created_at, e.updated_at, e.entries \
     FROM execution e JOIN procedure p USING (hash)";

fn execution_from(row: &Row<'_>) -> rusqlite::Result<Execution> {
    Ok(Execution {
        id: row.get(0)?,
        hash: row.get(1)?,
        name: row.get(2)?,
        version: row.get(3)?,
        status: row.get(4)?,
        state: row.get(5)?,
        depth: row.get(6)?,
        parent: row.get(7)?,
        cancel: row.get(8)?,
        created_at: Timestamp(row.get(9)?),
        updated_at: Timestamp(row.get(10)?),
        entries: u64::try_from(row.get::<_, i64>(11)?).unwrap_or(0),
    })
}

pub fn execution(file: &Transaction<'_>, id: &str) -> Done<Option<Execution>> {
    let sql = format!("{EXECUTION} WHERE e.id = ?");
    let mut statement = file.prepare_cached(&sql)?;
    Ok(statement.query_row([id], execution_from).optional()?)
}

pub fn executions(
    file: &Transaction<'_>,
    name: Option<&str>,
    status: Option<&str>,
    limit: usize,
) -> Done<Vec<Execution>> {
    let filter = match (name, status) {
        (Some(_), Some(_)) => "e.name = ?1 AND e.status = ?2",
        (Some(_), None) => "e.name = ?1 AND ?2 IS NULL",
        (None, Some(_)) => "e.status = ?2 AND ?1 IS NULL",
        (None, None) => "?1 IS NULL AND ?2 IS NULL",
    };
    let sql = format!("{EXECUTION} WHERE {filter} ORDER BY e.number DESC LIMIT ?3");
    let mut statement = file.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![name, status, limit], execution_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn journal(file: &Transaction<'_>, id: &str) -> Done<Vec<String>> {
    let mut statement = file.prepare_cached(
        "SELECT entry FROM journal WHERE execution = (SELECT number FROM execution WHERE id = ?) \
         ORDER BY number",
    )?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn append(
    file: &Transaction<'_>,
    claimant: &Claimant<'_>,
    id: &str,
    length: u64,
    entries: &[String],
    standing: &ExecutionUpdate,
    at: Timestamp,
) -> Done<AppendOutcome> {
    let active = standing.status == "running";
    let written: Option<(i64, bool)> = file
        .prepare_cached(
            "UPDATE execution SET entries = entries + ?1, status = ?2, state = ?3, active = ?4, \
             owner = CASE WHEN ?5 THEN NULL ELSE owner END, wake_at = ?6, updated_at = ?7 \
             WHERE id = ?8 AND owner = ?9 AND entries = ?10 RETURNING number, cancel",
        )?
        .query_row(
            params![
                i64::try_from(entries.len()).unwrap_or(0),
                standing.status,
                standing.state,
                active,
                standing.parked,
                standing.wake_at.map(|time| time.0),
                at.0,
                id,
                claimant.own,
                count(length),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((number, cancel)) = written else {
        return Ok(AppendOutcome::Lost);
    };
    write_entries(file, number, length, entries)?;
    Ok(AppendOutcome::Written { cancel })
}

pub fn decide(
    file: &Transaction<'_>,
    id: &str,
    length: u64,
    entry: &str,
    above: &[String],
    at: Timestamp,
) -> Done<AppendOutcome> {
    let number: Option<i64> = file
        .prepare_cached(
            "UPDATE execution SET entries = entries + 1, status = 'running', active = 1, \
             wake_at = NULL, updated_at = ?1 WHERE id = ?2 AND owner IS NULL AND entries = ?3 \
             AND status = 'waiting_approval' RETURNING number",
        )?
        .query_row(params![at.0, id, count(length)], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        return Ok(AppendOutcome::Lost);
    };
    write_entries(file, number, length, &[entry.to_owned()])?;
    for id in above {
        file.prepare_cached(
            "UPDATE execution SET active = 1, status = 'running' \
             WHERE id = ? AND owner IS NULL AND status = 'waiting_approval'",
        )?
        .execute([id])?;
    }
    Ok(AppendOutcome::Written { cancel: false })
}

pub fn claim(file: &Transaction<'_>, claimant: &Claimant<'_>, id: &str) -> Done<bool> {
    let found: Option<Option<String>> = file
        .prepare_cached("SELECT owner FROM execution WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let free = match found {
        None => return Ok(false),
        Some(None) => true,
        Some(Some(owner)) => owner != claimant.own && owner::is_gone(claimant.database, &owner),
    };
    if free {
        take(file, claimant, id)?;
    }
    Ok(free)
}

fn take(file: &Transaction<'_>, claimant: &Claimant<'_>, id: &str) -> Done<()> {
    file.prepare_cached("UPDATE execution SET owner = ?, active = 1, wake_at = NULL WHERE id = ?")?
        .execute([claimant.own, id])?;
    Ok(())
}

/// Whether there may be something for `claim_any`.
pub fn any_to_claim(file: &Transaction<'_>, own: Option<&str>, now: Timestamp) -> Done<bool> {
    let found = file
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM execution WHERE active AND owner IS NOT ?1) \
             OR EXISTS (SELECT 1 FROM execution WHERE active AND owner IS NULL) \
             OR EXISTS (SELECT 1 FROM execution WHERE wake_at <= ?2)",
        )?
        .query_row(params![own, now.0], |row| row.get(0))?;
    Ok(found)
}

pub fn claim_any(
    file: &Transaction<'_>,
    claimant: &Claimant<'_>,
    now: Timestamp,
    limit: usize,
) -> Done<Vec<String>> {
    let owners: Vec<String> = file
        .prepare_cached(
            "SELECT DISTINCT owner FROM execution WHERE active AND owner IS NOT NULL AND owner <> ?",
        )?
        .query_map([claimant.own], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for owner in owners {
        if owner::is_gone(claimant.database, &owner) {
            file.execute(
                "UPDATE execution SET owner = NULL WHERE active AND owner = ?",
                [&owner],
            )?;
        }
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let free: Vec<String> = file
        .prepare_cached(
            "SELECT id FROM execution WHERE owner IS NULL AND parent IS NULL AND active \
             UNION SELECT id FROM execution WHERE owner IS NULL AND parent IS NULL \
             AND wake_at <= ?1 LIMIT ?2",
        )?
        .query_map([now.0, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &free {
        take(file, claimant, id)?;
    }
    Ok(free)
}

pub fn release(file: &Transaction<'_>, claimant: &Claimant<'_>, id: &str) -> Done<()> {
    file.prepare_cached("UPDATE execution SET owner = NULL WHERE id = ? AND owner = ?")?
        .execute([id, claimant.own])?;
    Ok(())
}

pub fn ask_cancel(file: &Transaction<'_>, id: &str) -> Done<()> {
    file.execute("UPDATE execution SET cancel = 1 WHERE id = ?", [id])?;
    file.execute(
        "UPDATE execution SET active = 1, status = 'running' \
         WHERE id = ? AND owner IS NULL AND status = 'waiting_approval'",
        [id],
    )?;
    Ok(())
}

pub fn to_cancel(file: &Transaction<'_>, owner: &str) -> Done<Vec<String>> {
    let mut statement =
        file.prepare_cached("SELECT id FROM execution WHERE active AND owner = ? AND cancel")?;
    let rows = statement.query_map([owner], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn record(file: &Transaction<'_>, calls: &[RecordedCall], keep: usize) -> Done<()> {
    let mut insert = file.prepare_cached(
        "INSERT INTO recorded_call (id, called_at, tool, arguments) VALUES (?, ?, ?, ?)",
    )?;
    for call in calls {
        insert.execute(params![call.id, call.at.0, call.tool, call.arguments])?;
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    file.prepare_cached("DELETE FROM recorded_call WHERE number <= ?")?
        .execute([file.last_insert_rowid() - keep])?;
    Ok(())
}

const CALL: &str = "SELECT id, tool, arguments, called_at FROM recorded_call";

fn call_from(row: &Row<'_>) -> rusqlite::Result<RecordedCall> {
    Ok(RecordedCall {
        id: row.get(0)?,
        tool: row.get(1)?,
        arguments: row.get(2)?,
        at: Timestamp(row.get(3)?),
    })
}

pub fn recorded(file: &Transaction<'_>, ids: &[String]) -> Done<Vec<RecordedCall>> {
    let sql = format!("{CALL} WHERE id = ?");
    let mut statement = file.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(statement.query_row([id], call_from).optional()?);
    }
    Ok(found)
}

pub fn recent(file: &Transaction<'_>, limit: usize) -> Done<Vec<RecordedCall>> {
    let sql = format!("{CALL} ORDER BY number DESC LIMIT ?");
    let mut statement = file.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([limit], call_from)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn census(file: &Transaction<'_>) -> Done<ProcedureCensus> {
    let definitions: i64 = file.query_row(
        "SELECT count(DISTINCT name) FROM procedure WHERE current",
        [],
        |row| row.get(0),
    )?;
    let mut statement =
        file.prepare_cached("SELECT status, count(*) FROM execution GROUP BY status")?;
    let counts = statement.query_map([], |row| {
        Ok((
            row.get(0)?,
            u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        ))
    })?;
    Ok(ProcedureCensus {
        definitions: u64::try_from(definitions).unwrap_or(0),
        executions: counts.collect::<Result<_, _>>()?,
    })
}
