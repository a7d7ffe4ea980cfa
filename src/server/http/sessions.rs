//! Sessions of clients of revisions before 2026-07-28. A session is data in the store,
//! so it outlives this process and can go on in another; only its open streams and the
//! questions to its client are here.

// Log messages are of the older revisions only, and those are served.
#![expect(deprecated)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rmcp::model::LoggingLevel;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::gate::Principal;
use super::stream::{EventStream, KeptBytes, STANDALONE_STREAM_ID};
use crate::caller::Caller;
use crate::catalog::SubscriptionEnd;
use crate::clock::{Clock, Timestamp};
use crate::failure::Failure;
use crate::keys::KeyId;
use crate::limits::{HTTP_STREAMS_KEPT_MAX, HTTP_STREAMS_KEPT_SECONDS};
use crate::meter::http::{self as meter, SessionEnd};
use crate::server::Server;
use crate::server::session::Session;
use crate::store::sessions::{Session as Record, SessionChange, SessionStore};
use crate::wire::{ClientRequests, Connection, Outbox};

/// The sessions that this process has served.
pub(super) struct Sessions {
    live: Mutex<HashMap<String, Arc<LiveSession>>>,
    kept_bytes: KeptBytes,
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    most: usize,
    idle_seconds: i64,
}

pub(super) struct LiveSession {
    id: String,
    key: KeyId,
    pub(super) session: Arc<Session>,
    pub(super) requests: Arc<ClientRequests>,
    /// The exchanges whose requests are not all answered.
    exchanges: Mutex<Vec<Weak<Outbox>>>,
    /// Messages that belong to no exchange.
    pub(super) standalone: Arc<EventStream>,
    connection: Arc<dyn Connection>,
    kept_bytes: KeptBytes,
    /// The streams of exchanges, the oldest first.
    streams: Mutex<Vec<Arc<EventStream>>>,
    /// The session as stored.
    stored: Mutex<StoredState>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

#[derive(Clone)]
struct StoredState {
    level: LoggingLevel,
    subscribed: Vec<String>,
}

/// The client's own description in its `initialize`.
pub(super) struct InitializeInfo {
    pub(super) protocol_version: String,
    pub(super) client_name: String,
}

impl Sessions {
    pub(super) fn new(
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        most: usize,
        idle: Duration,
    ) -> Sessions {
        Sessions {
            live: Mutex::default(),
            kept_bytes: KeptBytes::default(),
            store,
            clock,
            most,
            idle_seconds: i64::try_from(idle.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// A session that is not stored yet, for the exchange that opens it.
    pub(super) fn prepare(&self, server: &Arc<Server>, principal: &Principal) -> Arc<LiveSession> {
        LiveSession::start(
            server,
            principal,
            Record::new_id(&*self.clock),
            &self.kept_bytes,
        )
    }

    /// Stores a session after its client has initialized it.
    pub(super) async fn open(
        &self,
        live: &Arc<LiveSession>,
        info: InitializeInfo,
    ) -> Result<(), Failure> {
        let now = self.clock.now();
        let record = Record {
            id: live.id.clone(),
            key: live.key.clone(),
            capabilities: Value::Object(live.session.capabilities()).to_string(),
            protocol_version: info.protocol_version,
            client_name: info.client_name,
            log_level: None,
            subscribed: Vec::new(),
            opened_at: now,
            touched_at: now,
        };
        let displaced = self.store.open_session(record, self.most).await?;
        self.forget(&displaced, SessionEnd::Displaced);
        self.live().insert(live.id.clone(), live.clone());
        meter::SESSIONS.set((), self.live().len() as i64);
        Ok(())
    }

    /// The session with this id, if it is the principal's: one that another process
    /// opened is loaded here.
    pub(super) async fn find(
        &self,
        server: &Arc<Server>,
        principal: &Principal,
        id: &str,
    ) -> Result<Option<Arc<LiveSession>>, Failure> {
        // Another process may have ended it.
        let Some(record) = self.store.load_session(id.to_owned()).await? else {
            self.forget(&[id.to_owned()], SessionEnd::Idle);
            return Ok(None);
        };
        if record.key != principal.key.id {
            return Ok(None);
        }
        self.store.touch_session(&record, self.clock.now()).await?;
        let known = self.live().get(id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let live = LiveSession::start(server, principal, id.to_owned(), &self.kept_bytes);
        live.restore(&record).await;
        let mut sessions = self.live();
        let live = sessions.entry(id.to_owned()).or_insert(live).clone();
        meter::SESSIONS.set((), sessions.len() as i64);
        Ok(Some(live))
    }

    /// Writes what a request has changed about its session.
    pub(super) async fn keep(&self, live: &LiveSession) -> Result<(), Failure> {
        for change in live.changes() {
            self.store.change_session(live.id.clone(), change).await?;
        }
        Ok(())
    }

    /// The sessions that are open in this process.
    pub(super) fn count(&self) -> usize {
        self.live().len()
    }

    pub(super) async fn close(&self, live: &LiveSession) -> Result<(), Failure> {
        self.store.close_session(live.id.clone()).await?;
        self.forget(std::slice::from_ref(&live.id), SessionEnd::Client);
        Ok(())
    }

    /// Ends sessions that were unused for long, and drops streams that nobody will
    /// resume.
    pub(super) async fn sweep(&self) -> Result<(), Failure> {
        let Timestamp(now) = self.clock.now();
        let since = Timestamp(now).plus_seconds(-self.idle_seconds);
        let over = self.store.expire_sessions(since, self.most).await?;
        self.forget(&over, SessionEnd::Idle);
        let sessions: Vec<_> = self.live().values().cloned().collect();
        for live in sessions {
            live.drop_old_streams();
        }
        Ok(())
    }

    /// Ends the sessions of keys that are no longer usable; the store has ended them.
    pub(super) fn end_unusable(&self, is_usable: impl Fn(&KeyId) -> bool) {
        let sessions: Vec<_> = self.live().values().cloned().collect();
        let over = sessions.iter().filter(|live| !is_usable(&live.key));
        let over: Vec<String> = over.map(|live| live.id.clone()).collect();
        if !over.is_empty() {
            self.forget(&over, SessionEnd::KeyGone);
        }
    }

    /// Ends the open streams of all sessions.
    pub(super) fn end_streams(&self) {
        for live in self.live().values() {
            live.standalone.end();
            live.connection.stop();
        }
    }

    fn forget(&self, ids: &[String], why: SessionEnd) {
        let mut sessions = self.live();
        for id in ids {
            if let Some(live) = sessions.remove(id) {
                live.end();
                meter::SESSIONS_ENDED.increment(why);
            }
        }
        meter::SESSIONS.set((), sessions.len() as i64);
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Arc<LiveSession>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveSession {
    fn start(
        server: &Arc<Server>,
        principal: &Principal,
        id: String,
        kept_bytes: &KeptBytes,
    ) -> Arc<LiveSession> {
        let requests = Arc::<ClientRequests>::default();
        let (connection, outbox) = Outbox::for_session(requests.clone());
        let caller = Caller::new(principal.grants.clone(), id.as_str());
        let session = server.open_session(caller, connection.clone());
        let standalone = EventStream::new(STANDALONE_STREAM_ID.to_owned(), kept_bytes);
        let (stream, changes) = (standalone.clone(), server.clone());
        let (told, notified) = (session.clone(), session.clone());
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(async move { stream.fill(&outbox).await })),
            AbortOnDropHandle::new(tokio::spawn(async move {
                changes.announce_changes(told).await;
            })),
            AbortOnDropHandle::new(tokio::spawn(notified.notify_changes())),
        ];
        Arc::new(LiveSession {
            id,
            key: principal.key.id.clone(),
            stored: Mutex::new(StoredState {
                level: session.level(),
                subscribed: Vec::new(),
            }),
            session,
            requests,
            exchanges: Mutex::default(),
            standalone,
            connection,
            kept_bytes: kept_bytes.clone(),
            streams: Mutex::default(),
            _tasks: tasks,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Loads a session from the store.
    async fn restore(&self, record: &Record) {
        let capabilities = serde_json::from_str(&record.capabilities);
        let capabilities: Map<String, Value> = capabilities.unwrap_or_default();
        self.session.remember_capabilities(&capabilities, true);
        if let Some(level) = record.log_level.as_deref().and_then(parse_level) {
            self.session.set_level(level);
        }
        if let Some(catalog) = &self.session.catalog {
            let cancel = CancellationToken::new();
            for uri in &record.subscribed {
                // A deleted resource has no changes.
                let _ = catalog
                    .subscribe(uri, SubscriptionEnd::Unsubscribed, &cancel)
                    .await;
            }
        }
        *self.stored() = self.state();
    }

    fn state(&self) -> StoredState {
        let catalog = self.session.catalog.as_ref();
        StoredState {
            level: self.session.level(),
            subscribed: catalog.map(|it| it.subscribed()).unwrap_or_default(),
        }
    }

    fn changes(&self) -> Vec<SessionChange> {
        let now = self.state();
        let before = std::mem::replace(&mut *self.stored(), now.clone());
        let added = now.subscribed.iter();
        let added = added.filter(|uri| !before.subscribed.contains(uri));
        let removed = before.subscribed.iter();
        let removed = removed.filter(|uri| !now.subscribed.contains(uri));
        let mut changes: Vec<SessionChange> = added
            .map(|uri| SessionChange::Subscribe(uri.clone()))
            .collect();
        changes.extend(removed.map(|uri| SessionChange::Unsubscribe(uri.clone())));
        if now.level != before.level
            && let Ok(Value::String(level)) = serde_json::to_value(now.level)
        {
            changes.push(SessionChange::LogLevel(level));
        }
        changes
    }

    fn stored(&self) -> MutexGuard<'_, StoredState> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an exchange, whose requests other exchanges may cancel.
    pub(super) fn add_exchange(&self, outbox: &Arc<Outbox>) {
        let mut exchanges = self.exchanges();
        exchanges.retain(|each| each.strong_count() > 0);
        exchanges.push(Arc::downgrade(outbox));
    }

    pub(super) fn cancel(&self, id: &Value, reason: &Option<String>) {
        for exchange in self.exchanges().iter().filter_map(Weak::upgrade) {
            exchange.cancel(id, reason);
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, Vec<Weak<Outbox>>> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A new stream of an exchange.
    pub(super) fn add_stream(&self, id: String) -> Arc<EventStream> {
        let stream = EventStream::new(id, &self.kept_bytes);
        let mut streams = self.streams();
        let ended = streams.iter().filter(|each| each.ended().is_some()).count();
        if ended >= HTTP_STREAMS_KEPT_MAX
            && let Some(oldest) = streams.iter().position(|each| each.ended().is_some())
        {
            streams.remove(oldest);
        }
        streams.push(stream.clone());
        stream
    }

    pub(super) fn stream(&self, id: &str) -> Option<Arc<EventStream>> {
        if id == self.standalone.id() {
            return Some(self.standalone.clone());
        }
        let streams = self.streams();
        streams.iter().find(|each| each.id() == id).cloned()
    }

    fn drop_old_streams(&self) {
        let kept = Duration::from_secs(HTTP_STREAMS_KEPT_SECONDS);
        self.streams()
            .retain(|each| each.ended().is_none_or(|ended| ended.elapsed() < kept));
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Arc<EventStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.standalone.end();
        self.connection.stop();
        for exchange in self.exchanges().iter().filter_map(Weak::upgrade) {
            exchange.close();
        }
    }
}

fn parse_level(name: &str) -> Option<LoggingLevel> {
    serde_json::from_value(name.into()).ok()
}
