//! Requests over HTTP, keys, rates and sessions.

use std::time::Duration;

use super::series::{CALL_BOUNDS, Counter, Gauge, Histogram, Labels, label};

label! {
    /// A page of the server.
    Route, "route", {
        Mcp = "/mcp",
        Ask = "/v1/mimo/ask",
        Tool = "/v1/mimo/tool",
        Tools = "/v1/mimo/tools",
        Health = "/health",
        Live = "/health/live",
        Ready = "/health/ready",
        Metrics = "/metrics",
        Page = "/",
        PageFile = "/view/{file}",
        PageSession = "/view/session",
        PageCall = "/view/call",
        OauthProbe = "oauth_probe",
        Unknown = "unknown",
    }
}

label! {
    Method, "method", {
        Get = "GET",
        Post = "POST",
        Delete = "DELETE",
        Other = "other",
    }
}

label! {
    /// The class of a status.
    StatusClass, "status", {
        Informational = "1xx",
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }
}

impl StatusClass {
    pub fn of(status: u16) -> StatusClass {
        match status {
            ..200 => StatusClass::Informational,
            200..300 => StatusClass::Success,
            300..400 => StatusClass::Redirection,
            400..500 => StatusClass::ClientError,
            _ => StatusClass::ServerError,
        }
    }
}

label! {
    /// The request that an event stream answers.
    StreamKind, "kind", {
        Post = "post",
        Get = "get",
    }
}

label! {
    /// Why no key was accepted.
    AuthFailure, "reason", {
        Missing = "missing_credentials",
        Malformed = "malformed_credentials",
        Unknown = "unknown_key",
        Expired = "expired_key",
        Revoked = "revoked_key",
        WrongHost = "wrong_host",
        WrongOrigin = "wrong_origin",
    }
}

label! {
    /// The bound that a request met.
    RateLimit, "what", {
        Requests = "requests",
        AtOnce = "at_once",
        Connections = "connections",
        Bodies = "bodies",
    }
}

label! {
    /// Why a session ended.
    SessionEnd, "why", {
        Client = "client",
        Idle = "idle",
        Displaced = "displaced",
        KeyGone = "key_gone",
    }
}

type Request = ((Route, Method), StatusClass);

pub static REQUESTS: Counter<Request, { Request::COUNT }> = Counter::new(
    "http_requests",
    "Requests that were answered, by page, method and class of status",
);
pub static SECONDS: Histogram<Route, 13, { Route::COUNT }> = Histogram::new(
    "http_request_seconds",
    "Time from the head of a request to the head of its answer",
    &CALL_BOUNDS,
);
pub static CONNECTIONS: Gauge<()> = Gauge::new("http_connections", "Open connections");
pub static BODY_BYTES: Counter<()> =
    Counter::new("http_body_bytes", "Bytes of request bodies that were read");
pub static STREAMS: Gauge<StreamKind, { StreamKind::COUNT }> =
    Gauge::new("http_streams", "Open event streams");

pub static AUTH_FAILURES: Counter<AuthFailure, { AuthFailure::COUNT }> = Counter::new(
    "auth_failures",
    "Requests without a usable key, or from a host or origin that is not allowed",
);
pub static AUTH_LIMITED: Counter<()> = Counter::new(
    "auth_limited",
    "Requests refused because their address had too many failures",
);
pub static RATE_LIMITED: Counter<RateLimit, { RateLimit::COUNT }> = Counter::new(
    "rate_limited",
    "Requests refused because a bound was reached",
);
pub static KEYS_USABLE: Gauge<()> =
    Gauge::unset("keys_usable", "Keys that are neither expired nor revoked");
pub static KEY_EXPIRES: Gauge<()> = Gauge::unset(
    "key_expires_seconds",
    "Unix time at which the next usable key expires; absent while none does",
);
pub static SESSIONS: Gauge<()> = Gauge::new("sessions", "Open sessions of clients");
pub static SESSIONS_ENDED: Counter<SessionEnd, { SessionEnd::COUNT }> =
    Counter::new("sessions_ended", "Sessions that ended");

/// Counts a request that was answered with `status` after `duration`.
pub fn answered(route: Route, method: Method, status: u16, duration: Duration) {
    REQUESTS.increment(((route, method), StatusClass::of(status)));
    SECONDS.observe(route, duration);
}
