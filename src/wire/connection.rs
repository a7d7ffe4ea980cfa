//! A connection as its server sees it: the results of requests, notifications
//! and requests to the client, and its end.

use futures::future::BoxFuture;
use rmcp::model::{CustomResult, JsonRpcMessage, RequestId, ServerNotification};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::client_requests::ClientReply;
use super::shared::{Shared, serial_of, write_line};

/// A server's connection to its client: standard input and output, one HTTP exchange,
/// or what an HTTP session sends outside of any exchange.
pub(crate) trait Connection: Send + Sync {
    /// Turns the JSON text of a result into what rmcp returns for the request. The
    /// text reaches the client byte for byte, and counts as waiting for it from
    /// now on: otherwise many results could pile up inside rmcp.
    fn result(&self, request: &RequestId, text: String) -> CustomResult;

    /// Waits until the client has read the results it already has.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// Sends a request to the client and waits for its reply; `None` once the client
    /// is gone. Dropping the future cancels the request.
    fn send_request<'a>(
        &'a self,
        method: &'a str,
        params: Option<&'a RawValue>,
    ) -> BoxFuture<'a, Option<ClientReply>>;

    /// Sends a notification that belongs to no request, without waiting: it is
    /// dropped if the client does not read.
    fn notify(&self, method: &str, params: Option<&RawValue>);

    /// Sends a notification that belongs to an open request, without waiting: it
    /// is dropped if the request is closed or the client does not read.
    fn notify_about(&self, request: &RequestId, notification: ServerNotification);

    /// Stops reading: requests that were read are answered, then the connection
    /// ends.
    fn stop(&self);

    /// Cancelled once no more requests are read: work that would last as long as
    /// the connection has to end itself.
    fn draining(&self) -> &CancellationToken;

    /// Cancelled once everything is answered, or nobody reads answers any more.
    fn finished(&self) -> &CancellationToken;
}

impl Connection for Shared {
    fn result(&self, request: &RequestId, text: String) -> CustomResult {
        if let Some(serial) = serial_of(request) {
            self.lock().table.announce(serial, text.len());
        }
        // rmcp has no result that is text already, so it travels as a string,
        // which no MCP result is.
        CustomResult::new(Value::String(text))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            loop {
                let emptied = self.emptied.notified();
                if !self.lock().is_backed_up() {
                    return;
                }
                emptied.await;
            }
        })
    }

    fn send_request<'a>(
        &'a self,
        method: &'a str,
        params: Option<&'a RawValue>,
    ) -> BoxFuture<'a, Option<ClientReply>> {
        Box::pin(async move {
            self.ready().await;
            let (id, replied) = {
                let mut state = self.lock();
                if state.closed || self.draining.is_cancelled() {
                    return None;
                }
                let (id, replied) = self.client_requests.open();
                write_message(&mut state.outgoing.bytes, Some(id), method, params);
                self.flush(state);
                (id, replied)
            };
            let _pending = ClientRequest { shared: self, id };
            tokio::select! {
                biased;
                reply = replied => reply.ok(),
                () = self.draining.cancelled() => {
                    // Nobody is left to be notified of the cancellation.
                    self.client_requests.close(id);
                    None
                }
            }
        })
    }

    fn notify(&self, method: &str, params: Option<&RawValue>) {
        let mut state = self.lock();
        if !state.closed && !state.is_backed_up() {
            write_message(&mut state.outgoing.bytes, None, method, params);
            self.flush(state);
        }
    }

    fn notify_about(&self, request: &RequestId, notification: ServerNotification) {
        let Some(serial) = serial_of(request) else {
            return;
        };
        let mut state = self.lock();
        if state.table.is_open(serial) && !state.is_backed_up() {
            let message = JsonRpcMessage::notification(notification);
            write_line(&mut state.outgoing.bytes, &message);
            self.flush(state);
        }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.draining.cancel();
        self.wake.notify_one();
    }

    fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    fn finished(&self) -> &CancellationToken {
        &self.finished
    }
}

/// A request to the client without a reply yet: dropping it cancels the request.
struct ClientRequest<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for ClientRequest<'_> {
    fn drop(&mut self) {
        let was_open = self.shared.client_requests.close(self.id);
        let mut state = self.shared.lock();
        if !was_open || state.closed {
            return;
        }
        let params = serde_json::json!({"requestId": self.id, "reason": "no longer wanted"});
        let params = serde_json::value::to_raw_value(&params).unwrap_or_default();
        let method = "notifications/cancelled";
        write_message(&mut state.outgoing.bytes, None, method, Some(&params));
        self.shared.flush(state);
    }
}

/// Writes a request to the client, or a notification if it has no id. The parameters
/// may come from a skill, which may spread them over several lines.
fn write_message(out: &mut Vec<u8>, id: Option<u64>, method: &str, params: Option<&RawValue>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.extend_from_slice(format!("\"id\":{id},").as_bytes());
    }
    out.extend_from_slice(format!("\"method\":{}", Value::from(method)).as_bytes());
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        let bytes = params.get().bytes();
        out.extend(bytes.map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => byte,
        }));
    }
    out.extend_from_slice(b"}\n");
}
