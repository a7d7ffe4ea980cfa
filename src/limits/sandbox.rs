//! Bounds of what the sandbox measures and allows.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

/// A skill's policy as sent to its sandbox: arguments, environment, paths.
pub(crate) const SANDBOX_POLICY_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const SANDBOX_REPORT_BYTES_MAX: usize = 64 * 1024;
/// The longest interval of the watchdog, which varies from half of it.
pub(crate) const SANDBOX_WATCH_MILLIS_MAX: u64 = 250;
/// The interval while memory is near its bound.
pub(crate) const SANDBOX_WATCH_NEAR_MILLIS_MAX: u64 = 50;
/// The share of the bound that counts as near.
pub(crate) const SANDBOX_NEAR_PERCENT: u64 = 60;
/// Links that the path of a granted file may lead through.
pub(crate) const SANDBOX_LINKS_MAX: usize = 40;
/// Searches for orphans of a tree without a pid namespace.
pub(crate) const SANDBOX_SWEEPS_MAX: usize = 1_000;
/// Levels of folders in a skill's private folder; npm's stay under 30.
pub(crate) const SANDBOX_FOLDER_DEPTH_MAX: usize = 64;
/// Entries of the private folder that are examined between two measurements of memory.
#[cfg(any(test, target_os = "macos"))]
pub(crate) const SANDBOX_WALK_ENTRIES_MAX: usize = 1_024;
