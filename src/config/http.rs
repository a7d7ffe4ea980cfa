//! The settings of serving clients over HTTP.

use std::net::{IpAddr, SocketAddr};

use super::environment::Environment;
use crate::failure::Failure;
use crate::limits::{
    HTTP_AT_ONCE_DEFAULT, HTTP_BODY_MB_MAX, HTTP_BODY_TOTAL_MB_DEFAULT, HTTP_CONNECTIONS_DEFAULT,
    HTTP_REQUESTS_PER_MINUTE_DEFAULT, HTTP_SESSION_IDLE_MINUTES_DEFAULT, HTTP_SESSIONS_DEFAULT,
};
use crate::secret::Secret;

const LISTEN_DEFAULT: &str = "127.0.0.1:8420";
/// The variable with a key that a person has chosen.
const KEY_VARIABLE: &str = "MIMO_API_KEY";

/// The section `[http]`. Addresses are checked when they are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpSettings {
    pub(crate) listen: Option<String>,
    pub(crate) metrics_listen: Option<String>,
    /// Where an OpenTelemetry collector takes traces over OTLP/HTTP.
    pub(crate) traces: Option<String>,
    pub(crate) behind_proxy: bool,
    pub(super) trusted_proxies: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) body_mb: u64,
    pub(crate) body_total_mb: u64,
    pub(crate) connections: u64,
    pub(crate) requests_per_minute: u64,
    pub(crate) at_once: u64,
    pub(crate) sessions: u64,
    pub(crate) session_idle_minutes: u64,
    /// From the environment.
    pub(crate) key: Option<Secret>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            listen: None,
            metrics_listen: None,
            traces: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            body_mb: HTTP_BODY_MB_MAX,
            body_total_mb: HTTP_BODY_TOTAL_MB_DEFAULT,
            connections: HTTP_CONNECTIONS_DEFAULT,
            requests_per_minute: HTTP_REQUESTS_PER_MINUTE_DEFAULT,
            at_once: HTTP_AT_ONCE_DEFAULT,
            sessions: HTTP_SESSIONS_DEFAULT,
            session_idle_minutes: HTTP_SESSION_IDLE_MINUTES_DEFAULT,
            key: None,
        }
    }
}

impl HttpSettings {
    /// Adds what the environment says: the prototype's variables for the address, and
    /// its key.
    pub(super) fn resolve(mut self, environment: &Environment) -> Result<Self, Failure> {
        let text = |name: &str| {
            let value = environment.variables.get(name)?;
            Some(value.to_string_lossy().into_owned())
        };
        let (host, port) = (text("MIMO_HOST"), text("MIMO_HTTP_PORT"));
        if host.is_some() || port.is_some() {
            let listen = self.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
            let listen = parse_address(listen).map_err(|why| Failure::invalid("", why))?;
            let host = match &host {
                Some(host) => parse_ip(host)
                    .map_err(|why| Failure::invalid("", format!("MIMO_HOST: {why}")))?,
                None => listen.ip(),
            };
            let port = match &port {
                Some(port) => port.parse().map_err(|_| {
                    Failure::invalid(
                        "",
                        format!("MIMO_HTTP_PORT is {port:?}, which is not a port"),
                    )
                })?,
                None => listen.port(),
            };
            self.listen = Some(SocketAddr::new(host, port).to_string());
        }
        let key = environment.read_secret.and_then(|read| read(KEY_VARIABLE));
        let key = key.and_then(|key| key.into_string().ok());
        self.key = key.filter(|key| !key.is_empty()).map(Secret::new);
        Ok(self)
    }

    pub(crate) fn trusted_proxies(&self) -> Result<Vec<IpAddr>, Failure> {
        let proxies = self.trusted_proxies.iter();
        let proxies = proxies.map(|proxy| parse_ip(proxy));
        let proxies: Result<_, String> = proxies.collect();
        proxies.map_err(|why| Failure::invalid("", why))
    }

    pub(crate) fn listen(&self) -> &str {
        self.listen.as_deref().unwrap_or(LISTEN_DEFAULT)
    }
}

/// An address with a port; `localhost` is this machine.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.replacen("localhost:", "127.0.0.1:", 1);
    numbers
        .parse()
        .map_err(|_| format!("{text} is not an address and port, such as {LISTEN_DEFAULT}"))
}

pub(super) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let number = match text {
        "localhost" => "127.0.0.1",
        text => text,
    };
    number
        .parse()
        .map_err(|_| format!("{text} is not an IP address, such as 127.0.0.1"))
}
