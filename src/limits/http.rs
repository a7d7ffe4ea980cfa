//! Bounds of serving clients over HTTP.

/// The head of a request.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
pub(crate) const HTTP_HEADERS_MAX: usize = 64;
/// How long a head may take to arrive.
pub(crate) const HTTP_HEAD_SECONDS_MAX: u64 = 10;
/// How long a client may leave sent bytes unread.
pub(crate) const HTTP_UNREAD_MILLIS_MAX: u32 = 30_000;
/// How long a body may take to arrive, in addition to the time that its length earns.
pub(crate) const HTTP_BODY_SECONDS_MAX: u64 = 30;
/// The rate at which a body earns more time.
pub(crate) const HTTP_BODY_BYTES_PER_SECOND_MIN: usize = 256 * 1024;
/// How long an answer may take before the response becomes an event stream, so that no
/// proxy drops the connection as idle.
pub(crate) const HTTP_ANSWER_MILLIS_MAX: u64 = 2_000;
/// The interval of comments on an idle stream.
pub(crate) const HTTP_KEEP_ALIVE_SECONDS: u64 = 15;
/// How long a client waits before it resumes a stream.
pub(crate) const HTTP_RETRY_MILLIS: u64 = 3_000;
/// Events of one stream that are kept for a client that resumes it.
pub(crate) const HTTP_EVENTS_KEPT_MAX: usize = 64;
/// Their bytes; one event may exceed it.
pub(crate) const HTTP_EVENTS_KEPT_BYTES_MAX: usize = 256 * 1024;
/// The same for all sessions together.
pub(crate) const HTTP_EVENTS_KEPT_TOTAL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Ended streams that are kept for each session.
pub(crate) const HTTP_STREAMS_KEPT_MAX: usize = 4;
/// How long they are kept.
pub(crate) const HTTP_STREAMS_KEPT_SECONDS: u64 = 300;
/// Failed authentications from one address.
pub(crate) const HTTP_FAILURES_A_MINUTE_MAX: u32 = 30;
/// The part of an unauthenticated header that the audit log records.
pub(crate) const HTTP_AUDITED_BYTES_MAX: usize = 256;
/// How often open streams are checked for keys that are no longer usable.
pub(crate) const HTTP_KEYS_FOLLOWED_SECONDS: u64 = 1;
/// Addresses with too many failures that are remembered.
pub(crate) const HTTP_ADDRESSES_KEPT_MAX: usize = 10_000;
/// How long connections are accepted after a signal: load balancers must notice first.
pub(crate) const HTTP_ACCEPT_SECONDS_AFTER_SIGNAL: u64 = 5;
/// How often unused sessions, keys and addresses are forgotten.
pub(crate) const HTTP_SWEEP_SECONDS: u64 = 60;
/// How long a browser remembers which origins may use Mimo.
pub(crate) const HTTP_PREFLIGHT_SECONDS: u64 = 600;
/// Threads of a Mimo that serves HTTP: one per processor, within these.
pub(crate) const HTTP_THREADS_MIN: usize = 2;
pub(crate) const HTTP_THREADS_MAX: usize = 8;
/// The most that the settings may allow for one body.
pub(crate) const HTTP_BODY_MB_MAX: u64 = 32;
/// Defaults and bounds of the settings.
pub(crate) const HTTP_BODY_TOTAL_MB_DEFAULT: u64 = 128;
pub(crate) const HTTP_BODY_TOTAL_MB_MAX: u64 = 4_096;
pub(crate) const HTTP_CONNECTIONS_DEFAULT: u64 = 1_024;
pub(crate) const HTTP_CONNECTIONS_MAX: u64 = 100_000;
/// The share of all connections for one address that is not a trusted proxy.
pub(crate) const HTTP_ADDRESS_CONNECTIONS_PERCENT_MAX: usize = 75;
pub(crate) const HTTP_REQUESTS_PER_MINUTE_DEFAULT: u64 = 600;
pub(crate) const HTTP_AT_ONCE_DEFAULT: u64 = 16;
pub(crate) const HTTP_SESSIONS_DEFAULT: u64 = 4_096;
pub(crate) const HTTP_SESSIONS_MAX: u64 = 100_000;
pub(crate) const HTTP_SESSION_IDLE_MINUTES_DEFAULT: u64 = 60;
pub(crate) const HTTP_SESSION_IDLE_MINUTES_MAX: u64 = 7 * 24 * 60;
/// The timeout of sending one batch of traces to the collector.
#[cfg(feature = "otlp")]
pub(crate) const TRACE_EXPORT_SECONDS_MAX: u64 = 10;
