//! One transaction on a connection of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::Leased;
use crate::limits::DATABASE_ROLLBACK_SECONDS_MAX;
use crate::store::StoreError;

/// A value of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// An open transaction. Dropping it rolls it back.
pub(super) struct Tx {
    /// `None` once it ended.
    client: Option<Leased>,
    /// A statement failed, after which the server answers a commit with a rollback.
    has_failed: AtomicBool,
    /// Who is notified of the commit.
    stored: Option<watch::Sender<u64>>,
}

impl Tx {
    pub(crate) async fn begin_read(client: Leased) -> Result<Tx, StoreError> {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Tx::begin(client, sql, None).await
    }

    /// `locks` are statements that follow the first one.
    pub(crate) async fn begin_write(
        client: Leased,
        locks: &str,
        stored: watch::Sender<u64>,
    ) -> Result<Tx, StoreError> {
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED{locks}");
        Tx::begin(client, &sql, Some(stored)).await
    }

    async fn begin(
        client: Leased,
        sql: &str,
        stored: Option<watch::Sender<u64>>,
    ) -> Result<Tx, StoreError> {
        // Made first, so that giving up while a lock is waited for rolls back too.
        let tx = Tx {
            client: Some(client),
            has_failed: AtomicBool::new(false),
            stored,
        };
        tx.batch(sql).await?;
        Ok(tx)
    }

    /// Commits. Reads need it as well, because it shows that none of their statements
    /// failed.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(StoreError::Abandoned);
        }
        self.batch("COMMIT").await?;
        self.client = None;
        if let Some(stored) = &self.stored {
            stored.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Statements without values, separated by semicolons.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let done = self.client()?.batch_execute(sql).await;
        self.noted(done)
    }

    /// The rows of a statement, which the connection keeps prepared.
    pub(crate) async fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client()?;
        let prepared = self.noted(client.prepare_cached(sql).await)?;
        self.noted(client.query(&prepared, params).await)
    }

    /// The only row, if there is one.
    pub(crate) async fn query_opt(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    pub(crate) async fn query_one(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Row, StoreError> {
        let client = self.client()?;
        let prepared = self.noted(client.prepare_cached(sql).await)?;
        self.noted(client.query_one(&prepared, params).await)
    }

    /// How many rows the statement changed.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let client = self.client()?;
        let prepared = self.noted(client.prepare_cached(sql).await)?;
        self.noted(client.execute(&prepared, params).await)
    }

    /// The rows of a statement one after the other.
    pub(crate) async fn stream(
        &self,
        sql: &str,
    ) -> Result<impl Stream<Item = Result<Row, StoreError>> + use<'_>, StoreError> {
        let client = self.client()?;
        let prepared = self.noted(client.prepare_cached(sql).await)?;
        let none: [Param<'_>; 0] = [];
        let rows = self.noted(client.query_raw(&prepared, none).await)?;
        Ok(rows.map(|row| self.noted(row)))
    }

    fn client(&self) -> Result<&Leased, StoreError> {
        self.client.as_ref().ok_or(StoreError::Abandoned)
    }

    fn noted<T>(&self, done: Result<T, tokio_postgres::Error>) -> Result<T, StoreError> {
        done.map_err(|error| {
            self.has_failed.store(true, Ordering::Relaxed);
            StoreError::from(error)
        })
    }
}

impl Drop for Tx {
    /// The connection goes back to the others only once the server has rolled back.
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    let most = Duration::from_secs(DATABASE_ROLLBACK_SECONDS_MAX);
                    let done = timeout(most, client.batch_execute("ROLLBACK")).await;
                    // The connection is dead, or a statement still runs on it.
                    if !matches!(done, Ok(Ok(()))) {
                        client.discard();
                    }
                });
            }
            // Closing the connection rolls back too.
            Err(_) => client.discard(),
        }
    }
}
