//! Opens the requests of parsed frames, and hands everything that the server acts on to
//! rmcp in the order of arrival.

use std::collections::VecDeque;
use std::sync::Arc;

use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    ClientRequest, GetExtensions, JsonRpcMessage, RequestId,
};
use serde_json::Value;

use super::frame::{Frame, Item};
use super::id::Id;
use super::running::Running;
use super::shared::Shared;
use super::table::BatchKey;

pub(super) struct Admission {
    pub(super) ready: VecDeque<ClientJsonRpcMessage>,
    shared: Arc<Shared>,
}

impl Admission {
    pub(super) fn new(shared: Arc<Shared>) -> Admission {
        Admission {
            ready: VecDeque::new(),
            shared,
        }
    }

    pub(super) fn admit(&mut self, frame: Frame) {
        match frame {
            Frame::Single(item) => self.admit_item(item, None),
            Frame::Batch(items) => {
                let waiting = items.iter().filter(|item| item.is_answered()).count();
                let batch = (waiting > 0).then(|| self.shared.lock().table.open_batch(waiting));
                for item in items {
                    self.admit_item(item, batch);
                }
            }
        }
    }

    fn admit_item(&mut self, item: Item, batch: Option<BatchKey>) {
        match item {
            Item::Request { id, request } => self.admit_request(id, *request, batch),
            Item::Notification(notification) => self
                .ready
                .push_back(JsonRpcMessage::notification(*notification)),
            Item::Cancel { id, reason } => self.ready.extend(cancel(&self.shared, &id, &reason)),
            Item::Response { id, reply } => self.shared.client_requests.take_reply(id, reply),
            Item::Ignored => tracing::debug!("a message with nothing to act on"),
            Item::Invalid(invalid) => self.shared.refuse(&invalid, batch),
        }
    }

    fn admit_request(&mut self, id: Id, mut request: ClientRequest, batch: Option<BatchKey>) {
        let serial = self.shared.lock().table.open(id, batch);
        let running = Running::new(&self.shared, serial);
        request.extensions_mut().insert(running);
        let id = RequestId::Number(serial);
        self.ready.push_back(JsonRpcMessage::request(request, id));
    }
}

/// Closes the requests with this id unanswered; the notifications that end their
/// handlers.
pub(super) fn cancel(
    shared: &Shared,
    id: &Value,
    reason: &Option<String>,
) -> Vec<ClientJsonRpcMessage> {
    let notification = |serial| {
        let id = Some(RequestId::Number(serial));
        let param = CancelledNotificationParam::new(id, reason.clone());
        let cancelled = CancelledNotification::new(param);
        JsonRpcMessage::notification(ClientNotification::CancelledNotification(cancelled))
    };
    shared.cancel(id).into_iter().map(notification).collect()
}
