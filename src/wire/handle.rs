//! What a server may do with its connection besides answering: end it, pass on
//! what others wrote, tell the client things and ask it some.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{JsonRpcMessage, RequestId, ServerNotification};
use rmcp::service::TxJsonRpcMessage;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, line, number};

/// A connection, for those who serve it.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Stops reading: what has been read is answered, then the connection ends.
    pub fn stop(&self) {
        self.0.lock().stopping = true;
        self.0.draining.cancel();
        self.0.wake.notify_one();
    }

    /// Cancelled once no more requests are read: whatever would otherwise last
    /// as long as the connection has to end itself.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Cancelled once everything is answered, or nobody reads answers any more.
    pub fn finished(&self) -> &CancellationToken {
        &self.0.finished
    }

    /// Waits while the client does not read the answers it already has.
    pub async fn room(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if !self.0.lock().crowded() {
                return;
            }
            emptied.await;
        }
    }

    /// An answer of this size is on its way through rmcp: it counts as waiting
    /// for the client from now on, or many could pile up in between.
    pub fn announce(&self, request: &RequestId, bytes: usize) {
        if let Some(inner) = number(request) {
            self.0.lock().table.announce(inner, bytes);
        }
    }

    /// The answer to this request is `result`, another server's, and not the
    /// one that comes through rmcp; of that only the marks of its revision are
    /// taken.
    pub fn pass(&self, request: &RequestId, result: Arc<RawValue>) {
        if let Some(inner) = number(request) {
            self.0.lock().table.pass(inner, result);
        }
    }

    /// Asks the client and waits for its answer: a result or a JSON-RPC error,
    /// as it was written; `None` once there is no client any more. Dropping
    /// this takes the question back.
    pub async fn ask(&self, method: &str, params: Option<&RawValue>) -> Option<Outcome> {
        self.room().await;
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut state = self.0.lock();
            if state.closed || self.0.draining.is_cancelled() {
                return None;
            }
            state.questions += 1;
            let id = state.questions;
            state.asked.insert(id, answer);
            message(&mut state.outgoing, Some(id), method, params);
            self.0.written(state);
            id
        };
        let _question = Question {
            shared: &self.0,
            id,
        };
        answered.await.ok()
    }

    /// Tells the client something that belongs to no request, without waiting:
    /// it is dropped if the client does not read.
    pub fn tell(&self, method: &str, params: Option<&RawValue>) {
        let mut state = self.0.lock();
        if !state.closed && !state.crowded() {
            message(&mut state.outgoing, None, method, params);
            self.0.written(state);
        }
    }

    /// Sends a notification that belongs to an open request, without waiting:
    /// it is dropped if the request is closed or the client does not read.
    pub fn notify(&self, request: &RequestId, notification: ServerNotification) {
        let Some(inner) = number(request) else {
            return;
        };
        let mut state = self.0.lock();
        if state.table.is_open(inner) && !state.crowded() {
            let message: TxJsonRpcMessage<RoleServer> = JsonRpcMessage::notification(notification);
            line(&mut state.outgoing, &message);
            self.0.written(state);
        }
    }
}

/// What the client answers.
pub type Outcome = Result<Box<RawValue>, Box<RawValue>>;

/// A question that is not answered yet: dropping it takes the question back.
struct Question<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.asked.remove(&self.id).is_none() || state.closed {
            return;
        }
        let params = serde_json::json!({"requestId": self.id, "reason": "no longer wanted"});
        let params = serde_json::value::to_raw_value(&params).unwrap_or_default();
        message(
            &mut state.outgoing,
            None,
            "notifications/cancelled",
            Some(&params),
        );
        self.shared.written(state);
    }
}

/// A request of ours, or a notification where it has no number. The parameters
/// may be a skill's, which may spread them over several lines.
fn message(out: &mut Vec<u8>, id: Option<u64>, method: &str, params: Option<&RawValue>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.extend_from_slice(format!("\"id\":{id},").as_bytes());
    }
    out.extend_from_slice(format!("\"method\":{}", Value::from(method)).as_bytes());
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        let bytes = params.get().bytes();
        out.extend(bytes.map(|byte| {
            if byte == b'\n' || byte == b'\r' {
                b' '
            } else {
                byte
            }
        }));
    }
    out.extend_from_slice(b"}\n");
}
