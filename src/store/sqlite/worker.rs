//! Worker threads that own connections: one writes, a few read. A job is a closure
//! over a connection; the caller awaits its value. Queues are bounded, so a slow
//! disk slows callers down instead of filling memory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use super::lock_wait;
use crate::limits;
use crate::meter::store::{CONNECTIONS, ConnectionState, QUEUE, Side};
use crate::platform::{FileId, file_id_at};
use crate::store::StoreError;

type Job = Box<dyn FnOnce(Result<&mut Connection, StoreError>) + Send>;
type Open = fn(&Path) -> Result<Connection, StoreError>;

/// Threads with a connection each, fed from one queue.
pub(super) struct Workers {
    side: Side,
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads called `name`, for `side` in metrics. Each opens its connection to the
    /// file at `path` at its first job, and tries again at the next one if that
    /// failed.
    pub(crate) fn start(
        name: &str,
        side: Side,
        count: usize,
        path: &Path,
        open: Open,
    ) -> std::io::Result<Workers> {
        let (jobs, queue) = mpsc::channel::<Job>(limits::STORE_JOBS_QUEUED_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..count)
            .map(|_| {
                let (queue, path) = (queue.clone(), path.to_owned());
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(move || work(&queue, &path, open))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Workers {
            side,
            jobs: Some(jobs),
            threads,
        })
    }

    /// Runs `job` on one of the threads and returns its value. A job whose caller
    /// stops waiting before it begins is not run; once begun it runs to completion,
    /// so that no write is left half done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, value) = oneshot::channel();
        let waits = QUEUE.hold(self.side);
        let job: Job = Box::new(move |connection| {
            drop(waits);
            if answer.is_closed() {
                return;
            }
            let _nobody_waits_any_more = answer.send(connection.and_then(job));
        });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).await.map_err(|_| closed())?;
        value.await.map_err(|_| closed())?
    }
}

impl Drop for Workers {
    /// Lets the queued jobs finish, then closes the connections. A thread that another
    /// program keeps waiting too long is left, and ends with the process.
    fn drop(&mut self) {
        self.jobs = None;
        let deadline = Instant::now() + Duration::from_millis(limits::STORE_CLOSE_MILLIS_MAX);
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(limits::STORE_CLOSE_POLL_MILLIS));
            }
            match thread.is_finished() {
                true => drop(thread.join()),
                false => tracing::warn!("left a thread of the store that still waits for a lock"),
            }
        }
    }
}

/// An open database file and its identity, because its path may come to name
/// another file.
pub(super) struct OpenDatabase {
    pub(super) connection: Connection,
    pub(super) file: Option<FileId>,
}

/// Why a database could not be opened at the last try of any thread of this process.
static LAST_OPEN_ERROR: Mutex<String> = Mutex::new(String::new());

/// Records `error` as the last one; returns whether it differs from the one before.
fn is_new_error(error: &str) -> bool {
    let mut last = LAST_OPEN_ERROR
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *last, error.to_owned()) != error
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>, path: &Path, open: Open) {
    let mut opened: Option<OpenDatabase> = None;
    loop {
        let idle = opened
            .as_ref()
            .map(|_| CONNECTIONS.hold(ConnectionState::Idle));
        // Only one of the threads waits in the queue at a time; the guard is
        // dropped before the job runs.
        let job = match queue.lock() {
            Ok(mut queue) => queue.blocking_recv(),
            Err(_) => return,
        };
        drop(idle);
        let Some(job) = job else { return };
        lock_wait::begin(limits::STORE_BUSY_MILLISECONDS_MAX);
        // A file that was removed or replaced still accepts writes, which would be
        // lost, so the file now at the path is opened instead.
        let now = file_at(path);
        // Others may change a file that this process cannot write: it takes no locks.
        opened.take_if(|opened| opened.file.is_none() && now.is_some());
        if opened.as_ref().is_some_and(|opened| opened.file != now) {
            tracing::warn!(path = %path.display(), "the database was moved or removed; opening it again");
            if let Some(opened) = opened.take() {
                leave_log(&opened.connection);
            }
        }
        if opened.is_none() {
            match open(path) {
                Ok(connection) => {
                    let is_locked = !connection.is_readonly(rusqlite::MAIN_DB).unwrap_or(true);
                    let file = file_at(path).filter(|_| is_locked);
                    is_new_error("");
                    opened = Some(OpenDatabase { connection, file });
                }
                Err(error) => {
                    if is_new_error(&error.to_string()) {
                        tracing::error!(%error, "the database cannot be opened");
                    }
                    job(Err(error));
                    continue;
                }
            }
        }
        let _busy = CONNECTIONS.hold(ConnectionState::Busy);
        let live = &mut opened.as_mut().expect("opened above").connection;
        // A panic fails this job only; the thread continues.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(Ok(live))));
        if ran.is_err() {
            // The connection may be inside a transaction: closing rolls back.
            opened = None;
        }
    }
}

/// Keeps SQLite from removing a log by its name, which is that of the new file's log.
fn leave_log(connection: &Connection) {
    let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    if let Err(error) = kept {
        tracing::warn!(%error, "the log beside the database may go");
    }
}

pub(super) fn file_at(path: &Path) -> Option<FileId> {
    file_id_at(path).ok()
}

fn closed() -> StoreError {
    StoreError::Unavailable {
        reason: "the store did not answer: it is shutting down, or failed internally".to_owned(),
        hint: "try again; the log has the reason",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::store::sqlite::connection::open_writer;

    fn workers(folder: &tempfile::TempDir) -> Workers {
        let path = folder.path().join("test.db");
        Workers::start("test", Side::Graph, 1, &path, open_writer).expect("threads start")
    }

    fn wait<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(work)
    }

    #[test]
    fn abandoned_job_is_not_started() {
        let ran = Arc::new(AtomicUsize::new(0));
        let folder = tempfile::TempDir::new().expect("a folder");
        let workers = workers(&folder);
        let (release, held) = mpsc::channel::<()>();
        let count = |ran: &Arc<AtomicUsize>| {
            let ran = ran.clone();
            move |_: &mut Connection| Ok(ran.fetch_add(1, Ordering::SeqCst))
        };
        wait(async {
            let mut first = Box::pin(workers.run(move |_| {
                held.recv()
                    .map_err(|error| StoreError::Defect(error.into()))
            }));
            assert!(futures::poll!(&mut first).is_pending());
            let mut second = Box::pin(workers.run(count(&ran)));
            assert!(futures::poll!(&mut second).is_pending());
            let waiting = crate::meter::value("mimo_store_queue{side=\"graph\"}");
            assert!(waiting >= 1.0, "{waiting}");
            drop(second);
            let third = workers.run(count(&ran));
            release.send(()).expect("the first job waits");
            first.await.expect("released");
            assert_eq!(third.await.expect("ran"), 0, "the second never ran");
        });
        drop(workers);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn panicking_job_fails_only_its_caller() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let workers = workers(&folder);
        let failed = wait(workers.run(|_| -> Result<(), StoreError> { panic!("on purpose") }));
        assert!(matches!(failed, Err(StoreError::Unavailable { .. })));
        assert_eq!(wait(workers.run(|_| Ok(7))).expect("lives on"), 7);
    }
}
