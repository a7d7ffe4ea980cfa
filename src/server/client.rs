//! The client as Mimo and the skills may reach it: what it offers, questions to
//! it, and what is announced.

// Log messages are of the older revisions only, and those are served.
#![expect(deprecated)]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, watch};

use crate::caller::AskClient;
use crate::limits;
use crate::registry::{DownstreamClient, SkillName};
use crate::wire::{Handle, Outcome};

/// The capability of a client that lends its model.
pub const SAMPLING: &str = "sampling";
/// What a skill may use of a client's, by the name of the capability.
const USABLE: [&str; 3] = ["elicitation", "roots", SAMPLING];

/// The client of this process.
pub(crate) struct Client {
    greeting: watch::Sender<Option<Greeting>>,
    news: broadcast::Sender<News>,
    /// What it wants to see of the skills' own log messages.
    level: Mutex<LoggingLevel>,
}

#[derive(Clone)]
struct Greeting {
    capabilities: Map<String, Value>,
    /// Where questions go; the newest revision has none of them.
    connection: Option<Handle>,
}

/// What a client that listens may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// `tools/list` answers something else.
    Tools,
    /// `prompts/list` may answer something else.
    Prompts,
    /// `resources/list` may answer something else.
    Resources,
    /// This resource has changed.
    Updated(String),
}

impl Default for Client {
    fn default() -> Self {
        Client {
            greeting: watch::Sender::new(None),
            news: broadcast::Sender::new(limits::NEWS_KEPT_MAX),
            level: Mutex::new(LoggingLevel::Info),
        }
    }
}

impl Client {
    /// The client has introduced itself, perhaps in a revision that lets us ask
    /// it things through `connection`. Only the first time counts.
    pub fn greeted(&self, capabilities: &Map<String, Value>, connection: Option<Handle>) {
        let usable = capabilities
            .iter()
            .filter(|(name, _)| USABLE.contains(&name.as_str()));
        let capabilities = usable
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        self.greeting.send_if_modified(|greeting| {
            let first = greeting.is_none();
            greeting.get_or_insert(Greeting {
                capabilities,
                connection,
            });
            first
        });
    }

    /// Whether there is anything among these that a skill could use.
    pub fn usable(capabilities: &Map<String, Value>) -> bool {
        USABLE.iter().any(|name| capabilities.contains_key(*name))
    }

    /// Whether it has introduced itself.
    pub fn is_known(&self) -> bool {
        self.greeting.borrow().is_some()
    }

    /// The way to its model, where it offers that and takes questions while it
    /// waits for an answer.
    pub fn model(&self) -> Option<AskClient> {
        let greeting = self.greeting.borrow();
        let greeting = greeting.as_ref()?;
        let connection = greeting.connection.clone()?;
        greeting.capabilities.contains_key(SAMPLING).then(|| {
            let ask = move |method, params| ask(Some(connection.clone()), method, params);
            Arc::new(ask) as AskClient
        })
    }

    /// From now on the client wants messages of this level and above.
    pub fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Passes a skill's log message on, under the skill's name.
    fn log(&self, skill: &SkillName, params: &RawValue) {
        let greeting = self.greeting.borrow();
        let connection = greeting
            .as_ref()
            .and_then(|greeting| greeting.connection.as_ref());
        let message = serde_json::from_str::<LoggingMessageNotificationParam>(params.get());
        let (Some(connection), Ok(mut message)) = (connection, message) else {
            return;
        };
        let wanted = *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        if severity(message.level) < severity(wanted) {
            return;
        }
        message.logger = Some(match message.logger {
            Some(logger) => format!("{skill}/{logger}"),
            None => skill.to_string(),
        });
        if let Ok(params) = to_raw_value(&message) {
            connection.tell("notifications/message", Some(&params));
        }
    }

    /// Tells whoever listens.
    pub fn announce(&self, news: News) {
        // Nobody may be listening.
        let _ = self.news.send(news);
    }

    /// What is announced from now on.
    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}

impl DownstreamClient for Client {
    fn wait_initialized(&self) -> BoxFuture<'static, ()> {
        let mut greeting = self.greeting.subscribe();
        let patience = Duration::from_millis(limits::SKILL_GREETING_MILLIS_MAX);
        Box::pin(async move {
            // Whoever started us may never say a word; the skill is started all
            // the same.
            let said = greeting.wait_for(Option::is_some);
            let _ = tokio::time::timeout(patience, said).await;
        })
    }

    fn capabilities(&self) -> Map<String, Value> {
        let greeting = self.greeting.borrow();
        let capabilities = greeting.as_ref().map(|greeting| &greeting.capabilities);
        capabilities.cloned().unwrap_or_default()
    }

    fn ask(
        &self,
        _skill: &SkillName,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>> {
        let greeting = self.greeting.borrow().clone();
        ask(greeting.and_then(|it| it.connection), method, params)
    }

    fn note(&self, skill: &SkillName, method: &str, params: Option<&RawValue>) {
        match method {
            "notifications/prompts/list_changed" => self.announce(News::Prompts),
            "notifications/resources/list_changed" => self.announce(News::Resources),
            "notifications/resources/updated" => {
                let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
                let params: Value = params.unwrap_or_default();
                if let Some(uri) = params["uri"].as_str() {
                    self.announce(News::Updated(uri.to_owned()));
                }
            }
            "notifications/message" => {
                if let Some(params) = params {
                    self.log(skill, params);
                }
            }
            _ => tracing::debug!(%skill, method, "a notification that nobody takes"),
        }
    }
}

/// Asks the client through its connection; an error where there is none any more.
fn ask(
    connection: Option<Handle>,
    method: String,
    params: Option<Box<RawValue>>,
) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let answered = match &connection {
            Some(connection) => connection.ask(&method, params.as_deref()).await,
            None => None,
        };
        answered.unwrap_or_else(|| {
            tracing::debug!(method, "there is no client to ask");
            let error = json!({"code": -32601, "message": "there is no client to ask"});
            Err(to_raw_value(&error).unwrap_or_default())
        })
    })
}

/// `asks`, but only for what a client that declared these offers.
pub fn within(asks: AskClient, offered: &Map<String, Value>) -> AskClient {
    let usable = USABLE
        .into_iter()
        .filter(|name| offered.contains_key(*name));
    let usable: Vec<&str> = usable.collect();
    Arc::new(move |method, params| {
        // `sampling/createMessage` needs `sampling`, and so on.
        let needed = method.split('/').next().unwrap_or_default();
        if usable.contains(&needed) {
            return asks(method, params);
        }
        let error = json!({"code": -32601, "message": "the client does not offer this"});
        Box::pin(std::future::ready(Err(
            to_raw_value(&error).unwrap_or_default()
        )))
    })
}

/// The levels in their order.
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

/// Tells the client of an older revision what is announced, as long as the
/// connection lives.
pub async fn tell(client: Arc<Client>, connection: Handle) {
    let mut news = client.listen();
    loop {
        let told = tokio::select! {
            told = news.recv() => told,
            () = connection.draining().cancelled() => return,
        };
        match told {
            Ok(News::Tools) => connection.tell("notifications/tools/list_changed", None),
            Ok(News::Prompts) => connection.tell("notifications/prompts/list_changed", None),
            Ok(News::Resources) => connection.tell("notifications/resources/list_changed", None),
            Ok(News::Updated(uri)) => {
                let params = to_raw_value(&json!({ "uri": uri })).unwrap_or_default();
                connection.tell("notifications/resources/updated", Some(&params));
            }
            // Too much at once: the lists may all be other ones.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                connection.tell("notifications/tools/list_changed", None);
                connection.tell("notifications/prompts/list_changed", None);
                connection.tell("notifications/resources/list_changed", None);
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
