//! Bounds of `mimo connect`.

/// Requests that are open at the same time; more are refused.
pub(crate) const BRIDGE_REQUESTS_MAX: usize = 256;
/// How many of them are sent; the rest waits. A key may have 16 open requests by default.
pub(crate) const BRIDGE_SENT_MAX: usize = 12;
/// What is read of an answer that is no message of MCP.
pub(crate) const BRIDGE_ERROR_BYTES_MAX: u64 = 64 * 1024;
pub(crate) const BRIDGE_CONNECT_SECONDS_MAX: u64 = 10;
/// How long a server that refuses connections is tried again: it may be restarting.
pub(crate) const BRIDGE_RESTART_SECONDS_MAX: u64 = 10;
pub(crate) const BRIDGE_RESTART_LOOK_MILLIS: u64 = 200;
/// How long a connection may be silent. A stream says something every 15 seconds.
pub(crate) const BRIDGE_SILENCE_SECONDS_MAX: u64 = 60;
/// How often a request is sent again that came too early for the key's rate.
pub(crate) const BRIDGE_LIMITED_TRIES_MAX: u32 = 3;
/// The longest wait before that.
pub(crate) const BRIDGE_LIMITED_SECONDS_MAX: u64 = 20;
/// How often a stream that broke is resumed before its request counts as lost.
pub(crate) const BRIDGE_RESUMES_MAX: u32 = 5;
/// Bounds of the wait before a stream is resumed, whatever the server asks for.
pub(crate) const BRIDGE_RETRY_MILLIS_MIN: u64 = 100;
pub(crate) const BRIDGE_RETRY_MILLIS_MAX: u64 = 30_000;
/// The first wait after the standing stream could not be opened; each next one doubles.
pub(crate) const BRIDGE_PAUSE_MILLIS_MIN: u64 = 500;
/// Subscriptions that are repeated in a new session.
pub(crate) const BRIDGE_SUBSCRIPTIONS_MAX: usize = 64;
/// How long the end of the session may take at the end.
pub(crate) const BRIDGE_END_SECONDS_MAX: u64 = 2;
