//! An OpenAI-compatible endpoint that is asked for one answer: the only place
//! where Mimo itself speaks over the network, and only where the settings name
//! an endpoint. No redirect is followed, no proxy of the environment is used,
//! and the key goes nowhere but into the request.
//!
//! A request blocks a thread of its own rather than one of those that encode
//! texts. Whoever waits for it may leave; the thread ends with its deadline.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use ureq::Agent;

use crate::limits;
use crate::secret::Secret;

const LATE: &str = "did not answer in time";
/// Models that think aloud begin with this.
const THINKS: (&str, &str) = ("<think>", "</think>");

/// Where a key comes from.
pub struct Key {
    /// The variable, for messages.
    pub variable: String,
    /// What it held; `None` where it is not set.
    pub value: Option<Secret>,
}

/// An endpoint that answers `POST URL/chat/completions`.
pub struct Endpoint {
    request: Request,
    /// The variable that should hold the key, and does not.
    keyless: Option<String>,
    permits: Arc<Semaphore>,
}

/// What all requests have in common.
#[derive(Clone)]
struct Request {
    agent: Agent,
    url: String,
    model: String,
    authorization: Option<String>,
    /// Whether it has turned out to want the newer name of `max_tokens`.
    newer: Arc<AtomicBool>,
}

/// What it is asked.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// How it is to answer.
    pub system: &'a str,
    /// What is asked.
    pub user: &'a str,
    /// What it may write.
    pub max_tokens: usize,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

impl Endpoint {
    /// The endpoint at `url` (up to `/v1`), for this model. Connects to nothing.
    pub fn new(url: &str, model: &str, key: Option<Key>) -> Endpoint {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("mimo/", env!("CARGO_PKG_VERSION")))
            .build();
        let (authorization, keyless) = match key {
            None => (None, None),
            Some(Key {
                value: Some(value), ..
            }) => (Some(format!("Bearer {}", value.reveal().trim())), None),
            Some(Key { variable, .. }) => (None, Some(variable)),
        };
        Endpoint {
            request: Request {
                agent: Agent::new_with_config(config),
                url: format!("{}/chat/completions", url.trim_end_matches('/')),
                model: model.to_owned(),
                authorization,
                newer: Arc::default(),
            },
            keyless,
            permits: Arc::new(Semaphore::new(limits::ENDPOINT_REQUESTS_MAX)),
        }
    }

    /// What the model writes by `deadline`; otherwise why there is nothing, to
    /// follow the endpoint's name. Dropping it waits no longer.
    pub async fn write(&self, task: Task<'_>, deadline: Instant) -> Result<String, String> {
        if let Some(variable) = &self.keyless {
            return Err(format!("has no key: {variable} is not set"));
        }
        let permit = self.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| "has too many requests under way".to_owned())?;
        let answer = self.request.clone().begin(task, deadline, permit)?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("could not be asked".to_owned()),
            Err(_) => Err(LATE.to_owned()),
        }
    }
}

impl Request {
    /// Sends it from a thread of its own, which gives the permit back.
    fn begin(
        self,
        task: Task<'_>,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<String, String>>, String> {
        let (send, answer) = oneshot::channel();
        let bodies = [false, true].map(|newer| self.body(task, newer).to_string());
        let work = move || {
            let answer = self.perform(bodies, deadline);
            drop(permit);
            // Whoever asked may have gone.
            let _ = send.send(answer);
        };
        let thread = std::thread::Builder::new().name("endpoint".to_owned());
        match thread.spawn(work) {
            Ok(_) => Ok(answer),
            Err(error) => Err(format!("could not be asked: {error}")),
        }
    }

    /// Some models take the length by its newer name only, and no temperature.
    fn body(&self, task: Task<'_>, newer: bool) -> Value {
        let mut body = json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": task.system},
                {"role": "user", "content": task.user},
            ],
            "stream": false,
        });
        match newer {
            true => body["max_completion_tokens"] = json!(task.max_tokens),
            false => {
                body["max_tokens"] = json!(task.max_tokens);
                body["temperature"] = json!(0);
            }
        }
        body
    }

    fn perform(&self, [older, newer]: [String; 2], deadline: Instant) -> Result<String, String> {
        let mut status = 400;
        if !self.newer.load(Ordering::Relaxed) {
            let (answered, body) = self.post(&older, deadline)?;
            if answered == 200 {
                return text(&body);
            }
            status = answered;
        }
        if status == 400 {
            let (answered, body) = self.post(&newer, deadline)?;
            if answered == 200 {
                self.newer.store(true, Ordering::Relaxed);
                return text(&body);
            }
            status = answered;
        }
        match status {
            300..400 => Err(format!("answered {status}; redirects are not followed")),
            _ => Err(format!("answered {status}")),
        }
    }

    /// The status and the body of the answer.
    fn post(&self, body: &str, deadline: Instant) -> Result<(u16, Vec<u8>), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.config().timeout_global(Some(left)).build();
        let mut response = request.send(body).map_err(unreached)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config();
        let body = body.limit(limits::ENDPOINT_BODY_BYTES_MAX).read_to_vec();
        Ok((status, body.map_err(unreached)?))
    }
}

fn unreached(error: ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => LATE.to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "answered more than is read".to_owned(),
        ureq::Error::HostNotFound => "has a host that was not found".to_owned(),
        // What is wrong with a certificate comes as this.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            format!("cannot be reached: {error}")
        }
        ureq::Error::Io(error) => format!("cannot be reached: {}", error.kind()),
        _ => "cannot be reached".to_owned(),
    }
}

/// What the model wrote.
fn text(body: &[u8]) -> Result<String, String> {
    let completion = serde_json::from_slice::<Completion>(body);
    let first = completion.ok().and_then(|it| it.choices.into_iter().next());
    let Some(choice) = first else {
        return Err("answered what is no completion".to_owned());
    };
    let filtered = choice.finish_reason.as_deref() == Some("content_filter");
    if filtered || choice.message.refusal.is_some() {
        return Err("refused to answer".to_owned());
    }
    let text = choice.message.content.unwrap_or_default();
    let after = text.trim_start().strip_prefix(THINKS.0);
    Ok(match after.map(|thought| thought.split_once(THINKS.1)) {
        None => text,
        Some(Some((_, answer))) => answer.to_owned(),
        // It was cut off while it still thought.
        Some(None) => String::new(),
    })
}
