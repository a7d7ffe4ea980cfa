//! A connection for reads that take less time than switching to a worker thread: a few
//! microseconds. It never waits; where it would have to, the caller uses a worker.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connection::open_reader;
use super::worker::{OpenDatabase, file_at};
use crate::store::StoreError;

#[derive(Default)]
pub(super) struct Inline(Mutex<Option<OpenDatabase>>);

impl Inline {
    /// Runs `job` on the calling thread. `None` if the connection is not open to the
    /// file that is now at `path`, or the job failed, for example on a lock.
    pub(super) fn try_run<T>(
        &self,
        path: &Path,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = opened
            .as_ref()
            .filter(|opened| opened.file == file_at(path));
        job(&opened?.connection).ok()
    }

    /// Opens the file at `path` for later calls, unless it is open. For a worker's
    /// thread, because opening may wait.
    pub(super) fn open(&self, path: &Path) -> Result<(), StoreError> {
        if self.try_run(path, |_| Ok(())).is_some() {
            return Ok(());
        }
        let connection = open_reader(path)?;
        connection.busy_timeout(Duration::ZERO)?;
        let file = file_at(path);
        let opened = Some(OpenDatabase { connection, file });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }
}
