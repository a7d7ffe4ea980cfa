//! One client's session: its capabilities, its subscriptions, and the channel for
//! requests to it.

// Log messages are of the older revisions only, and those are served.
#![expect(deprecated)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::future::BoxFuture;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

use super::root::Root;
use crate::caller::{AskClient, Caller};
use crate::catalog::{CatalogChange, View};
use crate::limits;
use crate::registry::SkillName;
use crate::tools::skills::AutoChoice;
use crate::wire::{ClientReply, Connection};

/// The capability of a client that offers its model.
pub(super) const SAMPLING: &str = "sampling";
/// The capabilities of a client that a skill may use.
const USABLE: [&str; 3] = ["elicitation", "roots", SAMPLING];

pub(crate) struct Session {
    /// Who opened this session. [`Session::current_caller`] knows its project too.
    pub(super) caller: Caller,
    root: OnceLock<Root>,
    /// The catalog as this session sees it; absent in tests of the
    /// protocol.
    pub(super) catalog: Option<View>,
    /// Carries messages that belong to no request.
    pub(super) connection: Arc<dyn Connection>,
    client: OnceLock<Client>,
    notices: broadcast::Sender<ChangeNotice>,
    /// The lowest level of the skills' log messages that the client wants.
    level: Mutex<LoggingLevel>,
    auto_choice: Mutex<AutoChoice>,
    /// Whether announcements are sent already.
    notifies: AtomicBool,
}

/// The client, known once it has introduced itself.
struct Client {
    capabilities: Map<String, Value>,
    /// Whether its revision has requests to the client.
    is_askable: bool,
}

/// A change that clients may be notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChangeNotice {
    ToolList,
    PromptList,
    ResourceList,
    /// The contents of this resource.
    Resource(String),
}

impl From<CatalogChange> for ChangeNotice {
    fn from(change: CatalogChange) -> ChangeNotice {
        match change {
            CatalogChange::PromptList => ChangeNotice::PromptList,
            CatalogChange::ResourceList => ChangeNotice::ResourceList,
            CatalogChange::Resource(uri) => ChangeNotice::Resource(uri),
        }
    }
}

impl Session {
    pub(super) fn new(
        caller: Caller,
        catalog: Option<View>,
        connection: Arc<dyn Connection>,
    ) -> Session {
        Session {
            caller,
            root: OnceLock::new(),
            catalog,
            connection,
            client: OnceLock::new(),
            notices: broadcast::Sender::new(limits::NOTIFICATIONS_QUEUED_MAX),
            level: Mutex::new(LoggingLevel::Info),
            auto_choice: Mutex::default(),
            notifies: AtomicBool::new(false),
        }
    }

    /// How this session lists the tools of skills.
    pub(super) fn auto_choice(&self) -> MutexGuard<'_, AutoChoice> {
        let choice = self.auto_choice.lock();
        choice.unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the client's capabilities; returns whether they were unknown. Only the
    /// first call counts. `is_askable` in a revision with requests to the client.
    pub(super) fn remember_capabilities(
        &self,
        capabilities: &Map<String, Value>,
        is_askable: bool,
    ) -> bool {
        if self.client.get().is_some() {
            return false;
        }
        let usable = capabilities
            .iter()
            .filter(|(name, _)| USABLE.contains(&name.as_str()));
        let capabilities: Map<String, Value> = usable
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let client = Client {
            capabilities,
            is_askable,
        };
        self.client.set(client).is_ok()
    }

    /// The client's capabilities that a skill may use, as far as they are known.
    pub(super) fn capabilities(&self) -> Map<String, Value> {
        let client = self.client.get();
        client
            .map(|client| client.capabilities.clone())
            .unwrap_or_default()
    }

    /// Sends requests to the client through `connection`, if it accepts them.
    pub(super) fn ask_client(&self, connection: &Arc<dyn Connection>) -> Option<AskClient> {
        let client = self.client.get().filter(|client| client.is_askable)?;
        let connection = connection.clone();
        let ask: AskClient =
            Arc::new(move |method, params| send_request(connection.clone(), method, params));
        Some(within_capabilities(ask, &client.capabilities))
    }

    /// The same, if it offers sampling.
    pub(super) fn sampling_client(&self, connection: &Arc<dyn Connection>) -> Option<AskClient> {
        let offers = self.client.get()?.capabilities.contains_key(SAMPLING);
        self.ask_client(connection).filter(|_| offers)
    }

    /// From now on the project is that of the client's only root.
    pub(super) fn follow_root(&self) {
        self.root.get_or_init(Root::default);
    }

    /// Whether the project follows the client.
    pub(super) fn follows_root(&self) -> bool {
        self.root.get().is_some()
    }

    /// Who makes the calls of this session. Waits until the client has listed its root, if
    /// the project follows it.
    pub(super) async fn current_caller(&self) -> Caller {
        match (self.root.get(), self.client.get()) {
            (Some(root), Some(client)) => {
                let asks = client.is_askable && client.capabilities.contains_key("roots");
                let ask = self.ask_client(&self.connection).filter(|_| asks);
                let found = |caller: &Caller| {
                    if let Some(catalog) = &self.catalog {
                        catalog.set_caller(caller.clone());
                    }
                };
                root.caller(&self.caller, ask, found).await
            }
            _ => self.caller.clone(),
        }
    }

    /// The client has other roots: the calls from now on are made in their project.
    pub(super) fn on_roots_changed(self: &Arc<Self>) {
        if let Some(root) = self.root.get() {
            root.set_changed();
            let session = self.clone();
            tokio::spawn(async move {
                session.current_caller().await;
                session.announce(ChangeNotice::ResourceList);
            });
        }
    }

    fn is_askable(&self) -> bool {
        self.client.get().is_some_and(|client| client.is_askable)
    }

    pub(super) fn level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Forwards a skill's log message under the skill's name.
    pub(super) fn log(&self, skill: &SkillName, params: &RawValue) {
        let message = serde_json::from_str::<LoggingMessageNotificationParam>(params.get());
        let (true, Ok(mut message)) = (self.is_askable(), message) else {
            return;
        };
        if severity(message.level) < severity(self.level()) {
            return;
        }
        message.logger = Some(match message.logger {
            Some(logger) => format!("{skill}/{logger}"),
            None => skill.to_string(),
        });
        if let Ok(params) = to_raw_value(&message) {
            self.connection
                .notify("notifications/message", Some(&params));
        }
    }

    /// Forwards the completion of a web page that a skill sent its user to.
    pub(super) fn elicitation_complete(&self, params: Option<&RawValue>) {
        let can_elicit = self.capabilities().contains_key("elicitation");
        if can_elicit && self.is_askable() {
            let method = "notifications/elicitation/complete";
            self.connection.notify(method, params);
        }
    }

    /// Announces a change of a skill's resource: to the local user as the skill says it,
    /// to others if they subscribed to it.
    pub(super) fn announce_skill_resource(&self, uri: &str) {
        let subscribed = self.catalog.as_ref().and_then(|it| it.subscribed_as(uri));
        match subscribed {
            Some(subscribed) => self.announce(ChangeNotice::Resource(subscribed)),
            None if self.caller.grants.is_local => {
                self.announce(ChangeNotice::Resource(uri.to_owned()))
            }
            None => {}
        }
    }

    pub(super) fn announce(&self, notice: ChangeNotice) {
        // Nobody may be listening.
        let _ = self.notices.send(notice);
    }

    /// Receives the announcements from now on.
    pub(super) fn notices(&self) -> broadcast::Receiver<ChangeNotice> {
        self.notices.subscribe()
    }

    /// Sends the announcements to a client of an older revision until the
    /// connection ends.
    pub(super) async fn notify_changes(self: Arc<Self>) {
        if self.notifies.swap(true, Ordering::Relaxed) {
            return;
        }
        let notify = |list: &str| {
            let method = format!("notifications/{list}/list_changed");
            self.connection.notify(&method, None);
        };
        let mut notices = self.notices();
        loop {
            let received = tokio::select! {
                received = notices.recv() => received,
                () = self.connection.draining().cancelled() => return,
            };
            match received {
                Ok(ChangeNotice::ToolList) => notify("tools"),
                Ok(ChangeNotice::PromptList) => notify("prompts"),
                Ok(ChangeNotice::ResourceList) => notify("resources"),
                Ok(ChangeNotice::Resource(uri)) => {
                    let params = to_raw_value(&json!({ "uri": uri })).unwrap_or_default();
                    let method = "notifications/resources/updated";
                    self.connection.notify(method, Some(&params));
                }
                // Too much at once: every list may have changed.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    for list in ["tools", "prompts", "resources"] {
                        notify(list);
                    }
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

/// Whether a skill could use any of these capabilities.
pub(super) fn is_any_usable(capabilities: &Map<String, Value>) -> bool {
    USABLE.iter().any(|name| capabilities.contains_key(*name))
}

/// `ask`, restricted to what a client with these capabilities offers.
pub(super) fn within_capabilities(ask: AskClient, capabilities: &Map<String, Value>) -> AskClient {
    let usable = USABLE
        .into_iter()
        .filter(|name| capabilities.contains_key(*name));
    let usable: Vec<&str> = usable.collect();
    Arc::new(move |method, params| {
        // `sampling/createMessage` needs `sampling`, and so on.
        let needed = method.split('/').next().unwrap_or_default();
        if usable.contains(&needed) {
            return ask(method, params);
        }
        refuse("the client does not offer this")
    })
}

/// Sends a request through the connection; an error once that has ended.
fn send_request(
    connection: Arc<dyn Connection>,
    method: String,
    params: Option<Box<RawValue>>,
) -> BoxFuture<'static, ClientReply> {
    Box::pin(async move {
        match connection.send_request(&method, params.as_deref()).await {
            Some(reply) => reply,
            None => no_client().await,
        }
    })
}

pub(super) fn no_client() -> BoxFuture<'static, ClientReply> {
    refuse("there is no client to ask")
}

fn refuse(message: &str) -> BoxFuture<'static, ClientReply> {
    let error = json!({"code": -32601, "message": message});
    let error = to_raw_value(&error).unwrap_or_default();
    Box::pin(std::future::ready(Err(error)))
}

/// The rank of a level; higher is more severe.
fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
