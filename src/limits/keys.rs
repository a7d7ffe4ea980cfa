//! Bounds of the keys and sessions of clients on the network.

/// Keys in one database; beyond it those that are no longer usable are forgotten.
pub const KEYS_KEPT_MAX: usize = 1_000;
/// Projects that one key names.
pub(crate) const KEY_PROJECTS_MAX: usize = 64;
/// Tool patterns of one key.
pub(crate) const KEY_TOOLS_MAX: usize = 64;
/// The greatest `requests_per_minute` of a key.
pub(crate) const KEY_REQUESTS_PER_MINUTE_MAX: u32 = 1_000_000;
/// The greatest `at_once` of a key.
pub(crate) const KEY_AT_ONCE_MAX: u32 = 1_024;
/// How long the previous text of a rotated key stays valid: 30 days.
pub(crate) const KEY_OVERLAP_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;
/// A key that is read to be checked.
pub(crate) const KEY_INPUT_BYTES_MAX: u64 = 4 * 1024;
/// The least time between two records of a key's use.
pub const KEY_TOUCH_SECONDS_MIN: i64 = 60;
/// A key that a person chose, in `MIMO_API_KEY`.
pub const KEY_CHOSEN_BYTES_MIN: usize = 32;

/// Sessions of one key; beyond it the longest unused one ends.
pub const SESSIONS_OF_KEY_MAX: usize = 64;
/// The least time between two records of a session's use.
pub const SESSION_TOUCH_SECONDS_MIN: i64 = 60;
/// The capabilities of a session's client, as JSON.
pub const SESSION_CAPABILITIES_BYTES_MAX: usize = 64 * 1024;
/// A URI that a session subscribes to.
pub const SESSION_URI_BYTES_MAX: usize = 4 * 1024;
/// A key that expires within this time is counted as one that expires soon.
pub(crate) const KEY_EXPIRES_SOON_SECONDS: i64 = 7 * 24 * 60 * 60;
