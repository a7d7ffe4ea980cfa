//! What the reading side, the writing side and the handlers share: the table of
//! open requests and the bytes on their way out. It decides when to write; the
//! ends themselves are in `ends.rs`.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData, GetMeta, JsonRpcMessage, RequestId, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
use super::ends::End;
use super::frame::{Id, Invalid};
use super::handle::Outcome;
use super::passed::dressed;
use super::table::{BatchKey, Inner, Table};
use crate::limits::{BUFFER_KEPT_BYTES_MAX, OUTGOING_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};

/// Where bytes go.
pub(super) enum Output {
    /// A descriptor of ours that never blocks.
    #[cfg(unix)]
    Ready(tokio::io::unix::AsyncFd<End>),
    /// A thread writes.
    Thread,
}

pub(super) struct Shared {
    state: Mutex<State>,
    output: Output,
    /// The reading side has something to look at.
    pub(super) wake: Notify,
    /// The writing task has something to write.
    flush: Notify,
    /// The writing thread has something to write.
    more: Condvar,
    /// The outgoing bytes went down.
    pub(super) emptied: Notify,
    pub(super) draining: CancellationToken,
    pub(super) finished: CancellationToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) table: Table,
    /// Handlers alive, those of cancelled requests included.
    pub(super) running: usize,
    /// The questions that the client has not answered, by number.
    pub(super) asked: HashMap<u64, oneshot::Sender<Outcome>>,
    pub(super) questions: u64,
    pub(super) outgoing: Vec<u8>,
    /// How much of `outgoing` has been written.
    sent: usize,
    /// What the writing thread has taken and not yet written.
    held: usize,
    /// The client does not take more for now; the writing task waits for it.
    blocked: bool,
    /// The reading side waits for room, or for the last answer.
    pub(super) waits: bool,
    pub(super) stopping: bool,
    pub(super) closed: bool,
}

impl State {
    fn pending_bytes(&self) -> usize {
        self.outgoing.len() - self.sent + self.held
    }

    /// The client has more answers waiting for it than it may.
    pub(super) fn crowded(&self) -> bool {
        self.pending_bytes() + self.table.coming_bytes() > OUTGOING_BYTES_MAX
    }

    /// No further request may be taken on.
    pub(super) fn full(&self) -> bool {
        self.table.len().max(self.running) >= REQUESTS_IN_FLIGHT_MAX || self.crowded()
    }

    /// Everything is answered, and the answers are written.
    pub(super) fn idle(&self) -> bool {
        self.table.is_empty() && self.pending_bytes() == 0
    }
}

impl Shared {
    pub(super) fn new(output: Output) -> Arc<Shared> {
        Arc::new(Shared {
            state: Mutex::default(),
            output,
            wake: Notify::new(),
            flush: Notify::new(),
            more: Condvar::new(),
            emptied: Notify::new(),
            draining: CancellationToken::new(),
            finished: CancellationToken::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at worst half a line; the panic
        // itself is answered and logged elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message from rmcp: an answer goes out under the client's id.
    pub(super) fn send(&self, message: TxJsonRpcMessage<RoleServer>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return;
        }
        match message {
            JsonRpcMessage::Response(response) => {
                let (Some(inner), mut result) = (number(&response.id), response.result) else {
                    return;
                };
                if let (ServerResult::SubscriptionsListenResult(listen), Some(id)) =
                    (&mut result, state.table.id(inner))
                {
                    listen.meta.insert(SUBSCRIPTION.to_owned(), value(id));
                }
                state
                    .table
                    .answer(inner, &mut state.outgoing, |id, passed, out| match passed {
                        Some(passed) => reply(out, id.raw(), "result", &dressed(passed, &result)),
                        None => reply(out, id.raw(), "result", &result),
                    });
            }
            JsonRpcMessage::Error(error) => {
                if let Some(inner) = error.id.as_ref().and_then(number) {
                    state
                        .table
                        .answer(inner, &mut state.outgoing, |id, _, out| {
                            reply(out, id.raw(), "error", &error.error);
                        });
                }
            }
            JsonRpcMessage::Notification(mut message) => {
                let listen = message.notification.get_meta().subscription_id();
                if let Some(id) = listen.and_then(|id| state.table.id(number(&id)?)) {
                    let meta = message.notification.get_meta_mut();
                    meta.insert(SUBSCRIPTION.to_owned(), value(id));
                }
                let message: TxJsonRpcMessage<RoleServer> = JsonRpcMessage::Notification(message);
                line(&mut state.outgoing, &message);
            }
            JsonRpcMessage::Request(_) => line(&mut state.outgoing, &message),
        }
        self.written(guard);
    }

    /// Takes the client's answer; one that nobody waits for is dropped.
    pub(super) fn answered(&self, id: u64, outcome: Outcome) {
        let waiting = self.lock().asked.remove(&id);
        if let Some(waiting) = waiting {
            // Whoever asked may just have gone.
            let _ = waiting.send(outcome);
        }
    }

    /// Answers what is no message, in its batch if it came in one.
    pub(super) fn refuse(&self, invalid: &Invalid, batch: Option<BatchKey>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let error = ErrorData::new(ErrorCode(invalid.code), invalid.reason.clone(), None);
        let id = invalid.id.as_ref().map_or("null", Id::raw);
        state.table.answer_as(batch, &mut state.outgoing, |out| {
            reply(out, id, "error", &error);
        });
        self.written(guard);
    }

    /// Closes the requests with this id unanswered; says which they were.
    pub(super) fn cancel(&self, id: &Value) -> Vec<Inner> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let found = state.table.cancel(id, &mut state.outgoing);
        self.emptied.notify_waiters();
        self.written(guard);
        found
    }

    /// Answers everything open with one error.
    pub(super) fn give_up(&self, error: &ErrorData) {
        let mut guard = self.lock();
        let state = &mut *guard;
        for inner in state.table.all() {
            state
                .table
                .answer(inner, &mut state.outgoing, |id, _, out| {
                    reply(out, id.raw(), "error", error);
                });
        }
        self.written(guard);
    }

    /// Nobody reads the answers any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.asked.clear();
        state.outgoing = Vec::new();
        state.sent = 0;
        drop(state);
        self.draining.cancel();
        self.finished.cancel();
        self.wake.notify_one();
        self.more.notify_one();
        self.emptied.notify_waiters();
    }

    /// A handler has ended; `panicked` if it did so without an answer.
    pub(super) fn ended(&self, inner: Inner, panicked: bool) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.running -= 1;
        if !panicked {
            if state.waits {
                self.wake.notify_one();
            }
            return;
        }
        let error = ErrorData::internal_error("Mimo met a defect of its own", None);
        state
            .table
            .answer(inner, &mut state.outgoing, |id, _, out| {
                reply(out, id.raw(), "error", &error);
            });
        self.written(guard);
    }

    /// Something may have been written into `outgoing`: sees that it gets out.
    ///
    /// Where no other request is open it is written here and now, which saves
    /// a lone caller a turn of the scheduler. Otherwise the writing task
    /// writes it, together with the answers that are ready by then.
    pub(super) fn written(&self, mut state: MutexGuard<'_, State>) {
        if state.pending_bytes() > 0 {
            match &self.output {
                #[cfg(unix)]
                Output::Ready(end) => {
                    if !state.blocked && (state.table.is_empty() || state.stopping) {
                        if self.push(&mut state, end.get_ref()) == Pushed::Closed {
                            drop(state);
                            return self.close();
                        }
                        if state.blocked {
                            self.flush.notify_one();
                        }
                    } else if !state.blocked {
                        self.flush.notify_one();
                    }
                }
                Output::Thread => self.more.notify_one(),
            }
        }
        if state.waits {
            self.wake.notify_one();
        }
    }

    /// Writes as much as the client takes now.
    #[cfg(unix)]
    fn push(&self, state: &mut State, end: &End) -> Pushed {
        let pushed = loop {
            if state.sent == state.outgoing.len() {
                state.outgoing.clear();
                state.sent = 0;
                if state.outgoing.capacity() > BUFFER_KEPT_BYTES_MAX {
                    state.outgoing = Vec::new();
                }
                break Pushed::All;
            }
            match end.write(&state.outgoing[state.sent..]) {
                Ok(bytes) => state.sent += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if state.sent > OUTGOING_BYTES_MAX {
                        state.outgoing.drain(..state.sent);
                        state.sent = 0;
                    }
                    break Pushed::Blocked;
                }
                Err(error) => {
                    tracing::debug!(%error, "the client closed our output");
                    break Pushed::Closed;
                }
            }
        };
        state.blocked = pushed == Pushed::Blocked;
        self.emptied.notify_waiters();
        if state.waits {
            self.wake.notify_one();
        }
        pushed
    }

    /// The writing task: writes what the answering side left to it.
    #[cfg(unix)]
    pub(super) async fn write_on(self: Arc<Self>) {
        let Output::Ready(end) = &self.output else {
            return;
        };
        loop {
            self.flush.notified().await;
            loop {
                let pushed = self.push(&mut self.lock(), end.get_ref());
                match pushed {
                    Pushed::All => break,
                    Pushed::Closed => return self.close(),
                    Pushed::Blocked => {}
                }
                let Ok(mut ready) = end.writable().await else {
                    return self.close();
                };
                let pushed = self.push(&mut self.lock(), end.get_ref());
                if pushed == Pushed::Blocked {
                    ready.clear_ready();
                }
            }
        }
    }

    /// Waits until the reader of our output is gone, without writing to it.
    #[cfg(target_os = "linux")]
    pub(super) async fn watch_output(self: Arc<Self>) {
        use tokio::io::Interest;
        let Output::Ready(end) = &self.output else {
            return;
        };
        // POLLERR is a pipe without a reader, POLLHUP a socket without a peer;
        // neither has to be asked for, and priority data does not occur.
        if end
            .ready(Interest::PRIORITY | Interest::ERROR)
            .await
            .is_ok()
        {
            self.close();
        }
    }

    /// The writing thread, for what is neither a pipe nor a socket.
    pub(super) fn write_thread(self: Arc<Self>) {
        let mut output = std::io::stdout();
        loop {
            let mut state = self.lock();
            while state.outgoing.is_empty() && !state.closed {
                state = self
                    .more
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            let bytes = std::mem::take(&mut state.outgoing);
            state.held = bytes.len();
            drop(state);
            if output
                .write_all(&bytes)
                .and_then(|()| output.flush())
                .is_err()
            {
                return self.close();
            }
            let mut state = self.lock();
            state.held = 0;
            let waits = state.waits;
            drop(state);
            self.emptied.notify_waiters();
            if waits {
                self.wake.notify_one();
            }
        }
    }
}

#[cfg(unix)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    All,
    Blocked,
    Closed,
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

pub(super) fn number(id: &RequestId) -> Option<Inner> {
    match id {
        RequestId::Number(number) => Some(*number),
        RequestId::String(_) => None,
    }
}

fn value(id: &Id) -> Value {
    serde_json::from_str(id.raw()).unwrap_or(Value::Null)
}

/// `{"jsonrpc":"2.0","id":ID,"result":..}` or the same with `error`.
fn reply(out: &mut Vec<u8>, id: &str, member: &str, body: &impl Serialize) {
    let start = out.len();
    for part in ["{\"jsonrpc\":\"2.0\",\"id\":", id, ",\"", member, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Err(error) = serde_json::to_writer(&mut *out, body) {
        tracing::error!(%error, "an answer could not be written as JSON");
        out.truncate(start);
        let refusal = ErrorData::internal_error("Mimo met a defect of its own", None);
        return reply(out, id, "error", &refusal);
    }
    out.push(b'}');
}

pub(super) fn line(out: &mut Vec<u8>, message: &TxJsonRpcMessage<RoleServer>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, message) {
        Ok(()) => out.push(b'\n'),
        Err(error) => {
            tracing::error!(%error, "a message could not be written as JSON");
            out.truncate(start);
        }
    }
}
