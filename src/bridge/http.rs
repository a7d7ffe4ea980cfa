//! Requests to a Mimo over HTTP, and its refusals as messages for a person.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::failure::{Failure, Kind};
use crate::limits::{
    BRIDGE_CONNECT_SECONDS_MAX, BRIDGE_ERROR_BYTES_MAX, BRIDGE_LIMITED_SECONDS_MAX,
    BRIDGE_LIMITED_TRIES_MAX, BRIDGE_RESTART_POLL_MILLIS, BRIDGE_RESTART_SECONDS_MAX,
    BRIDGE_SENT_MAX, BRIDGE_SILENCE_SECONDS_MAX,
};
use crate::secret::Secret;

pub(super) const SESSION: &str = "Mcp-Session-Id";
const VERSION: &str = "MCP-Protocol-Version";

/// Where Mimo is, and the key for it.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) key_variable: String,
    /// `None` if the variable is not set.
    pub(crate) key: Option<Secret>,
    /// The certificates that are trusted instead of the default ones.
    pub(crate) certificates: Option<RootCerts>,
}

/// The certificates in a PEM file.
pub(crate) fn read_certificates(path: &Path) -> Result<RootCerts, Failure> {
    let failed = |reason: String| {
        let message = format!(
            "the certificates in {} cannot be read: {reason}",
            path.display()
        );
        Failure::new(Kind::Refused, message).hint("correct or unset SSL_CERT_FILE")
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
    let items = items.map_err(|error| failed(error.to_string()))?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Ok(RootCerts::from(certificates))
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) body: &'a [u8],
    pub(super) headers: Vec<(&'static str, String)>,
    /// Whether to retry while the server is down or refuses for now.
    pub(super) waits: bool,
}

impl<'a> Request<'a> {
    pub(super) fn post(body: &'a [u8]) -> Request<'a> {
        Request {
            method: Method::POST,
            body,
            headers: Vec::new(),
            waits: true,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Request<'a> {
        self.headers.push((name, value.into()));
        self
    }

    /// In a session, or to open one.
    pub(super) fn session(mut self, session: Option<&str>, version: Option<&str>) -> Request<'a> {
        self.headers
            .extend(session.map(|id| (SESSION, id.to_owned())));
        self.headers
            .extend(version.map(|version| (VERSION, version.to_owned())));
        self
    }

    /// Of a revision without sessions.
    pub(super) fn stateless(self, version: &str, method: &str, name: Option<&str>) -> Request<'a> {
        let request = self.header(VERSION, version).header("Mcp-Method", method);
        match name {
            Some(name) => request.header("Mcp-Name", header_text(name)),
            None => request,
        }
    }
}

/// `name` encoded for a header.
fn header_text(name: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    let is_coded = name.starts_with("=?base64?") && name.ends_with("?=");
    match name.bytes().all(is_plain) && name.trim() == name && !is_coded {
        true => name.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(name)),
    }
}

/// The connection of a request, by which another thread can end it.
#[derive(Default)]
pub(super) struct Connection(Mutex<ConnectionState>);

#[derive(Default)]
struct ConnectionState {
    agent: Option<Agent>,
    is_shut: bool,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection now, or as soon as there is one.
    pub(super) fn shut(&self) {
        let mut state = self.state();
        state.is_shut = true;
        if let Some(agent) = state.agent.take() {
            agent.shutdown();
        }
    }

    pub(super) fn is_shut(&self) -> bool {
        self.state().is_shut
    }
}

pub(super) struct Http {
    server: Server,
    /// Each agent has at most one connection, so that ending one request ends no other.
    idle: Mutex<Vec<Agent>>,
}

impl Http {
    pub(super) fn new(server: Server) -> Http {
        Http {
            server,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Agent>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_agent(&self) -> Agent {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let mut tls = TlsConfig::builder();
        if let Some(certificates) = &self.server.certificates {
            tls = tls.root_certs(certificates.clone());
        }
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(tls.build())
            .timeout_resolve(seconds(BRIDGE_CONNECT_SECONDS_MAX))
            .timeout_connect(seconds(BRIDGE_CONNECT_SECONDS_MAX))
            .timeout_per_read(seconds(BRIDGE_SILENCE_SECONDS_MAX))
            .timeout_per_write(seconds(BRIDGE_SILENCE_SECONDS_MAX))
            .user_agent(concat!("mimo-connect/", env!("CARGO_PKG_VERSION")))
            .build();
        Agent::new_with_config(config)
    }

    /// Sends a request and returns the head of its answer. [`Http::release`] ends it.
    pub(super) fn send(
        &self,
        request: &Request<'_>,
        connection: &Connection,
    ) -> Result<Response<Body>, Failure> {
        let variable = &self.server.key_variable;
        let Some(key) = &self.server.key else {
            let message = format!("there is no key for Mimo: {variable} is not set");
            let hint = format!("set {variable} in the environment from which this client starts");
            return Err(Failure::new(Kind::Refused, message).hint(hint));
        };
        let key = key.reveal().trim();
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("{variable} holds no key: a key is one word");
            let hint = "set it to what `mimo keys generate` printed";
            return Err(Failure::new(Kind::Refused, message).hint(hint));
        }
        let authorization = format!("Bearer {key}");
        let until = Instant::now() + Duration::from_secs(BRIDGE_RESTART_SECONDS_MAX);
        let mut limited = 0;
        loop {
            let sent = self.try_send(request, &authorization, connection);
            match sent {
                Err(ureq::Error::Io(error))
                    if error.kind() == ErrorKind::ConnectionRefused
                        && request.waits
                        && !connection.is_shut()
                        && Instant::now() < until =>
                {
                    std::thread::sleep(Duration::from_millis(BRIDGE_RESTART_POLL_MILLIS));
                }
                Err(error) => return Err(self.transport_failure(error)),
                Ok(answer)
                    if answer.status() == 429
                        && request.waits
                        && limited < BRIDGE_LIMITED_TRIES_MAX =>
                {
                    limited += 1;
                    let after = answer.headers().get("Retry-After");
                    let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
                    self.release(connection);
                    let after = after.unwrap_or(1).min(BRIDGE_LIMITED_SECONDS_MAX);
                    std::thread::sleep(Duration::from_secs(after));
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }

    fn try_send(
        &self,
        request: &Request<'_>,
        authorization: &str,
        connection: &Connection,
    ) -> Result<Response<Body>, ureq::Error> {
        let agent = {
            let mut state = connection.state();
            if state.is_shut {
                return Err(ureq::Error::Io(ErrorKind::ConnectionAborted.into()));
            }
            let held = state.agent.take().or_else(|| self.idle().pop());
            let agent = held.unwrap_or_else(|| self.new_agent());
            state.agent = Some(agent.clone());
            agent
        };
        let mut builder = http::Request::builder()
            .method(&request.method)
            .uri(&self.server.url)
            .header("Authorization", authorization);
        builder = match request.method == Method::GET {
            true => builder.header("Accept", "text/event-stream"),
            false => builder.header("Accept", "application/json, text/event-stream"),
        };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        match request.method == Method::POST {
            true => {
                let builder = builder.header("Content-Type", "application/json");
                agent.run(builder.body(request.body)?)
            }
            false => agent.run(builder.body(())?),
        }
    }

    /// Sends a request whose answer has no content, and waits at most `limit`.
    pub(super) fn send_within(&self, request: &Request<'_>, limit: Duration) {
        let connection = Connection::default();
        std::thread::scope(|scope| {
            let (send, sent) = std::sync::mpsc::channel();
            let connection = &connection;
            scope.spawn(move || {
                // Only a courtesy: Mimo ends unused sessions by itself.
                let _ = self.send(request, connection);
                let _ = send.send(());
            });
            if sent.recv_timeout(limit).is_err() {
                connection.shut();
            }
        });
    }

    /// Keeps the connection of a request that has ended for the next one.
    pub(super) fn release(&self, connection: &Connection) {
        let agent = connection.state().agent.take();
        let mut idle = self.idle();
        if let Some(agent) = agent
            && idle.len() < BRIDGE_SENT_MAX
        {
            idle.push(agent);
        }
    }

    fn transport_failure(&self, error: ureq::Error) -> Failure {
        let url = &self.server.url;
        let reason = match error {
            ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
            ureq::Error::HostNotFound => "its host was not found".to_owned(),
            // Errors of certificates have this kind.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => error.to_string(),
            ureq::Error::Io(error) => error.kind().to_string(),
            error => error.to_string(),
        };
        Failure::new(
            Kind::Unavailable,
            format!("Mimo at {url} cannot be reached: {reason}"),
        )
        .hint("check that `mimo serve --http` runs there, and the URL")
    }

    /// Why an answer is not one of MCP.
    pub(super) fn refusal(&self, status: u16) -> Failure {
        let (url, variable) = (&self.server.url, &self.server.key_variable);
        let (kind, message, hint) = match status {
            401 => (
                Kind::Refused,
                format!("Mimo at {url} does not accept the key in {variable}"),
                "ask who runs it for a key, set the variable to it and start this client again",
            ),
            403 => (
                Kind::Refused,
                format!("Mimo at {url} refuses this name of its host"),
                "who runs it adds the name to `hosts` under [http] in its config.toml",
            ),
            404 => (
                Kind::NotFound,
                format!("there is no Mimo at {url}"),
                "correct the URL, which ends in /mcp",
            ),
            429 => (
                Kind::LimitExceeded,
                format!("Mimo at {url} takes no more requests with this key for now"),
                "try again in a minute",
            ),
            300..=399 => (
                Kind::Refused,
                format!("{url} answered {status}; redirects are not followed"),
                "use the URL to which it leads",
            ),
            _ => (
                Kind::Unavailable,
                format!("Mimo at {url} answered {status}"),
                "try again later, or ask who runs it",
            ),
        };
        Failure::new(kind, message).hint(hint)
    }
}

/// The beginning of a body that is not an MCP message.
pub(super) fn read_error(body: &mut Body) -> Vec<u8> {
    let mut text = Vec::new();
    // What arrived before the connection broke is enough for an error.
    let _ = body
        .as_reader()
        .take(BRIDGE_ERROR_BYTES_MAX)
        .read_to_end(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_header_holds_are_encoded() {
        assert_eq!(header_text("memory_store"), "memory_store");
        assert_eq!(header_text("é"), "=?base64?w6k=?=");
        assert_eq!(header_text(" a"), "=?base64?IGE=?=");
        assert_eq!(
            header_text("=?base64?YQ==?="),
            "=?base64?PT9iYXNlNjQ/WVE9PT89?="
        );
    }
}
