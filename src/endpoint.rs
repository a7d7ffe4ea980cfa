//! The OpenAI-compatible endpoints that the settings may name. A request follows no
//! redirect and uses no proxy from the environment, and the key goes nowhere but
//! into the request. The list of releases is fetched here too.
//!
//! A completion blocks a thread of its own, so that it takes none from encoding. The
//! thread ends at the deadline even if nobody waits for it any more.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use ureq::Agent;

use crate::limits;
use crate::meter::calls as metrics;
use crate::secret::Secret;

const USER_AGENT: &str = concat!("mimo/", env!("CARGO_PKG_VERSION"));
const TIMED_OUT: &str = "did not answer in time";
/// Encloses the reasoning of some models, which precedes their answer.
const REASONING_MARKS: (&str, &str) = ("<think>", "</think>");

/// The key, from a variable of the environment.
pub(crate) struct Key {
    pub(crate) variable: String,
    /// `None` if the variable is not set.
    pub(crate) value: Option<Secret>,
}

/// Requests to one server, with its key. Does not connect before the first.
#[derive(Clone)]
pub(crate) struct Requests {
    agent: Agent,
    /// Up to `/v1`, without a slash at its end.
    base: String,
    authorization: Option<String>,
    /// The variable that should hold the key but is not set.
    missing_key: Option<String>,
}

/// An endpoint that answers `POST URL/chat/completions`.
pub(crate) struct Endpoint {
    completions: Completions,
    permits: Arc<Semaphore>,
}

/// The common parts of all completions.
#[derive(Clone)]
struct Completions {
    requests: Requests,
    model: String,
    /// Whether the endpoint has accepted only the newer name of `max_tokens`.
    prefers_newer: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
pub(crate) struct Completion<'a> {
    pub(crate) system: &'a str,
    pub(crate) user: &'a str,
    pub(crate) max_tokens: usize,
}

#[derive(Deserialize)]
struct CompletionResponse {
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

impl Requests {
    /// To the server at `url` (up to `/v1`).
    pub(crate) fn new(url: &str, key: Option<Key>) -> Requests {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(USER_AGENT)
            .build();
        let (authorization, missing_key) = match key {
            None => (None, None),
            Some(Key {
                value: Some(value), ..
            }) => (Some(format!("Bearer {}", value.reveal().trim())), None),
            Some(Key { variable, .. }) => (None, Some(variable)),
        };
        Requests {
            agent: Agent::new_with_config(config),
            base: url.trim_end_matches('/').to_owned(),
            authorization,
            missing_key,
        }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Posts JSON to `path` below the address; the status and the body of the response,
    /// of at most `most` bytes. An error is a predicate of the endpoint's name: "did not
    /// answer in time".
    pub(crate) fn post(
        &self,
        path: &str,
        body: &str,
        timeout: Duration,
        most: u64,
    ) -> Result<(u16, Vec<u8>), String> {
        if let Some(variable) = &self.missing_key {
            return Err(format!("has no key: {variable} is not set"));
        }
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.post(&url).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut response = request.send(body).map_err(transport_error)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(most).read_to_vec();
        Ok((status, body.map_err(transport_error)?))
    }
}

/// What an endpoint did that returned this status.
pub(crate) fn refusal(status: u16) -> String {
    match status {
        300..400 => format!("answered {status}; redirects are not followed"),
        _ => format!("answered {status}"),
    }
}

impl Endpoint {
    /// The endpoint at `url` (up to `/v1`). Does not connect yet.
    pub(crate) fn new(url: &str, model: &str, key: Option<Key>) -> Endpoint {
        Endpoint {
            completions: Completions {
                requests: Requests::new(url, key),
                model: model.to_owned(),
                prefers_newer: Arc::default(),
            },
            permits: Arc::new(Semaphore::new(limits::ENDPOINT_REQUESTS_MAX)),
        }
    }

    /// The model's text. An error is a predicate of the endpoint's name: "did not
    /// answer in time".
    pub(crate) async fn complete(
        &self,
        completion: Completion<'_>,
        deadline: Instant,
    ) -> Result<String, String> {
        let permit = self.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| "has too many requests under way".to_owned())?;
        let answer = self
            .completions
            .clone()
            .begin(completion, deadline, permit)?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("could not be asked".to_owned()),
            Err(_) => Err(TIMED_OUT.to_owned()),
        }
    }
}

impl Completions {
    /// Sends a request from a thread of its own, which returns the permit.
    fn begin(
        self,
        completion: Completion<'_>,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<String, String>>, String> {
        let (send, answer) = oneshot::channel();
        let bodies = [false, true].map(|newer| self.body(completion, newer).to_string());
        let work = move || {
            let started = std::time::Instant::now();
            let answer = self.perform(bodies, deadline);
            metrics::ENDPOINT_SECONDS.since((), started);
            if answer.is_err() {
                metrics::ENDPOINT_ERRORS.increment(());
            }
            drop(permit);
            // Nobody may be waiting any more.
            let _ = send.send(answer);
        };
        let thread = std::thread::Builder::new().name("endpoint".to_owned());
        match thread.spawn(work) {
            Ok(_) => Ok(answer),
            Err(error) => Err(format!("could not be asked: {error}")),
        }
    }

    /// Some models accept only the newer name of `max_tokens`, and no temperature.
    fn body(&self, completion: Completion<'_>, newer: bool) -> Value {
        let mut body = json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": completion.system},
                {"role": "user", "content": completion.user},
            ],
            "stream": false,
        });
        match newer {
            true => body["max_completion_tokens"] = json!(completion.max_tokens),
            false => {
                body["max_tokens"] = json!(completion.max_tokens);
                body["temperature"] = json!(0);
            }
        }
        body
    }

    fn perform(&self, [older, newer]: [String; 2], deadline: Instant) -> Result<String, String> {
        let mut status = 400;
        if !self.prefers_newer.load(Ordering::Relaxed) {
            let (answered, body) = self.post(&older, deadline)?;
            if answered == 200 {
                return text(&body);
            }
            status = answered;
        }
        if status == 400 {
            let (answered, body) = self.post(&newer, deadline)?;
            if answered == 200 {
                self.prefers_newer.store(true, Ordering::Relaxed);
                return text(&body);
            }
            status = answered;
        }
        Err(refusal(status))
    }

    fn post(&self, body: &str, deadline: Instant) -> Result<(u16, Vec<u8>), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let most = limits::ENDPOINT_BODY_BYTES_MAX;
        self.requests.post("/chat/completions", body, left, most)
    }
}

/// The document at `url`, for a person who asked for it. An error is a predicate of
/// the address.
pub(crate) fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let config = Agent::config_builder()
        .proxy(None)
        .https_only(url.starts_with("https://"))
        .max_redirects(limits::UPDATE_REDIRECTS_MAX)
        .timeout_global(Some(Duration::from_secs(limits::UPDATE_SECONDS_MAX)))
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .build();
    let asked = Agent::new_with_config(config).get(url).call();
    let mut response = asked.map_err(transport_error)?;
    match response.status().as_u16() {
        200 => {
            let body = response.body_mut().with_config();
            let body = body.limit(limits::UPDATE_BODY_BYTES_MAX).read_to_vec();
            body.map_err(transport_error)
        }
        status => Err(format!("answered {status}")),
    }
}

fn transport_error(error: ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => TIMED_OUT.to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "answered more than is read".to_owned(),
        ureq::Error::HostNotFound => "has a host that was not found".to_owned(),
        // Errors of certificates have this kind.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            format!("cannot be reached: {error}")
        }
        ureq::Error::Io(error) => format!("cannot be reached: {}", error.kind()),
        _ => "cannot be reached".to_owned(),
    }
}

/// The text of the first choice, without reasoning.
fn text(body: &[u8]) -> Result<String, String> {
    let completion = serde_json::from_slice::<CompletionResponse>(body);
    let first = completion.ok().and_then(|it| it.choices.into_iter().next());
    let Some(choice) = first else {
        return Err("answered with something that is not a completion".to_owned());
    };
    let filtered = choice.finish_reason.as_deref() == Some("content_filter");
    if filtered || choice.message.refusal.is_some() {
        return Err("refused to answer".to_owned());
    }
    let text = choice.message.content.unwrap_or_default();
    let after = text.trim_start().strip_prefix(REASONING_MARKS.0);
    Ok(
        match after.map(|thought| thought.split_once(REASONING_MARKS.1)) {
            None => text,
            Some(Some((_, answer))) => answer.to_owned(),
            // The reasoning was cut off before any answer.
            Some(None) => String::new(),
        },
    )
}
