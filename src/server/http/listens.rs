//! The open `subscriptions/listen` streams of revision 2026-07-28: they last as long as
//! their clients, so they must end with their keys.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::keys::KeyId;
use crate::wire::Outbox;

#[derive(Default)]
pub(super) struct Listens(Mutex<Vec<(KeyId, Weak<Outbox>)>>);

impl Listens {
    pub(super) fn add(&self, key: KeyId, outbox: &Arc<Outbox>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, outbox)| outbox.strong_count() > 0);
        open.push((key, Arc::downgrade(outbox)));
    }

    pub(super) fn end_unusable(&self, is_usable: impl Fn(&KeyId) -> bool) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(key, outbox)| {
            let goes_on = is_usable(key);
            if !goes_on && let Some(outbox) = outbox.upgrade() {
                outbox.close();
            }
            goes_on && outbox.strong_count() > 0
        });
    }
}
