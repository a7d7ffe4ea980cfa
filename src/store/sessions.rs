//! The part of the port that stores the sessions of clients over HTTP: data that
//! outlives a process and can be served by any. A session's id is not a credential.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{StoreError, Stored};
use crate::clock::{Clock, Timestamp};
use crate::keys::KeyId;
use crate::limits::{RESOURCES_WATCHED_MAX, SESSION_URI_BYTES_MAX};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// 128 random bits in base64url.
    pub id: String,
    /// The key that has opened it, and alone may use it.
    pub key: KeyId,
    /// The client's capabilities, as JSON.
    pub capabilities: String,
    pub protocol_version: String,
    pub client_name: String,
    /// The lowest level of log messages that the client wants.
    pub log_level: Option<String>,
    /// URIs of resources, in alphabetical order.
    pub subscribed: Vec<String>,
    pub opened_at: Timestamp,
    /// The last use, to about a minute.
    pub touched_at: Timestamp,
}

impl Session {
    pub fn new_id(clock: &dyn Clock) -> String {
        let mut random = [0; 16];
        clock.fill_random(&mut random);
        URL_SAFE_NO_PAD.encode(random)
    }
}

/// A change that a client makes to its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    LogLevel(String),
    Subscribe(String),
    Unsubscribe(String),
}

/// Fails with `Conflict` if the session may not be changed so.
pub(super) fn apply(session: &mut Session, change: SessionChange) -> Result<(), StoreError> {
    let subscribed = &mut session.subscribed;
    match change {
        SessionChange::LogLevel(level) => session.log_level = Some(level),
        SessionChange::Subscribe(uri) if uri.len() > SESSION_URI_BYTES_MAX => {
            return Err(StoreError::Conflict(format!(
                "the URI of a subscription has at most {SESSION_URI_BYTES_MAX} bytes"
            )));
        }
        SessionChange::Subscribe(uri) => {
            if let Err(at) = subscribed.binary_search(&uri) {
                subscribed.insert(at, uri);
            }
        }
        SessionChange::Unsubscribe(uri) => {
            if let Ok(at) = subscribed.binary_search(&uri) {
                subscribed.remove(at);
            }
        }
    }
    match subscribed.len() > RESOURCES_WATCHED_MAX {
        true => Err(StoreError::Conflict(format!(
            "a session subscribes to at most {RESOURCES_WATCHED_MAX} resources; unsubscribe from one"
        ))),
        false => Ok(()),
    }
}

/// Sessions. Where ids are returned, these sessions are over, and what is open for
/// them in a process can be closed.
pub trait SessionStore: Send + Sync {
    /// Keeps a new session. Of a key's sessions beyond 64, and of all beyond
    /// `sessions_max`, those that were unused for longest end.
    fn open_session(&self, session: Session, sessions_max: usize) -> Stored<'_, Vec<String>>;

    fn load_session(&self, id: String) -> Stored<'_, Option<Session>>;

    /// Records that `session` was used, at most once a minute. Does nothing to a
    /// session that is over.
    fn touch_session(&self, session: &Session, at: Timestamp) -> Stored<'_, ()>;

    /// Changes a session and returns it; `None` if it is over. Fails with `Conflict`
    /// if it has too many subscriptions.
    fn change_session(&self, id: String, change: SessionChange) -> Stored<'_, Option<Session>>;

    /// Returns whether it existed.
    fn close_session(&self, id: String) -> Stored<'_, bool>;

    /// Ends the sessions that were last used before `unused_since`, and, of what
    /// remains beyond `sessions_max`, those that were unused for longest.
    fn expire_sessions(
        &self,
        unused_since: Timestamp,
        sessions_max: usize,
    ) -> Stored<'_, Vec<String>>;
}
