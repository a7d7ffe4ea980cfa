//! The serving nodes, and reloads of their skills. The requester of a reload holds a
//! lock on a connection of its own until every node has answered, so one runs at a
//! time, and one whose requester died is recognized.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Row};

use super::transaction::Tx;
use super::{PostgresStore, locks, node};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::limits;
use crate::store::changes::{Changes, Topic};
use crate::store::nodes::{
    NewReload, NodeLabel, NodeRecord, NodeStore, ReloadAnswer, ReloadRecord, ReloadRequest,
    ReloadState,
};
use crate::store::{StoreError, Stored};

impl NodeStore for PostgresStore {
    fn serve(&self, label: NodeLabel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut ended = self.node.announcements.ended();
            let pause_min = Duration::from_millis(limits::NODE_REJOIN_MILLIS_MIN);
            let pause_max = Duration::from_millis(limits::NODE_REJOIN_MILLIS_MAX);
            let mut pause = pause_min;
            loop {
                ended.mark_unchanged();
                match self.enroll(&label).await {
                    Ok(()) => {
                        pause = pause_min;
                        let heartbeat = Duration::from_secs(limits::NODE_HEARTBEAT_SECONDS);
                        while timeout(heartbeat, ended.changed()).await.is_err() {
                            self.node.check().await;
                        }
                    }
                    Err(error) => {
                        if pause == pause_min {
                            tracing::warn!(%error, "this Mimo is not among the nodes for now");
                        }
                        sleep(pause).await;
                        pause = (pause * 2).min(pause_max);
                    }
                }
            }
        })
    }

    fn nodes(&self) -> Stored<'_, Vec<NodeRecord>> {
        Box::pin(async move {
            let tx = self.begin_read().await?;
            let living = living(&tx).await?;
            let sql = "SELECT name, host, pid, version, joined_at FROM node \
                       WHERE id = ANY ($1) ORDER BY host, pid, name";
            let rows = tx.query(sql, &[&living]).await?;
            tx.commit().await?;
            let record = |row: &Row| NodeRecord {
                label: label(row),
                joined_at: Timestamp(row.get("joined_at")),
            };
            Ok(rows.iter().map(record).collect())
        })
    }

    fn reload_nodes(&self, reload: NewReload, most: Duration) -> Stored<'_, ReloadRecord> {
        Box::pin(async move {
            let until = Instant::now() + most;
            let (turn, holder) = self.take_turn().await?;
            let mut announced = self.announced(Topic::Reloads);
            let epoch = self.begin_reload(&reload, holder).await?;
            loop {
                announced.mark_unchanged();
                let record = self.record(Some(epoch)).await?;
                let is_over = Instant::now() >= until;
                if let Some(mut record) = record.filter(|it| is_over || it.is_answered()) {
                    self.end_reload(epoch).await?;
                    let free = locks::unlock_reload(self.connector.schema_key());
                    turn.batch_execute(&free).await?;
                    record.state = ReloadState::Ended;
                    return Ok(record);
                }
                let pause = Duration::from_millis(limits::NODES_RELOAD_POLL_MILLIS);
                // A command announces, and does not listen.
                let _ = timeout(pause, announced.changed()).await;
            }
        })
    }

    fn newest_reload(&self, name: String) -> Stored<'_, Option<ReloadRequest>> {
        Box::pin(async move {
            let tx = self.begin_read().await?;
            let sql = "SELECT epoch, manifest, ended_at IS NULL AND EXISTS (SELECT \
                       FROM skill_reload_answer a WHERE a.epoch = r.epoch AND a.name = $1 \
                       AND outcome IS NULL) FROM skill_reload r ORDER BY epoch DESC LIMIT 1";
            let newest = tx.query_opt(sql, &[&name]).await?;
            tx.commit().await?;
            Ok(newest.map(|row| ReloadRequest {
                epoch: row.get(0),
                manifest: row.get(1),
                is_asked: row.get(2),
            }))
        })
    }

    fn answer_reload(&self, epoch: i64, node: NodeLabel, outcome: Value) -> Stored<'_, ()> {
        Box::pin(async move {
            let id = self.node.current().unwrap_or_default();
            let tx = self.begin_write(&[]).await?;
            // Later reloads may have displaced it.
            let sql = "INSERT INTO skill_reload_answer \
                       (epoch, node, name, host, pid, version, outcome) \
                       SELECT epoch, $2, $3, $4, $5, $6, $7 FROM skill_reload WHERE epoch = $1 \
                       ON CONFLICT (epoch, name) DO UPDATE SET outcome = excluded.outcome";
            let (pid, outcome) = (i64::from(node.pid), outcome.to_string());
            tx.execute(
                sql,
                &[
                    &epoch,
                    &id,
                    &node.name,
                    &node.host,
                    &pid,
                    &node.version,
                    &outcome,
                ],
            )
            .await?;
            self.announce(&tx, Topic::Reloads).await?;
            tx.commit().await
        })
    }

    fn last_reload(&self) -> Stored<'_, Option<ReloadRecord>> {
        Box::pin(self.record(None))
    }
}

impl PostgresStore {
    /// Joins as a node, if this process is not one, and is listed under its current id.
    async fn enroll(&self, node: &NodeLabel) -> Result<(), StoreError> {
        self.connector.ready().await?;
        let id = self.node.join(&self.connector).await?;
        let tx = self.begin_write(&[]).await?;
        // Rows of the dead are no longer needed.
        let sql = "DELETE FROM node WHERE pg_try_advisory_xact_lock_shared(id)";
        tx.execute(sql, &[]).await?;
        let sql = "INSERT INTO node (id, name, host, pid, version, joined_at) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let (pid, now) = (i64::from(node.pid), SystemClock.now());
        tx.execute(
            sql,
            &[&id, &node.name, &node.host, &pid, &node.version, &now.0],
        )
        .await?;
        tx.commit().await
    }

    /// The connection that holds the lock of reloads and its process, or the current
    /// holder.
    async fn take_turn(&self) -> Result<(Client, i32), StoreError> {
        self.connector.ready().await?;
        let client = self.connector.open().await?;
        let sql = locks::try_lock_reload(self.connector.schema_key());
        let row = client.query_one(&sql, &[]).await?;
        if row.get(0) {
            return Ok((client, row.get(1)));
        }
        let running = self.last_reload().await?;
        let who = running.map_or_else(String::new, |record| {
            let seconds = (SystemClock.now().0 - record.begun_at.0).max(0) / 1_000_000;
            format!(": {} began one {seconds} s ago", record.by)
        });
        Err(StoreError::Conflict(format!("reload_in_progress{who}")))
    }

    async fn begin_reload(&self, reload: &NewReload, holder: i32) -> Result<i64, StoreError> {
        let tx = self.begin_write(&[]).await?;
        let sql = "INSERT INTO skill_reload (begun_at, holder, begun_by, manifest) \
                   VALUES ($1, $2, $3, $4) \
                   RETURNING epoch";
        let row = tx
            .query_one(sql, &[&reload.at.0, &holder, &reload.by, &reload.manifest])
            .await?;
        let epoch: i64 = row.get(0);
        let living = living(&tx).await?;
        let sql = "INSERT INTO skill_reload_answer (epoch, node, name, host, pid, version) \
                   SELECT $1, id, name, host, pid, version FROM node WHERE id = ANY ($2) \
                   ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&epoch, &living]).await?;
        let oldest = epoch - limits::NODES_RELOADS_KEPT_MAX;
        tx.execute("DELETE FROM skill_reload WHERE epoch <= $1", &[&oldest])
            .await?;
        self.announce(&tx, Topic::Reloads).await?;
        tx.commit().await?;
        Ok(epoch)
    }

    async fn end_reload(&self, epoch: i64) -> Result<(), StoreError> {
        let tx = self.begin_write(&[]).await?;
        let sql = "UPDATE skill_reload SET ended_at = $1 WHERE epoch = $2";
        tx.execute(sql, &[&SystemClock.now().0, &epoch]).await?;
        tx.commit().await
    }

    /// The reload of this epoch, or the newest.
    async fn record(&self, epoch: Option<i64>) -> Result<Option<ReloadRecord>, StoreError> {
        let tx = self.begin_read().await?;
        let held = locks::is_reload_locked(self.connector.schema_key());
        let sql = format!(
            "SELECT epoch, begun_by, begun_at, ended_at IS NOT NULL, {held} FROM skill_reload \
             WHERE $1::bigint IS NULL OR epoch = $1 ORDER BY epoch DESC LIMIT 1"
        );
        let Some(row) = tx.query_opt(&sql, &[&epoch]).await? else {
            return Ok(None);
        };
        let epoch: i64 = row.get(0);
        let sql = "SELECT node, name, host, pid, version, outcome FROM skill_reload_answer \
                   WHERE epoch = $1 ORDER BY host, pid, name";
        let answers = tx.query(sql, &[&epoch]).await?;
        let missing = answers.iter();
        let missing = missing.filter(|row| row.get::<_, Option<&str>>("outcome").is_none());
        let missing: Vec<i64> = missing.map(|row| row.get("node")).collect();
        let gone = node::ended(&tx, &missing).await?;
        tx.commit().await?;
        let answer = |row: &Row| {
            let outcome: Option<&str> = row.get("outcome");
            ReloadAnswer {
                node: label(row),
                outcome: outcome.and_then(|text| serde_json::from_str(text).ok()),
                is_gone: outcome.is_none() && gone.contains(&row.get("node")),
            }
        };
        Ok(Some(ReloadRecord {
            epoch,
            by: row.get(1),
            begun_at: Timestamp(row.get(2)),
            state: match (row.get(3), row.get(4)) {
                (true, _) => ReloadState::Ended,
                (false, true) => ReloadState::Running,
                (false, false) => ReloadState::Abandoned,
            },
            answers: answers.iter().map(answer).collect(),
        }))
    }
}

async fn living(tx: &Tx) -> Result<Vec<i64>, StoreError> {
    let rows = tx.query("SELECT id FROM node", &[]).await?;
    let all: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let gone = node::ended(tx, &all).await?;
    Ok(all.into_iter().filter(|id| !gone.contains(id)).collect())
}

fn label(row: &Row) -> NodeLabel {
    NodeLabel {
        name: row.get("name"),
        host: row.get("host"),
        pid: u32::try_from(row.get::<_, i64>("pid")).unwrap_or_default(),
        version: row.get("version"),
    }
}
