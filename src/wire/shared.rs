//! State shared by the reading side, the writing side and the handlers: the table
//! of open requests and the outgoing bytes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    CustomResult, ErrorCode, ErrorData, GetMeta, JsonRpcMessage, RequestId, ServerResult,
};
use rmcp::service::TxJsonRpcMessage;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::client_requests::ClientRequests;
use super::frame::Invalid;
use super::id::Id;
use super::outgoing::{Outgoing, Output};
use super::table::{BatchKey, Serial, Table};
use crate::limits::{OUTGOING_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) output: Output,
    pub(super) client_requests: Arc<ClientRequests>,
    /// Wakes the reading side, which looks at the state again.
    pub(super) wake: Notify,
    pub(super) writer: Notify,
    /// Wakes the writing thread.
    pub(super) writer_thread: Condvar,
    /// Notified when the client has taken bytes.
    pub(super) emptied: Notify,
    pub(super) draining: CancellationToken,
    pub(super) finished: CancellationToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) table: Table,
    /// Live handlers, including those of cancelled requests.
    pub(super) running: usize,
    pub(super) outgoing: Outgoing,
    /// The reading side waits for space, or for the last answer.
    pub(super) reader_waits: bool,
    pub(super) stopping: bool,
    pub(super) closed: bool,
}

impl State {
    /// Whether more answers wait for the client than it may leave unread.
    pub(super) fn is_backed_up(&self) -> bool {
        self.outgoing.pending() + self.table.announced_bytes() > OUTGOING_BYTES_MAX
    }

    /// Whether no further request may be admitted.
    pub(super) fn is_full(&self) -> bool {
        self.table.len().max(self.running) >= REQUESTS_IN_FLIGHT_MAX || self.is_backed_up()
    }

    /// Whether everything is answered and the answers are written.
    pub(super) fn is_idle(&self) -> bool {
        self.table.is_empty() && self.outgoing.pending() == 0
    }

    /// Answers an open request with an error.
    fn fail(&mut self, serial: Serial, error: &ErrorData) {
        self.table
            .answer(serial, &mut self.outgoing.bytes, |id, out| {
                write_reply(out, id.raw(), "error", error);
            });
    }
}

impl Shared {
    pub(super) fn new(output: Output, client_requests: Arc<ClientRequests>) -> Arc<Shared> {
        Arc::new(Shared {
            state: Mutex::default(),
            output,
            client_requests,
            wake: Notify::new(),
            writer: Notify::new(),
            writer_thread: Condvar::new(),
            emptied: Notify::new(),
            draining: CancellationToken::new(),
            finished: CancellationToken::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves at worst half a line; the panic itself is
        // answered and logged elsewhere.
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
                let (Some(serial), mut result) = (serial_of(&response.id), response.result) else {
                    return;
                };
                if let (ServerResult::SubscriptionsListenResult(listen), Some(id)) =
                    (&mut result, state.table.id(serial))
                {
                    listen.meta.insert(SUBSCRIPTION.to_owned(), value(id));
                }
                let out = &mut state.outgoing.bytes;
                state.table.answer(serial, out, |id, out| match &result {
                    // See `Connection::result`.
                    ServerResult::CustomResult(CustomResult(Value::String(text))) => {
                        write_start(out, id.raw(), "result");
                        out.extend_from_slice(text.as_bytes());
                        out.push(b'}');
                    }
                    result => write_reply(out, id.raw(), "result", result),
                });
            }
            JsonRpcMessage::Error(error) => {
                if let Some(serial) = error.id.as_ref().and_then(serial_of) {
                    state.fail(serial, &error.error);
                }
            }
            JsonRpcMessage::Notification(mut message) => {
                let listen = message.notification.get_meta().subscription_id();
                if let Some(id) = listen.and_then(|id| state.table.id(serial_of(&id)?)) {
                    let meta = message.notification.get_meta_mut();
                    meta.insert(SUBSCRIPTION.to_owned(), value(id));
                }
                let message = JsonRpcMessage::Notification(message);
                write_line(&mut state.outgoing.bytes, &message);
            }
            JsonRpcMessage::Request(_) => write_line(&mut state.outgoing.bytes, &message),
        }
        self.flush(guard);
    }

    /// Answers a malformed message, in its batch if it came in one.
    pub(super) fn refuse(&self, invalid: &Invalid, batch: Option<BatchKey>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let error = ErrorData::new(ErrorCode(invalid.code), invalid.reason.clone(), None);
        let id = invalid.id.as_ref().map_or("null", Id::raw);
        let out = &mut state.outgoing.bytes;
        state.table.answer_unopened(batch, out, |out| {
            write_reply(out, id, "error", &error);
        });
        self.flush(guard);
    }

    /// Closes the requests with this id unanswered and returns them.
    pub(super) fn cancel(&self, id: &Value) -> Vec<Serial> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let found = state.table.cancel(id, &mut state.outgoing.bytes);
        self.emptied.notify_waiters();
        self.flush(guard);
        found
    }

    /// Answers every open request with one error.
    pub(super) fn fail_all(&self, error: &ErrorData) {
        let mut state = self.lock();
        for serial in state.table.serials() {
            state.fail(serial, error);
        }
        self.flush(state);
    }

    /// Ends the connection because nobody reads its answers any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.outgoing.clear();
        drop(state);
        self.draining.cancel();
        self.finished.cancel();
        self.wake.notify_one();
        self.writer_thread.notify_one();
        self.emptied.notify_waiters();
    }

    /// Counts the end of a handler; `panicked` if it ended without an answer.
    pub(super) fn handler_ended(&self, serial: Serial, panicked: bool) {
        let mut state = self.lock();
        state.running -= 1;
        if !panicked {
            if state.reader_waits {
                self.wake.notify_one();
            }
            return;
        }
        state.fail(serial, &defect());
        self.flush(state);
    }
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The number that an admitted request has as its id inside rmcp.
pub(super) fn serial_of(id: &RequestId) -> Option<Serial> {
    match id {
        RequestId::Number(number) => Some(*number),
        RequestId::String(_) => None,
    }
}

fn value(id: &Id) -> Value {
    serde_json::from_str(id.raw()).unwrap_or(Value::Null)
}

fn defect() -> ErrorData {
    ErrorData::internal_error("internal error in Mimo", None)
}

/// Writes `{"jsonrpc":"2.0","id":ID,"MEMBER":`.
fn write_start(out: &mut Vec<u8>, id: &str, member: &str) {
    for part in ["{\"jsonrpc\":\"2.0\",\"id\":", id, ",\"", member, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_reply(out: &mut Vec<u8>, id: &str, member: &str, body: &impl Serialize) {
    let start = out.len();
    write_start(out, id, member);
    if let Err(error) = serde_json::to_writer(&mut *out, body) {
        tracing::error!(%error, "an answer could not be serialized");
        out.truncate(start);
        return write_reply(out, id, "error", &defect());
    }
    out.push(b'}');
}

pub(super) fn write_line(out: &mut Vec<u8>, message: &TxJsonRpcMessage<RoleServer>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, message) {
        Ok(()) => out.push(b'\n'),
        Err(error) => {
            tracing::error!(%error, "a message could not be serialized");
            out.truncate(start);
        }
    }
}
