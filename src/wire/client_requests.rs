//! Requests to the client that wait for its reply. One set serves a connection over
//! standard input and output; the exchanges of an HTTP session share one, because the
//! reply to a request arrives in another exchange.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// The client's result or JSON-RPC error, as it was written.
pub(crate) type ClientReply = Result<Box<RawValue>, Box<RawValue>>;

#[derive(Default)]
pub(crate) struct ClientRequests(Mutex<OpenRequest>);

#[derive(Default)]
struct OpenRequest {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<ClientReply>>,
}

impl ClientRequests {
    /// The id of a new request, and its reply to come.
    pub(super) fn open(&self) -> (u64, oneshot::Receiver<ClientReply>) {
        let (reply, replied) = oneshot::channel();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.waiting.insert(id, reply);
        (id, replied)
    }

    /// Forgets a request; whether it was still open.
    pub(super) fn close(&self, id: u64) -> bool {
        self.lock().waiting.remove(&id).is_some()
    }

    /// Delivers the client's reply; one that nobody awaits is dropped.
    pub(super) fn take_reply(&self, id: u64, reply: ClientReply) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            // The requester may be gone.
            let _ = waiting.send(reply);
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenRequest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
