//! The browsers that are signed in to the page of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::{Clock, Timestamp};
use crate::keys::{KeyHash, KeyId};
use crate::limits::{VIEW_SESSION_IDLE_SECONDS, VIEW_SESSIONS_MAX};

/// Sessions by the hash of their text, half of which is a cookie. Browsers send cookies
/// to every port of a host, and what listens there may be a skill.
pub(super) struct PageSessions {
    open: Mutex<HashMap<[u8; 32], PageSession>>,
    clock: Arc<dyn Clock>,
}

struct PageSession {
    key: KeyId,
    used_at: Timestamp,
}

impl PageSessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> PageSessions {
        PageSessions {
            open: Mutex::default(),
            clock,
        }
    }

    /// Opens a session of `key`; the two halves of its text, which has a dot between them.
    pub(super) fn open(&self, key: &KeyId) -> [String; 2] {
        let half = || {
            let mut random = [0; 32];
            self.clock.fill_random(&mut random);
            URL_SAFE_NO_PAD.encode(random)
        };
        let halves = [half(), half()];
        let text = halves.join(".");
        let used_at = self.clock.now();
        let mut open = self.sessions();
        if open.len() >= VIEW_SESSIONS_MAX {
            let oldest = open.iter().min_by_key(|(_, session)| session.used_at.0);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.and_then(|hash| open.remove(&hash));
        }
        let key = key.clone();
        open.insert(KeyHash::of(text.as_bytes()).0, PageSession { key, used_at });
        halves
    }

    /// The key of a session that was used lately.
    pub(super) fn find(&self, text: &str) -> Option<KeyId> {
        let now = self.clock.now();
        let mut open = self.sessions();
        let session = open.get_mut(&KeyHash::of(text.as_bytes()).0)?;
        if session.used_at.plus_seconds(VIEW_SESSION_IDLE_SECONDS) < now {
            return None;
        }
        session.used_at = now;
        Some(session.key.clone())
    }

    pub(super) fn close(&self, text: &str) {
        self.sessions().remove(&KeyHash::of(text.as_bytes()).0);
    }

    pub(super) fn sweep(&self) {
        let since = self.clock.now().plus_seconds(-VIEW_SESSION_IDLE_SECONDS);
        self.sessions()
            .retain(|_, session| session.used_at >= since);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 32], PageSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn session_ends_when_it_is_closed_unused_or_displaced() {
        let clock = Arc::new(FixedClock::at(Timestamp(0)));
        let sessions = PageSessions::new(clock.clone());
        let key = KeyId::stored("abcdefgh");
        let open = || sessions.open(&key).join(".");
        let (kept, closed) = (open(), open());
        sessions.close(&closed);
        assert_eq!(sessions.find(&closed), None);
        for _ in 0..2 {
            clock.advance_seconds(VIEW_SESSION_IDLE_SECONDS);
            sessions.sweep();
            assert_eq!(sessions.find(&kept), Some(key.clone()), "used lately");
        }
        clock.advance_seconds(VIEW_SESSION_IDLE_SECONDS + 1);
        assert_eq!(sessions.find(&kept), None, "not used for long");
        let first = open();
        clock.advance_seconds(1);
        let others: Vec<String> = (0..VIEW_SESSIONS_MAX).map(|_| open()).collect();
        assert_eq!(sessions.find(&first), None, "displaced");
        assert!(others.iter().all(|each| sessions.find(each).is_some()));
    }
}
