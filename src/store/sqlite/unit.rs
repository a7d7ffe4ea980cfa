//! Units of work of the domain: async closures over one transaction, run to
//! completion on the thread that owns the connection.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use futures::future::{BoxFuture, ready};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::store::{StoreError, Stored};

#[derive(Clone, Copy)]
pub(super) enum Begin {
    Read,
    /// Takes the write lock at once.
    Write,
}

/// The transaction of one unit of work.
pub(super) struct UnitOfWork<'c> {
    /// The lock makes a unit `Sync`, because the domain's futures hold it across
    /// awaits and have to be `Send`. It is never contended.
    connection: Mutex<&'c mut Connection>,
    cancel: CancellationToken,
}

impl UnitOfWork<'_> {
    /// Calls `job`, unless the unit was cancelled. The future is ready at once.
    pub(super) fn call<'u, T: Send + 'u>(
        &'u self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Stored<'u, T> {
        let done = match self.cancel.is_cancelled() {
            true => Err(StoreError::Cancelled),
            false => job(&self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner)),
        };
        Box::pin(ready(done))
    }
}

/// Runs `work` in one transaction, which is rolled back if the work fails. Cancelling
/// ends a read within a statement too.
pub(super) fn run(
    connection: &mut Connection,
    kind: Begin,
    cancel: CancellationToken,
    work: impl for<'u, 'c> FnOnce(&'u UnitOfWork<'c>) -> BoxFuture<'u, Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let begin = match kind {
        Begin::Read => "BEGIN",
        Begin::Write => "BEGIN IMMEDIATE",
    };
    connection.prepare_cached(begin)?.execute([])?;
    if let Begin::Read = kind {
        let cancel = cancel.clone();
        let is_abandoned = move || cancel.is_cancelled();
        connection.progress_handler(limits::STORE_READ_STEPS_MAX, Some(is_abandoned))?;
    }
    let unit = UnitOfWork {
        connection: Mutex::new(connection),
        cancel,
    };
    let done = block_on(work(&unit));
    let connection = unit.connection.into_inner();
    let connection = connection.unwrap_or_else(PoisonError::into_inner);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    let commit = || Ok(connection.prepare_cached("COMMIT")?.execute([]).map(drop)?);
    let done = done.and_then(|()| commit());
    // SQLite rolls back by itself after some errors.
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done
}

/// Polls `work` to completion on this thread. Calls of this room are always ready;
/// awaiting anything else parks the thread.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().expect("a database");
        let made = connection.execute_batch("CREATE TABLE t (x INTEGER)");
        made.expect("a table");
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        let count = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        count.expect("a count")
    }

    fn insert<'u>(unit: &'u UnitOfWork<'_>) -> Stored<'u, usize> {
        unit.call(|file| Ok(file.execute("INSERT INTO t VALUES (1)", [])?))
    }

    #[test]
    fn work_is_committed_whole_or_not_at_all() {
        let mut file = connection();
        let token = CancellationToken::new;
        run(&mut file, Begin::Write, token(), |unit| {
            Box::pin(async move {
                insert(unit).await?;
                insert(unit).await.map(drop)
            })
        })
        .expect("committed");
        assert_eq!(rows(&file), 2);
        run(&mut file, Begin::Write, token(), |unit| {
            Box::pin(async move {
                insert(unit).await?;
                Err(StoreError::Cancelled)
            })
        })
        .expect_err("rolled back");
        assert_eq!(rows(&file), 2);
        assert!(file.is_autocommit());
    }

    #[test]
    fn a_cancelled_unit_does_nothing_more() {
        let mut file = connection();
        let cancel = CancellationToken::new();
        let inside = cancel.clone();
        let done = run(&mut file, Begin::Write, cancel, |unit| {
            Box::pin(async move {
                insert(unit).await?;
                inside.cancel();
                insert(unit).await.map(drop)
            })
        });
        assert!(matches!(done, Err(StoreError::Cancelled)), "{done:?}");
        assert_eq!(rows(&file), 0);
    }

    #[test]
    fn cancelling_ends_a_read_within_a_statement() {
        let mut file = connection();
        let cancel = CancellationToken::new();
        let inside = cancel.clone();
        let done = run(&mut file, Begin::Read, cancel, |unit| {
            unit.call(move |file| {
                let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                           SELECT i FROM n";
                let mut statement = file.prepare(sql)?;
                let mut endless = statement.query([])?;
                while endless.next()?.is_some() {
                    inside.cancel();
                }
                Ok(())
            })
        });
        assert!(matches!(done, Err(StoreError::Cancelled)), "{done:?}");
        assert_eq!(rows(&file), 0, "the next read is not cut off");
    }

    #[test]
    fn work_may_await_another_thread() {
        let mut file = connection();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(7).expect("it waits"));
        run(&mut file, Begin::Read, CancellationToken::new(), |_| {
            Box::pin(async move {
                assert_eq!(receiver.await.expect("sent"), 7);
                Ok(())
            })
        })
        .expect("done");
        other.join().expect("it ended");
    }
}
