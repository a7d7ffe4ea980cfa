//! Retention on PostgreSQL: due memories, archiving, erasing, and the record of runs.
//! Nodes that look at the same time begin one run: the lock of all writers of memories
//! is held while the last one is looked at.

use tokio_postgres::Row;

use super::PostgresStore;
use super::memory::{self, MEMORY_LOCKS};
use super::transaction::{Param, Tx};
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
const USED: &str = "greatest(created_at, updated_at, coalesce(recalled_at, 0))";

const DIALECT: Dialect = Dialect {
    parameter: '$',
    used: USED,
    counted_in: "CASE WHEN project IN (SELECT named ->> 'project' FROM api_key, \
                 jsonb_array_elements(grants::jsonb -> 'projects') AS named) \
                 THEN project END",
};

impl RetentionStore for PostgresStore {
    fn due(&self, terms: Terms, limit: usize) -> Stored<'_, Due> {
        measured(Op::Due, async move {
            let tx = self.begin_read().await?;
            let due = due(&tx, &terms, limit).await?;
            tx.commit().await?;
            Ok(due)
        })
    }

    fn excess(&self, active_max: u64) -> Stored<'_, u64> {
        measured(Op::Due, async move {
            let tx = self.begin_read().await?;
            let excess = excess(&tx, active_max).await?;
            tx.commit().await?;
            Ok(excess)
        })
    }

    fn begin_run(
        &self,
        at: Timestamp,
        unless_after: Option<Timestamp>,
    ) -> Stored<'_, Option<RunId>> {
        measured(Op::BeginRun, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let run = begin(&tx, at, unless_after).await?;
            tx.commit().await?;
            Ok(run)
        })
    }

    fn archive(
        &self,
        run: RunId,
        why: ArchiveReason,
        ids: Vec<MemoryId>,
        at: Timestamp,
    ) -> Stored<'_, usize> {
        measured(Op::Archive, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let count = archive(&tx, run, why, &ids, at).await?;
            tx.commit().await?;
            Ok(count)
        })
    }

    fn purge(&self, run: RunId, ids: Vec<MemoryId>, expired: Timestamp) -> Stored<'_, usize> {
        measured(Op::Purge, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let count = purge(&tx, run, &ids, expired).await?;
            tx.commit().await?;
            Ok(count)
        })
    }

    fn end_run(&self, run: RunId, at: Timestamp) -> Stored<'_, ()> {
        measured(Op::EndRun, async move {
            let tx = self.begin_write(MEMORY_LOCKS).await?;
            let sql = "UPDATE retention_run SET finished_at = $1 WHERE id = $2";
            tx.execute(sql, &[&at.0, &run]).await?;
            tx.commit().await?;
            if let Err(error) = self.index_vectors().await {
                tracing::warn!(%error, "an index of vectors was not made, so searches stay slower");
            }
            Ok(())
        })
    }

    fn clock_evidence(&self, at: Timestamp) -> Stored<'_, ClockEvidence> {
        measured(Op::LastRun, async move {
            let tx = self.begin_read().await?;
            let evidence = clock_evidence(&tx, at).await?;
            tx.commit().await?;
            Ok(evidence)
        })
    }

    fn last_run(&self) -> Stored<'_, Option<Run>> {
        measured(Op::LastRun, async move {
            let tx = self.begin_read().await?;
            let run = last_run(&tx).await?;
            tx.commit().await?;
            Ok(run)
        })
    }
}

async fn due(tx: &Tx, terms: &Terms, limit: usize) -> Result<Due, StoreError> {
    let [(long, less), (short, least)] = terms.idle;
    // One more than the limit, to know whether there are more.
    let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut due = Due::default();

    let values: &[Param<'_>] = &[&long.0, &less, &short.0, &least, &most];
    due.idle = ids(tx, &DIALECT.idle(), values).await?;
    let more_idle = truncate(&mut due.idle, limit);

    // The memories beyond the maximum are known only once all idle ones are.
    if !more_idle && excess(tx, terms.active_max).await? > 0 {
        let active_max = i64::try_from(terms.active_max).unwrap_or(i64::MAX);
        let fresh = terms.fresh.0;
        let values: &[Param<'_>] = &[&long.0, &less, &short.0, &least, &fresh, &active_max, &most];
        due.beyond = ids(tx, &DIALECT.beyond(), values).await?;
    }
    let more_beyond = truncate(&mut due.beyond, limit);

    due.expired = ids(tx, &DIALECT.expired(), &[&terms.expired.0, &most]).await?;
    due.more = truncate(&mut due.expired, limit) || more_idle || more_beyond;
    Ok(due)
}

async fn excess(tx: &Tx, active_max: u64) -> Result<u64, StoreError> {
    let active_max = i64::try_from(active_max).unwrap_or(i64::MAX);
    let row = tx.query_one(&DIALECT.excess(), &[&active_max]).await?;
    let excess: i64 = row.get(0);
    Ok(excess.unsigned_abs())
}

async fn ids(tx: &Tx, sql: &str, values: &[Param<'_>]) -> Result<Vec<MemoryId>, StoreError> {
    Ok(tx
        .query(sql, values)
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect())
}

async fn begin(
    tx: &Tx,
    at: Timestamp,
    unless_after: Option<Timestamp>,
) -> Result<Option<RunId>, StoreError> {
    if let (Some(after), Some(last)) = (unless_after, last_run(tx).await?)
        // A start in the future comes from a wrong clock.
        && last.started_at > after
        && last.started_at <= at
    {
        return Ok(None);
    }
    let sql = "INSERT INTO retention_run (started_at) VALUES ($1) RETURNING id";
    let run: RunId = tx.query_one(sql, &[&at.0]).await?.get(0);
    let sql = "DELETE FROM retention_run WHERE id <= $1";
    tx.execute(sql, &[&(run - limits::RETENTION_RUNS_KEPT_MAX)])
        .await?;
    Ok(Some(run))
}

async fn archive(
    tx: &Tx,
    run: RunId,
    why: ArchiveReason,
    ids: &[MemoryId],
    at: Timestamp,
) -> Result<usize, StoreError> {
    let sql = format!(
        "UPDATE memory SET state = 'archived', updated_at = $1, revision = revision + 1 \
         WHERE id = ANY ($2) AND state = 'active' AND NOT protected AND {USED} <= $1"
    );
    let count = tx.execute(&sql, &[&at.0, &ids]).await?;
    let sql = match why {
        ArchiveReason::Idle => "UPDATE retention_run SET idle = idle + $1 WHERE id = $2",
        ArchiveReason::Beyond => "UPDATE retention_run SET beyond = beyond + $1 WHERE id = $2",
    };
    tx.execute(sql, &[&(count as i64), &run]).await?;
    Ok(count as usize)
}

async fn purge(
    tx: &Tx,
    run: RunId,
    ids: &[MemoryId],
    expired: Timestamp,
) -> Result<usize, StoreError> {
    let sql = "SELECT id FROM memory WHERE id = ANY ($1) AND state = 'archived' \
               AND NOT protected AND updated_at <= $2";
    let due = self::ids(tx, sql, &[&ids, &expired.0]).await?;
    memory::erase(tx, &due).await?;
    let sql = "UPDATE retention_run SET purged = purged + $1 WHERE id = $2";
    tx.execute(sql, &[&(due.len() as i64), &run]).await?;
    Ok(due.len())
}

async fn last_run(tx: &Tx) -> Result<Option<Run>, StoreError> {
    let sql = "SELECT id, started_at, finished_at, idle, beyond, purged FROM retention_run \
               ORDER BY id DESC LIMIT 1";
    let run = |row: Row| {
        let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        Run {
            id: row.get(0),
            started_at: Timestamp(row.get(1)),
            finished_at: row.get::<_, Option<i64>>(2).map(Timestamp),
            idle: count(3),
            beyond: count(4),
            purged: count(5),
        }
    };
    Ok(tx.query_opt(sql, &[]).await?.map(run))
}

async fn clock_evidence(tx: &Tx, at: Timestamp) -> Result<ClockEvidence, StoreError> {
    let sql = "SELECT started_at FROM retention_run WHERE started_at <= $1 \
               ORDER BY started_at DESC";
    let runs = tx.query(sql, &[&at.0]).await?;
    let runs: Vec<Timestamp> = runs.iter().map(|row| Timestamp(row.get(0))).collect();
    // The first run is there unless old ones were deleted.
    let first = runs.last().copied().unwrap_or(at);
    let sql = "SELECT max(updated_at) FROM memory WHERE updated_at < $1 AND \
               (EXISTS (SELECT FROM retention_run WHERE id = 1) \
               OR NOT EXISTS (SELECT FROM retention_run))";
    let newest: Option<i64> = tx.query_one(sql, &[&first.0]).await?.get(0);
    Ok(ClockEvidence {
        runs,
        written_before: newest.map(Timestamp),
    })
}
