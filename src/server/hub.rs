//! Connects skills to the sessions of this process: a skill's announcements go to
//! every session, and its requests outside of any call to the local user's.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::session::{ChangeNotice, Session, no_client};
use crate::limits;
use crate::registry::{DownstreamClient, SkillName};
use crate::wire::ClientReply;

/// Every session of this process.
#[derive(Default)]
pub(crate) struct Hub {
    sessions: Mutex<Vec<Weak<Session>>>,
    /// The local user's session, once its client has introduced itself.
    local: watch::Sender<Option<Weak<Session>>>,
}

impl Hub {
    pub(super) fn open(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(session));
    }

    /// Called when a session's client has sent its capabilities.
    pub(super) fn initialized(&self, session: &Arc<Session>) {
        if session.caller.grants.is_local {
            self.local.send_replace(Some(Arc::downgrade(session)));
        }
    }

    fn local(&self) -> Option<Arc<Session>> {
        self.local.borrow().as_ref()?.upgrade()
    }

    fn for_each(&self, act: impl Fn(&Session)) {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|session| act(&session));
    }
}

impl DownstreamClient for Hub {
    fn wait_initialized(&self) -> BoxFuture<'static, ()> {
        let mut local = self.local.subscribe();
        let timeout = Duration::from_millis(limits::SKILL_CAPABILITIES_MILLIS_MAX);
        Box::pin(async move {
            // A client may never introduce itself; the skill is started all the
            // same.
            let initialized = local.wait_for(Option::is_some);
            let _ = tokio::time::timeout(timeout, initialized).await;
        })
    }

    fn capabilities(&self) -> Map<String, Value> {
        let local = self.local();
        local
            .map(|session| session.capabilities())
            .unwrap_or_default()
    }

    fn send_request(
        &self,
        _skill: &SkillName,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, ClientReply> {
        let local = self.local();
        match local.and_then(|session| session.ask_client(&session.connection)) {
            Some(ask) => ask(method, params),
            None => no_client(),
        }
    }

    fn notify(&self, skill: &SkillName, method: &str, params: Option<&RawValue>) {
        let announce =
            |notice: ChangeNotice| self.for_each(|session| session.announce(notice.clone()));
        match method {
            "notifications/prompts/list_changed" => announce(ChangeNotice::PromptList),
            "notifications/resources/list_changed" => announce(ChangeNotice::ResourceList),
            "notifications/resources/updated" => {
                let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
                let params: Value = params.unwrap_or_default();
                if let Some(uri) = params["uri"].as_str() {
                    self.for_each(|session| session.announce_skill_resource(uri));
                }
            }
            "notifications/elicitation/complete" => {
                self.for_each(|session| session.elicitation_complete(params));
            }
            "notifications/message" => {
                if let Some(params) = params {
                    self.for_each(|session| session.log(skill, params));
                }
            }
            _ => tracing::debug!(%skill, method, "a notification of an unknown kind"),
        }
    }
}
