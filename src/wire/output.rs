//! The writing side: when outgoing bytes are written, and by whom.

use std::io::Write;
use std::sync::{Arc, MutexGuard, PoisonError};
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(unix)]
use super::descriptor::Descriptor;
use super::outgoing::Output;
#[cfg(unix)]
use super::outgoing::WriteProgress;
use super::shared::{Shared, State};
#[cfg(target_os = "linux")]
use crate::limits::OUTPUT_POLL_MILLIS_MAX;

impl Shared {
    /// Makes sure that bytes added to the outgoing ones are written.
    ///
    /// Without another open request they are written here and now, which saves a
    /// lone caller a turn of the scheduler. Otherwise the writing task writes
    /// them, together with the answers that are ready by then.
    pub(super) fn flush(&self, state: MutexGuard<'_, State>) {
        if state.outgoing.pending() > 0 {
            match &self.output {
                #[cfg(unix)]
                Output::Ready(output) => return self.flush_ready(state, output.get_ref()),
                Output::Thread => self.writer_thread.notify_one(),
                Output::Outbox => self.writer.notify_one(),
            }
        }
        if state.reader_waits {
            self.wake.notify_one();
        }
    }

    #[cfg(unix)]
    fn flush_ready(&self, mut state: MutexGuard<'_, State>, output: &Descriptor) {
        if !state.outgoing.is_blocked && (state.table.is_empty() || state.stopping) {
            if self.write(&mut state, output) == WriteProgress::Closed {
                drop(state);
                return self.close();
            }
            if state.outgoing.is_blocked {
                self.writer.notify_one();
            }
        } else if !state.outgoing.is_blocked {
            self.writer.notify_one();
        }
        if state.reader_waits {
            self.wake.notify_one();
        }
    }

    #[cfg(unix)]
    fn write(&self, state: &mut State, descriptor: &Descriptor) -> WriteProgress {
        let written = state.outgoing.write_to(descriptor);
        self.emptied.notify_waiters();
        if state.reader_waits {
            self.wake.notify_one();
        }
        written
    }

    /// The writing task: writes what `flush` leaves to it.
    #[cfg(unix)]
    pub(super) async fn run_writer(self: Arc<Self>) {
        let Output::Ready(output) = &self.output else {
            return;
        };
        loop {
            self.writer.notified().await;
            loop {
                let written = self.write(&mut self.lock(), output.get_ref());
                match written {
                    WriteProgress::All => break,
                    WriteProgress::Closed => return self.close(),
                    WriteProgress::Blocked => {}
                }
                let Ok(mut ready) = output.writable().await else {
                    return self.close();
                };
                let written = self.write(&mut self.lock(), output.get_ref());
                if written == WriteProgress::Blocked {
                    ready.clear_ready();
                }
            }
        }
    }

    /// Closes the connection once nobody can read standard output any more, without
    /// writing to it.
    #[cfg(target_os = "linux")]
    pub(super) async fn watch_output(self: Arc<Self>) {
        use tokio::io::Interest;
        let Output::Ready(output) = &self.output else {
            return;
        };
        // POLLERR is a pipe without a reader, POLLHUP a socket without a peer;
        // neither has to be asked for, and priority data does not occur.
        let interest = Interest::PRIORITY | Interest::ERROR;
        let no_reader = tokio::select! {
            ready = output.ready(interest) => ready.is_ok(),
            () = self.until_unreadable(output.get_ref()) => true,
            () = self.finished.cancelled() => false,
        };
        if no_reader {
            self.close();
        }
    }

    /// Ready once the input has ended and the peer of a socket has shut its reading
    /// half down. No event tells that half alone, so the socket is asked while the
    /// last answers are awaited; before that the next write fails.
    #[cfg(target_os = "linux")]
    async fn until_unreadable(&self, output: &Descriptor) {
        self.draining.cancelled().await;
        while !output.is_shut() {
            tokio::time::sleep(Duration::from_millis(OUTPUT_POLL_MILLIS_MAX)).await;
        }
    }

    /// The writing thread, for an output that is neither a pipe nor a socket.
    pub(super) fn run_writer_thread(self: Arc<Self>) {
        let mut output = std::io::stdout();
        loop {
            let mut state = self.lock();
            while state.outgoing.bytes.is_empty() && !state.closed {
                state = self
                    .writer_thread
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            let bytes = std::mem::take(&mut state.outgoing.bytes);
            state.outgoing.in_thread = bytes.len();
            drop(state);
            let written = output.write_all(&bytes).and_then(|()| output.flush());
            if written.is_err() {
                return self.close();
            }
            let mut state = self.lock();
            state.outgoing.in_thread = 0;
            let reader_waits = state.reader_waits;
            drop(state);
            self.emptied.notify_waiters();
            if reader_waits {
                self.wake.notify_one();
            }
        }
    }
}
