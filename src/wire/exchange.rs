//! One HTTP exchange as rmcp's transport: a posted frame goes in, and the messages that
//! answer it come out as lines. Nothing here knows HTTP.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::sync::mpsc;

use super::admission::{self, Admission};
use super::client_requests::ClientRequests;
use super::connection::Connection;
use super::frame::Frame;
use super::outgoing::Output;
use super::shared::Shared;

/// Ends once every request of its frame is answered.
pub(crate) struct Exchange {
    admission: Admission,
    /// Cancellations of its requests, which arrive in other exchanges.
    cancelled: mpsc::UnboundedReceiver<ClientJsonRpcMessage>,
    shared: Arc<Shared>,
}

/// The messages of an exchange, or those of a session that belong to no exchange, for
/// whoever sends them on.
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    cancel: mpsc::UnboundedSender<ClientJsonRpcMessage>,
}

/// Messages that were taken out of an outbox at once.
pub(crate) struct Messages {
    /// Whole lines.
    pub(crate) lines: Vec<u8>,
    /// Whether every request was answered then, so that these are the last ones.
    pub(crate) are_last: bool,
}

impl Exchange {
    /// `requests` are those to the client, whose replies arrive in other exchanges.
    pub(crate) fn open(
        frame: Frame,
        requests: Arc<ClientRequests>,
    ) -> (Exchange, Arc<dyn Connection>, Outbox) {
        let (outbox, cancelled) = outbox(requests);
        let shared = outbox.shared.clone();
        let mut admission = Admission::new(shared.clone());
        admission.admit(frame);
        let exchange = Exchange {
            admission,
            cancelled,
            shared: shared.clone(),
        };
        (exchange, shared, outbox)
    }
}

fn outbox(
    requests: Arc<ClientRequests>,
) -> (Outbox, mpsc::UnboundedReceiver<ClientJsonRpcMessage>) {
    let shared = Shared::new(Output::Outbox, requests);
    // The reading side waits for the last answer from the start.
    shared.lock().reader_waits = true;
    let (cancel, cancelled) = mpsc::unbounded_channel();
    (Outbox { shared, cancel }, cancelled)
}

impl Outbox {
    /// A connection without requests: what a session sends by itself.
    pub(crate) fn for_session(requests: Arc<ClientRequests>) -> (Arc<dyn Connection>, Outbox) {
        let (outbox, _) = outbox(requests);
        (outbox.shared.clone(), outbox)
    }

    /// Waits for messages; `None` after the last one.
    pub(crate) async fn next(&self) -> Option<Messages> {
        loop {
            let added = self.shared.writer.notified();
            // Checked first: bytes that came before the end must not be missed.
            let is_over = self.shared.finished.is_cancelled();
            let messages = {
                let mut state = self.shared.lock();
                Messages {
                    lines: state.outgoing.take(),
                    are_last: state.table.is_empty(),
                }
            };
            if !messages.lines.is_empty() {
                self.shared.emptied.notify_waiters();
                return Some(messages);
            }
            if is_over {
                return None;
            }
            tokio::select! {
                () = added => {}
                () = self.shared.finished.cancelled() => {}
            }
        }
    }

    /// Cancels the open requests with this id, as their client asked.
    pub(crate) fn cancel(&self, id: &Value, reason: &Option<String>) {
        for message in admission::cancel(&self.shared, id, reason) {
            // Fails only once the exchange is over.
            let _ = self.cancel.send(message);
        }
        self.shared.wake.notify_one();
    }

    /// Ends it because nobody takes its messages any more: open requests are cancelled.
    pub(crate) fn close(&self) {
        self.shared.close();
    }
}

impl Transport<RoleServer> for Exchange {
    type Error = Infallible;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.shared.send(message);
        ready(Ok(()))
    }

    /// rmcp drops this future whenever an answer is ready and calls again, so all
    /// progress is kept in `self`.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(message) = self.admission.ready.pop_front() {
                return Some(message);
            }
            if let Ok(message) = self.cancelled.try_recv() {
                return Some(message);
            }
            let is_over = {
                let state = self.shared.lock();
                state.closed || state.table.is_empty()
            };
            if is_over {
                self.shared.finished.cancel();
                return None;
            }
            self.shared.wake.notified().await;
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.shared.finished.cancel();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::frame;
    use super::*;

    fn open(text: &str) -> (Exchange, Outbox) {
        let frame = frame::parse(text.as_bytes()).expect("a frame");
        let (exchange, _, outbox) = Exchange::open(frame, Arc::default());
        (exchange, outbox)
    }

    #[tokio::test]
    async fn refused_message_is_answered_without_a_handler() {
        let (mut exchange, outbox) = open("[1]");
        assert!(exchange.receive().await.is_none());
        let answer = outbox.next().await.expect("an answer");
        assert!(answer.are_last);
        let answer = String::from_utf8(answer.lines).expect("UTF-8");
        assert!(
            answer.starts_with("[{") && answer.ends_with("]\n"),
            "{answer}"
        );
        assert!(outbox.next().await.is_none());
    }

    #[tokio::test]
    async fn messages_before_an_answer_are_not_the_last_ones() {
        let (mut exchange, outbox) = open(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#);
        exchange.receive().await.expect("the request");
        outbox.shared.notify("notifications/message", None);
        let taken = outbox.next().await.expect("the notification");
        assert!(!taken.are_last);
        outbox
            .shared
            .fail_all(&rmcp::ErrorData::internal_error("x", None));
        // The answer came after they were taken.
        assert!(!taken.are_last);
        assert!(outbox.next().await.expect("the answer").are_last);
    }

    #[tokio::test]
    async fn cancelled_request_ends_its_exchange_unanswered() {
        let (mut exchange, outbox) = open(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#);
        assert!(matches!(
            exchange.receive().await,
            Some(ClientJsonRpcMessage::Request(_))
        ));
        outbox.cancel(&json!("b"), &None);
        assert!(!outbox.shared.lock().table.is_empty());
        outbox.cancel(&json!("a"), &None);
        assert!(matches!(
            exchange.receive().await,
            Some(ClientJsonRpcMessage::Notification(_))
        ));
        assert!(exchange.receive().await.is_none());
        assert!(outbox.next().await.is_none());
    }

    #[tokio::test]
    async fn closed_exchange_ends_with_its_requests_open() {
        let (mut exchange, outbox) = open(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        exchange.receive().await.expect("the request");
        outbox.close();
        assert!(exchange.receive().await.is_none());
    }
}
