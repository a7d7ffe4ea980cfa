//! The SQLite room: one file, one writer thread, a few readers. Several processes
//! may have the file open at once.

mod backup;
mod checksum;
mod codes;
mod connection;
mod derived;
mod encoding;
mod erasure;
mod error;
mod export;
mod extension;
mod features;
mod graph;
mod inline;
mod inventory;
mod keys;
mod listing;
mod lock_wait;
mod mark;
mod memory;
mod names;
mod nearest;
mod pins;
mod prefilter;
mod procedure;
mod recall;
mod repair;
mod restore;
mod retention;
mod rows;
mod sessions;
pub(super) mod transfer;
mod trust;
mod unit;
mod verify;
mod worker;
mod write;

pub use trust::allow_added_code;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::connection::{open_graph_reader, open_reader, open_writer};
use self::inline::Inline;
use self::worker::Workers;
use super::changes::{Changes, Topic};
use super::integrity::{EncodeText, Observation, Problem, Report, Restored};
use super::{NodeStore, Store, StoreError, StoreFormat, Stored, measured};
use crate::limits;
use crate::meter::store::{Op, Side};

/// The store on one SQLite file. Dropping it finishes what was queued.
pub struct SqliteStore {
    // Readers first: fields drop in this order, and the last connection to
    // close folds the write-ahead log back into the file.
    inline: Arc<Inline>,
    readers: Workers,
    graph_reader: Workers,
    writer: Workers,
    path: PathBuf,
    /// Made when the first execution is driven.
    owner: Arc<OnceLock<procedure::Owner>>,
    group_commit: procedure::GroupCommit,
    /// Incremented after each commit.
    stored: watch::Sender<u64>,
    /// Never incremented: others are found by looking.
    announced: watch::Sender<u64>,
}

impl SqliteStore {
    /// A store on the file at `path`. Returns at once: the store's own threads
    /// open or create the file, so that a client never waits for it. If that fails,
    /// every later call returns the error.
    pub fn start(path: PathBuf) -> std::io::Result<SqliteStore> {
        let writer = Workers::start("store-writer", Side::Write, 1, &path, open_writer)?;
        let count = limits::STORE_READERS_MAX;
        let readers = Workers::start("store-reader", Side::Read, count, &path, open_reader)?;
        let graph_reader = Workers::start("store-graph", Side::Graph, 1, &path, open_graph_reader)?;
        Ok(SqliteStore {
            inline: Arc::default(),
            readers,
            graph_reader,
            writer,
            path,
            owner: Arc::default(),
            group_commit: procedure::GroupCommit::default(),
            stored: watch::Sender::new(0),
            announced: watch::Sender::new(0),
        })
    }

    /// Runs a job that writes, and notifies whoever follows changes.
    async fn run_write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let job = move |connection: &mut Connection| {
            let done = job(connection);
            bound_log(connection, &path);
            done
        };
        let done = self.writer.run(job).await;
        self.stored.send_modify(|count| *count += 1);
        done
    }

    /// Runs `work` in one immediate transaction.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let job = |connection: &mut Connection| in_transaction(connection, work);
        self.run_write(job).await
    }

    /// Runs `work` on one snapshot of the file.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Cancelled when the caller stops waiting: on a cancellation, and at a deadline.
        let abandoned = CancellationToken::new();
        let _until_answered = abandoned.clone().drop_guard();
        let job = move |connection: &mut Connection| {
            let is_abandoned = move || abandoned.is_cancelled();
            connection.progress_handler(limits::STORE_READ_STEPS_MAX, Some(is_abandoned))?;
            let snapshot = connection.transaction().map_err(StoreError::from);
            let done = snapshot.and_then(|snapshot| work(&snapshot));
            connection.progress_handler(0, None::<fn() -> bool>)?;
            done
        };
        self.readers.run(job).await
    }
}

/// Runs `work` in one immediate transaction.
fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    begin_write(&transaction)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Begins a write in its transaction. Refuses it once a newer Mimo has raised the
/// schema, whose rules this one does not know.
fn begin_write(transaction: &Connection) -> Result<(), StoreError> {
    match connection::version(transaction)? {
        connection::SCHEMA => mark::advance(transaction),
        found => Err(connection::newer(found)),
    }
}

impl Store for SqliteStore {
    fn ready(&self) -> Stored<'_, ()> {
        measured(Op::Ready, self.writer.run(|_| Ok(())))
    }

    fn exists(&self) -> bool {
        self.path.exists()
    }

    fn backup<'a>(
        &'a self,
        to: &'a Path,
        unique: &'a str,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> Stored<'a, u64> {
        Box::pin(async move { backup::back_up(&self.path, to, unique, progress) })
    }

    fn verify<'a>(
        &'a self,
        model: &'a str,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Report> {
        Box::pin(async move { verify::verify(&self.path, model, progress) })
    }

    fn repair<'a>(
        &'a self,
        model: &'a str,
        encode: &'a EncodeText<'a>,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Vec<Problem>> {
        Box::pin(async move { repair::repair(&self.path, model, encode, progress) })
    }

    fn restore<'a>(
        &'a self,
        from: &'a Path,
        aside: &'a Path,
        unique: &'a str,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Restored> {
        Box::pin(async move { restore::restore(&self.path, from, aside, unique, progress) })
    }

    fn format(&self) -> StoreFormat {
        StoreFormat {
            kind: "sqlite",
            schema: connection::SCHEMA.unsigned_abs(),
        }
    }

    fn restore_steps(&self) -> String {
        "close the clients and run `mimo restore` with it".to_owned()
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn examine(&self) -> Stored<'_, Vec<Observation>> {
        Box::pin(async move {
            if self.exists() {
                let locked = self.writer.run(|connection| {
                    lock_wait::begin(limits::DOCTOR_LOCK_MILLIS_MAX);
                    // Nothing is written: whether somebody else keeps us from it counts.
                    let behavior = TransactionBehavior::Immediate;
                    Ok(connection.transaction_with_behavior(behavior)?.rollback()?)
                });
                locked.await?;
            }
            Ok(Vec::new())
        })
    }

    fn nodes(self: Arc<Self>) -> Option<Arc<dyn NodeStore>> {
        None
    }
}

impl Changes for SqliteStore {
    fn stored(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// `data_version` counts, per connection, the commits of all others (this
    /// process's writer included), so the same connection is asked each time.
    fn version(&self) -> Stored<'_, i64> {
        measured(
            Op::Version,
            self.graph_reader.run(|connection| {
                let version = connection.pragma_query_value(None, "data_version", |row| row.get(0));
                Ok(version?)
            }),
        )
    }

    fn announced(&self, _topic: Topic) -> watch::Receiver<u64> {
        self.announced.subscribe()
    }
}

/// Folds a log back that has grown although SQLite tries to: with many processes some
/// reader always is in its way, and only a checkpoint that waits for them ends it.
fn bound_log(connection: &Connection, path: &Path) {
    let log = mark::log_bytes(path);
    if log <= limits::STORE_LOG_BYTES_MAX / 2 {
        return;
    }
    lock_wait::begin(limits::STORE_CHECKPOINT_MILLIS_MAX);
    let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = folded {
        tracing::warn!(%error, bytes = log, "the log of the database was not folded back");
    }
}

/// The file and its write-ahead log: new rows are in the log until SQLite
/// folds it back.
fn bytes_on_disk(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len()) + mark::log_bytes(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that never end hold all readers, until their callers stop waiting.
    #[test]
    fn an_abandoned_read_ends() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = SqliteStore::start(folder.path().join("test.db")).expect("threads start");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let endless = |file: &Transaction<'_>| {
            let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT max(i) FROM n";
            Ok(file.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        };
        runtime.block_on(async {
            for _ in 0..3 * limits::STORE_READERS_MAX {
                let mut read = Box::pin(store.read(endless));
                // It may have begun or not; it ends either way.
                assert!(futures::poll!(&mut read).is_pending());
            }
            let one = store.read(|file| Ok(file.query_row("SELECT 1", [], |row| row.get(0))?));
            assert_eq!(one.await.map(|one: i64| one).expect("an answer"), 1);
        });
    }
}
