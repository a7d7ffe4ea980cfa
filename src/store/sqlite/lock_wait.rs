//! Waits for locks of other processes: all waits of one job share a deadline, whether
//! SQLite or this room waits.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::limits;
use crate::meter::store::RETRIES;

thread_local! {
    /// When the waits of this thread's job end.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Begins a job on this thread, whose waits take together at most this long.
pub(super) fn begin(millis: u64) {
    DEADLINE.set(Some(Instant::now() + Duration::from_millis(millis)));
}

/// Makes `connection` wait for locks until the deadline of the job on its thread.
pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|_| pause()))
}

/// Waits a moment; false once the deadline is over.
pub(super) fn pause() -> bool {
    if DEADLINE.get().is_none() {
        begin(limits::STORE_BUSY_MILLISECONDS_MAX);
    }
    let left = DEADLINE
        .get()
        .map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.unwrap_or_default();
    std::thread::sleep(left.min(Duration::from_millis(limits::STORE_LOG_PAUSE_MILLISECONDS)));
    if left.is_zero() {
        return false;
    }
    RETRIES.increment(());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_a_job_share_its_deadline() {
        begin(20);
        while pause() {}
        assert!(!pause(), "the next wait of the same job");
        begin(1_000);
        assert!(pause(), "another job");
    }
}
