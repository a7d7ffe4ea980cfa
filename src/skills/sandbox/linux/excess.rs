//! A bound that a process tree exceeds.

use super::policy::{KillReason, Report};

/// The reason, the measured and the allowed value.
pub(super) type Excess = (KillReason, u64, u64);

pub(super) fn killed((reason, measured, allowed): Excess) -> Report {
    Report::Killed {
        reason,
        measured,
        allowed,
    }
}
