//! The lines that wait to be written to a skill: bounded in number and in bytes, so that
//! a skill which reads nothing cannot fill memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::limits;

pub(super) struct QueuedLine {
    pub(super) line: String,
    /// Its part of the byte budget, released when the line is dropped.
    _permit: OwnedSemaphorePermit,
}

pub(super) struct LineQueue {
    lines: mpsc::Sender<QueuedLine>,
    /// Bytes that may still be queued.
    bytes: Arc<Semaphore>,
}

/// No line is taken any more.
pub(super) struct Closed;

impl LineQueue {
    pub(super) fn new() -> (LineQueue, mpsc::Receiver<QueuedLine>) {
        let (lines, queued) = mpsc::channel(limits::SKILL_OUTGOING_LINES_MAX);
        let bytes = Arc::new(Semaphore::new(limits::SKILL_OUTGOING_BYTES_MAX));
        (LineQueue { lines, bytes }, queued)
    }

    /// Queues a line once there is room for it.
    pub(super) async fn send(&self, line: String) -> Result<(), Closed> {
        let bytes = self.bytes.clone().acquire_many_owned(permits(&line)).await;
        let _permit = bytes.map_err(|_| Closed)?;
        let sent = self.lines.send(QueuedLine { line, _permit }).await;
        sent.map_err(|_| Closed)
    }

    /// Queues a short line if there is room for it; whether there was.
    pub(super) fn try_send(&self, line: String) -> bool {
        let bytes = self.bytes.clone().try_acquire_many_owned(permits(&line));
        bytes.is_ok_and(|_permit| self.lines.try_send(QueuedLine { line, _permit }).is_ok())
    }

    /// Whoever waits for room fails.
    pub(super) fn close(&self) {
        self.bytes.close();
    }
}

fn permits(line: &str) -> u32 {
    line.len().min(limits::SKILL_OUTGOING_BYTES_MAX) as u32
}
