//! Bounds of what the sandbox measures and allows.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

/// A skill's policy on its way to its sandbox: arguments, environment, paths.
pub(crate) const SANDBOX_POLICY_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const SANDBOX_REPORT_BYTES_MAX: usize = 64 * 1024;
/// The longest interval of the watchdog; it varies from a half.
pub(crate) const SANDBOX_WATCH_MILLIS_MAX: u64 = 250;
/// The interval while memory is near its bound.
pub(crate) const SANDBOX_WATCH_NEAR_MILLIS_MAX: u64 = 50;
/// The share of the bound that counts as near.
pub(crate) const SANDBOX_NEAR_PERCENT: u64 = 60;
/// Links that the path of a granted file may lead through.
pub(crate) const SANDBOX_LINKS_MAX: usize = 40;
/// Searches for orphans of a tree without a pid namespace.
pub(crate) const SANDBOX_SWEEPS_MAX: usize = 1_000;
