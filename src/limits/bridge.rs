//! Bounds of `mimo connect`.

/// Requests that are open at the same time; more are refused.
pub(crate) const BRIDGE_REQUESTS_MAX: usize = 256;
/// How many of them are sent at once; the others wait. A key may have 16 open requests
/// by default.
pub(crate) const BRIDGE_SENT_MAX: usize = 12;
/// The part of an answer that is read if it is not an MCP message.
pub(crate) const BRIDGE_ERROR_BYTES_MAX: u64 = 64 * 1024;
pub(crate) const BRIDGE_CONNECT_SECONDS_MAX: u64 = 10;
/// How long connecting is retried while the server refuses connections: it may be
/// restarting.
pub(crate) const BRIDGE_RESTART_SECONDS_MAX: u64 = 10;
pub(crate) const BRIDGE_RESTART_POLL_MILLIS: u64 = 200;
/// How long a connection may be silent. Mimo sends a keep-alive on streams every 15
/// seconds.
pub(crate) const BRIDGE_SILENCE_SECONDS_MAX: u64 = 60;
/// Retries of a request that exceeded the key's rate.
pub(crate) const BRIDGE_LIMITED_TRIES_MAX: u32 = 3;
/// The longest wait before such a retry.
pub(crate) const BRIDGE_LIMITED_SECONDS_MAX: u64 = 20;
/// How often a broken stream is resumed before its request counts as lost.
pub(crate) const BRIDGE_RESUMES_MAX: u32 = 5;
/// Bounds of the wait before a stream is resumed, whatever the server asks for.
pub(crate) const BRIDGE_RETRY_MILLIS_MIN: u64 = 100;
pub(crate) const BRIDGE_RETRY_MILLIS_MAX: u64 = 30_000;
/// The first wait after the session's stream could not be opened; it doubles each time.
pub(crate) const BRIDGE_PAUSE_MILLIS_MIN: u64 = 500;
/// Subscriptions that are repeated in a new session.
pub(crate) const BRIDGE_SUBSCRIPTIONS_MAX: usize = 64;
/// How long ending the session may take at the end.
pub(crate) const BRIDGE_END_SECONDS_MAX: u64 = 2;
