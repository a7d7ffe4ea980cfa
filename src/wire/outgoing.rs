//! The outgoing bytes and their destination.

#[cfg(unix)]
use super::descriptor::Descriptor;
#[cfg(unix)]
use crate::limits::{BUFFER_KEPT_BYTES_MAX, OUTGOING_BYTES_MAX};

pub(super) enum Output {
    /// A non-blocking descriptor that Mimo owns.
    #[cfg(unix)]
    Ready(tokio::io::unix::AsyncFd<Descriptor>),
    /// A thread that writes to standard output.
    Thread,
    /// The holder of the `Outbox`.
    Outbox,
}

/// Bytes on their way to the client.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// Bytes that the writing thread has taken and not yet written.
    pub(super) in_thread: usize,
    /// The client takes no more for now; the writing task waits for it.
    pub(super) is_blocked: bool,
}

impl Outgoing {
    pub(super) fn pending(&self) -> usize {
        self.bytes.len() - self.written + self.in_thread
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.written = 0;
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.written = 0;
    }

    /// Writes as much as the client takes now.
    #[cfg(unix)]
    pub(super) fn write_to(&mut self, descriptor: &Descriptor) -> WriteProgress {
        let written = loop {
            if self.written == self.bytes.len() {
                self.bytes.clear();
                self.written = 0;
                if self.bytes.capacity() > BUFFER_KEPT_BYTES_MAX {
                    self.bytes = Vec::new();
                }
                break WriteProgress::All;
            }
            match descriptor.write(&self.bytes[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if self.written > OUTGOING_BYTES_MAX {
                        self.bytes.drain(..self.written);
                        self.written = 0;
                    }
                    break WriteProgress::Blocked;
                }
                Err(error) => {
                    tracing::debug!(%error, "the client closed our output");
                    break WriteProgress::Closed;
                }
            }
        };
        self.is_blocked = written == WriteProgress::Blocked;
        written
    }
}

#[cfg(unix)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteProgress {
    All,
    Blocked,
    Closed,
}
