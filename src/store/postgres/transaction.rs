//! One transaction on a connection of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
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
    /// What begins it, until it is sent together with the first of its statements.
    begin: Mutex<Option<String>>,
    /// A statement failed, after which the server answers a commit with a rollback.
    has_failed: AtomicBool,
    /// Who is notified of the commit.
    stored: Option<watch::Sender<u64>>,
}

impl Tx {
    pub(crate) fn read_only(client: Leased) -> Tx {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Tx::new(client, sql.to_owned(), None)
    }

    /// `locks` are statements that follow the first one.
    pub(crate) fn read_write(client: Leased, locks: &str, stored: watch::Sender<u64>) -> Tx {
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED{locks}");
        Tx::new(client, sql, Some(stored))
    }

    fn new(client: Leased, begin: String, stored: Option<watch::Sender<u64>>) -> Tx {
        Tx {
            client: Some(client),
            begin: Mutex::new(Some(begin)),
            has_failed: AtomicBool::new(false),
            stored,
        }
    }

    /// Commits. Reads need it as well, because it shows that none of their statements
    /// failed; nobody waits for the server to end them.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(StoreError::Abandoned);
        }
        match self.stored.clone() {
            Some(stored) => {
                self.batch("COMMIT").await?;
                self.client = None;
                stored.send_modify(|count| *count += 1);
            }
            None => self.end("COMMIT"),
        }
        Ok(())
    }

    /// Statements without values, separated by semicolons.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let client = self.client()?;
        self.sent(client.batch_execute(sql)).await
    }

    /// The result of a statement, before which the transaction begins.
    async fn sent<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let begin = self
            .begin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let done = match begin {
            None => statement.await,
            // Both go to the server at once, in this order.
            Some(begin) => {
                let client = self.client()?;
                let (begun, done) = tokio::join!(biased; client.batch_execute(&begin), statement);
                begun.and(done)
            }
        };
        self.noted(done)
    }

    /// The rows of a statement, which the connection keeps prepared.
    pub(crate) async fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client()?;
        self.sent(async {
            let prepared = client.prepare_cached(sql).await?;
            client.query(&prepared, params).await
        })
        .await
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
        self.sent(async {
            let prepared = client.prepare_cached(sql).await?;
            client.query_one(&prepared, params).await
        })
        .await
    }

    /// How many rows the statement changed.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let client = self.client()?;
        self.sent(async {
            let prepared = client.prepare_cached(sql).await?;
            client.execute(&prepared, params).await
        })
        .await
    }

    /// The rows of a statement one after the other.
    pub(crate) async fn stream(
        &self,
        sql: &str,
    ) -> Result<impl Stream<Item = Result<Row, StoreError>> + use<'_>, StoreError> {
        let client = self.client()?;
        let rows = self.sent(async {
            let prepared = client.prepare_cached(sql).await?;
            let none: [Param<'_>; 0] = [];
            client.query_raw(&prepared, none).await
        });
        Ok(rows.await?.map(|row| self.noted(row)))
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

    /// Ends it by `sql` while nobody waits. The connection goes back to the others only
    /// once the server has done so.
    fn end(&mut self, sql: &'static str) {
        let Some(client) = self.client.take() else {
            return;
        };
        let begin = self.begin.get_mut();
        if begin.unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    let most = Duration::from_secs(DATABASE_ROLLBACK_SECONDS_MAX);
                    let done = timeout(most, client.batch_execute(sql)).await;
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

impl Drop for Tx {
    fn drop(&mut self) {
        self.end("ROLLBACK");
    }
}
