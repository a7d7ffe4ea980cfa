//! Retention on SQLite: due memories, archiving, erasing, and the record of runs.

use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, checksum, codes};
use crate::clock::Timestamp;
use crate::limits;
use crate::meter::store::Op;
use crate::store::due::Dialect;
use crate::store::measured;
use crate::store::memory::MemoryId;
use crate::store::retention::{
    ArchiveReason, ClockEvidence, Due, RetentionStore, Run, RunId, Terms, truncate,
};
use crate::store::{StoreError, Stored};

/// When a memory was last used.
const USED: &str = "max(created_at, updated_at, coalesce(recalled_at, 0))";

const DIALECT: Dialect = Dialect {
    parameter: '?',
    used: USED,
    counted_in: "CASE WHEN project IN (SELECT json_extract(named.value, '$.project') \
                 FROM api_key, json_each(api_key.grants, '$.projects') AS named) \
                 THEN project END",
};

impl RetentionStore for SqliteStore {
    fn due(&self, terms: Terms, limit: usize) -> Stored<'_, Due> {
        measured(Op::Due, self.read(move |file| due(file, &terms, limit)))
    }

    fn excess(&self, active_max: u64) -> Stored<'_, u64> {
        measured(Op::Due, self.read(move |file| excess(file, active_max)))
    }

    fn begin_run(
        &self,
        at: Timestamp,
        unless_after: Option<Timestamp>,
    ) -> Stored<'_, Option<RunId>> {
        measured(
            Op::BeginRun,
            self.write(move |file| begin(file, at, unless_after)),
        )
    }

    fn archive(
        &self,
        run: RunId,
        why: ArchiveReason,
        ids: Vec<MemoryId>,
        at: Timestamp,
    ) -> Stored<'_, usize> {
        measured(
            Op::Archive,
            self.write(move |file| archive(file, run, why, &ids, at)),
        )
    }

    fn purge(&self, run: RunId, ids: Vec<MemoryId>, expired: Timestamp) -> Stored<'_, usize> {
        measured(
            Op::Purge,
            self.write(move |file| purge(file, run, &ids, expired)),
        )
    }

    fn end_run(&self, run: RunId, at: Timestamp) -> Stored<'_, ()> {
        measured(
            Op::EndRun,
            self.write(move |file| {
                file.execute(
                    "UPDATE retention_run SET finished_at = ? WHERE id = ?",
                    [at.0, run],
                )?;
                Ok(())
            }),
        )
    }

    fn clock_evidence(&self, at: Timestamp) -> Stored<'_, ClockEvidence> {
        measured(Op::LastRun, self.read(move |file| clock_evidence(file, at)))
    }

    fn last_run(&self) -> Stored<'_, Option<Run>> {
        measured(Op::LastRun, self.read(|file| last_run(file)))
    }
}

fn due(file: &Connection, terms: &Terms, limit: usize) -> Result<Due, StoreError> {
    let [(long, less), (short, least)] = terms.idle;
    // One more than the limit, to know whether there are more.
    let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut due = Due::default();

    let values = params![long.0, less, short.0, least, most];
    due.idle = ids(file, &DIALECT.idle(), values)?;
    let more_idle = truncate(&mut due.idle, limit);

    // The memories beyond the maximum are known only once all idle ones are.
    if !more_idle && excess(file, terms.active_max)? > 0 {
        let active_max = i64::try_from(terms.active_max).unwrap_or(i64::MAX);
        let fresh = terms.fresh.0;
        let values = params![long.0, less, short.0, least, fresh, active_max, most];
        due.beyond = ids(file, &DIALECT.beyond(), values)?;
    }
    let more_beyond = truncate(&mut due.beyond, limit);

    due.expired = ids(file, &DIALECT.expired(), params![terms.expired.0, most])?;
    due.more = truncate(&mut due.expired, limit) || more_idle || more_beyond;
    Ok(due)
}

fn excess(file: &Connection, active_max: u64) -> Result<u64, StoreError> {
    let active_max = i64::try_from(active_max).unwrap_or(i64::MAX);
    let excess: i64 = file.query_row(&DIALECT.excess(), [active_max], |row| row.get(0))?;
    Ok(excess.unsigned_abs())
}

fn ids(
    file: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<MemoryId>, StoreError> {
    let mut statement = file.prepare(sql)?;
    let found = statement.query_map(values, |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn begin(
    file: &Connection,
    at: Timestamp,
    unless_after: Option<Timestamp>,
) -> Result<Option<RunId>, StoreError> {
    if let (Some(after), Some(last)) = (unless_after, last_run(file)?)
        // A start in the future comes from a wrong clock.
        && last.started_at > after
        && last.started_at <= at
    {
        return Ok(None);
    }
    file.execute("INSERT INTO retention_run (started_at) VALUES (?)", [at.0])?;
    let run = file.last_insert_rowid();
    file.execute(
        "DELETE FROM retention_run WHERE id <= ?",
        [run - limits::RETENTION_RUNS_KEPT_MAX],
    )?;
    Ok(Some(run))
}

fn archive(
    file: &Connection,
    run: RunId,
    why: ArchiveReason,
    ids: &[MemoryId],
    at: Timestamp,
) -> Result<usize, StoreError> {
    let sql = format!(
        "UPDATE memory SET state = 'archived', updated_at = ?1, revision = revision + 1 \
         WHERE id = ?2 AND state = 'active' AND protected = 0 AND {USED} <= ?1"
    );
    let mut statement = file.prepare_cached(&sql)?;
    let mut count = 0;
    for id in ids {
        count += checksum::changing(file, *id, || Ok(statement.execute([at.0, *id])?))?;
    }
    let sql = match why {
        ArchiveReason::Idle => "UPDATE retention_run SET idle = idle + ? WHERE id = ?",
        ArchiveReason::Beyond => "UPDATE retention_run SET beyond = beyond + ? WHERE id = ?",
    };
    file.execute(sql, params![count as i64, run])?;
    Ok(count)
}

fn purge(
    file: &Connection,
    run: RunId,
    ids: &[MemoryId],
    expired: Timestamp,
) -> Result<usize, StoreError> {
    let mut is_due = file.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM memory WHERE id = ? AND state = 'archived' \
         AND protected = 0 AND updated_at <= ?)",
    )?;
    let mut due = Vec::with_capacity(ids.len());
    for id in ids {
        if is_due.query_row([*id, expired.0], |row| row.get(0))? {
            due.push(*id);
        }
    }
    erase_all(file, &due)?;
    file.execute(
        "UPDATE retention_run SET purged = purged + ? WHERE id = ?",
        params![due.len() as i64, run],
    )?;
    Ok(due.len())
}

/// Erases these memories and everything else about them.
pub(super) fn erase_all(file: &Connection, ids: &[MemoryId]) -> Result<(), StoreError> {
    erase_vectors(file, ids)?;
    for id in ids {
        erase(file, *id)?;
    }
    Ok(())
}

/// Erases a memory whose vectors are erased, and everything else about it. The
/// version that replaced it has no older version then.
fn erase(file: &Connection, id: MemoryId) -> Result<(), StoreError> {
    let newer: Vec<MemoryId> = file
        .prepare_cached("SELECT id FROM memory WHERE supersedes = ?")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for newer in newer {
        checksum::changing(file, newer, || {
            let sql = "UPDATE memory SET supersedes = NULL WHERE id = ?";
            Ok(file.prepare_cached(sql)?.execute([newer])?)
        })?;
    }
    for sql in [
        "DELETE FROM memory_words WHERE rowid = ?",
        "DELETE FROM memory_tag WHERE memory_id = ?",
        "DELETE FROM memory_entity WHERE memory_id = ?",
        "DELETE FROM memory_edit WHERE memory_id = ?",
        "DELETE FROM memory_feature WHERE memory_id = ?",
        "DELETE FROM memory WHERE id = ?",
    ] {
        file.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Erases the vectors of these memories and their codes. Nothing else erases such
/// rows.
fn erase_vectors(file: &Connection, ids: &[MemoryId]) -> Result<(), StoreError> {
    codes::remove(file, ids)?;
    let mut erase = file.prepare_cached("DELETE FROM memory_vector WHERE memory_id = ?")?;
    for id in ids {
        erase.execute([*id])?;
    }
    Ok(())
}

fn clock_evidence(file: &Connection, at: Timestamp) -> Result<ClockEvidence, StoreError> {
    let sql = "SELECT started_at FROM retention_run WHERE started_at <= ? \
               ORDER BY started_at DESC";
    let mut statement = file.prepare_cached(sql)?;
    let runs = statement.query_map([at.0], |row| row.get(0).map(Timestamp))?;
    let runs: Vec<Timestamp> = runs.collect::<Result<_, _>>()?;
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM retention_run) \
               OR EXISTS (SELECT 1 FROM retention_run WHERE id = 1)";
    let is_whole: bool = file.query_row(sql, [], |row| row.get(0))?;
    let written_before = match is_whole {
        true => {
            let first = runs.last().copied().unwrap_or(at);
            let sql = "SELECT max(updated_at) FROM memory WHERE updated_at < ?";
            let newest: Option<i64> = file.query_row(sql, [first.0], |row| row.get(0))?;
            newest.map(Timestamp)
        }
        false => None,
    };
    Ok(ClockEvidence {
        runs,
        written_before,
    })
}

fn last_run(file: &Connection) -> Result<Option<Run>, StoreError> {
    let sql = "SELECT id, started_at, finished_at, idle, beyond, purged FROM retention_run \
               ORDER BY id DESC LIMIT 1";
    let run = file.query_row(sql, [], |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(Run {
            id: row.get(0)?,
            started_at: Timestamp(row.get(1)?),
            finished_at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
            idle: count(3)?,
            beyond: count(4)?,
            purged: count(5)?,
        })
    });
    Ok(run.optional()?)
}
