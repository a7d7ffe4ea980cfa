//! The client's open requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use serde_json::Value;

use super::http::Connection;
use crate::limits::{BRIDGE_REQUESTS_MAX, BRIDGE_SENT_MAX};
use crate::wire::frame::{Frame, Item};
use crate::wire::{Id, LISTEN};

/// The parts of a request without a session that are repeated in headers.
pub(super) struct Stateless {
    pub(super) version: String,
    pub(super) method: String,
    pub(super) name: Option<String>,
}

/// A request, or a batch with at least one.
pub(super) struct Call {
    pub(super) ids: Vec<Id>,
    pub(super) is_batch: bool,
    /// `None` in a session.
    pub(super) stateless: Option<Stateless>,
    pub(super) is_listen: bool,
    pub(super) connection: Connection,
    is_cancelled: AtomicBool,
    is_sent: AtomicBool,
}

impl Call {
    pub(super) fn of(frame: &Frame) -> Call {
        let ids = frame.items().iter().filter_map(|item| match item {
            Item::Request { id, .. } => Some(id.clone()),
            _ => None,
        });
        let only = frame.only_head();
        let newest = ProtocolVersion::V_2026_07_28.as_str();
        let stateless = only.as_ref().and_then(|head| {
            let version = head.version.as_ref()?.as_str();
            // Revisions are dates, which compare as text.
            (version >= newest).then(|| Stateless {
                version: version.to_owned(),
                method: head.method.to_owned(),
                name: head.name.map(str::to_owned),
            })
        });
        Call {
            ids: ids.collect(),
            is_batch: matches!(frame, Frame::Batch(_)),
            is_listen: only.is_some_and(|head| head.method == LISTEN),
            stateless,
            connection: Connection::default(),
            is_cancelled: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Whether the client has stopped waiting for the answer.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }
}

/// All open requests.
#[derive(Default)]
pub(super) struct Calls {
    open: Mutex<Vec<Arc<Call>>>,
    changed: Condvar,
}

impl Calls {
    fn open(&self) -> MutexGuard<'_, Vec<Arc<Call>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `call`; `false` if too many are open.
    pub(super) fn add(&self, call: &Arc<Call>) -> bool {
        let mut open = self.open();
        let has_room = open.len() < BRIDGE_REQUESTS_MAX;
        if has_room {
            open.push(call.clone());
        }
        has_room
    }

    pub(super) fn remove(&self, call: &Arc<Call>) {
        self.open().retain(|each| !Arc::ptr_eq(each, call));
        self.changed.notify_all();
    }

    /// Waits until few enough others are sent.
    pub(super) fn wait_for_turn(&self, call: &Call) {
        if call.is_listen {
            return;
        }
        let sent = |open: &[Arc<Call>]| {
            let sent = open.iter();
            sent.filter(|each| each.is_sent.load(Ordering::Relaxed))
                .count()
        };
        let mut open = self.open();
        while sent(&open) >= BRIDGE_SENT_MAX && !call.is_cancelled() {
            let waited = self.changed.wait(open);
            open = waited.unwrap_or_else(PoisonError::into_inner);
        }
        call.is_sent.store(true, Ordering::Relaxed);
    }

    /// Cancels a request. Returns whether Mimo need not be notified: without a session
    /// it notices the closed connection, and a request that was not sent it never saw.
    pub(super) fn cancel(&self, id: &Value) -> bool {
        let open = self.open();
        let found = open
            .iter()
            .find(|call| call.ids.iter().any(|each| each.equals(id)));
        let Some(call) = found.filter(|call| !call.is_batch) else {
            return false;
        };
        call.is_cancelled.store(true, Ordering::Release);
        let is_sent = call.is_listen || call.is_sent.load(Ordering::Relaxed);
        let is_done = call.stateless.is_some() || !is_sent;
        if is_done {
            call.connection.shut();
        }
        self.changed.notify_all();
        is_done
    }

    /// Waits at most `wait` for an open request to end; returns whether any is left
    /// besides subscriptions.
    pub(super) fn wait_for_end(&self, wait: Duration) -> bool {
        let are_open = |open: &[Arc<Call>]| open.iter().any(|call| !call.is_listen);
        let open = self.open();
        if !are_open(&open) {
            return false;
        }
        let waited = self.changed.wait_timeout(open, wait);
        let (open, _) = waited.unwrap_or_else(PoisonError::into_inner);
        are_open(&open)
    }
}
