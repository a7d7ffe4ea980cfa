//! Bounds of the sandbox of macOS.

/// The time between two searches for orphans: no wait tells that all have ended.
pub(crate) const SANDBOX_SWEEP_MILLIS_MAX: u8 = 2;
