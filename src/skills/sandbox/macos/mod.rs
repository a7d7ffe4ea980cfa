//! The sandbox of macOS: Seatbelt holds the skill, limits of the kernel each of its
//! processes, and a watchdog all of them.
//!
//! ```text
//! gateway -> G (`mimo __sandbox`, kills what L leaves) -> L (supervises, leads the
//! session) -> C (sets its limits, becomes sandbox-exec, which becomes the skill)
//! ```

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use super::policy::Layer;
use super::{control, files, policy, seatbelt, size};

mod child;
pub(in crate::skills) mod folder;
mod guard;
mod process;
mod queue;
mod supervisor;
mod tree;
mod watchdog;

pub(super) use supervisor::supervise;

/// Groups whose members are root, or may become it: wheel and admin, to which Homebrew
/// gives its folders.
pub(in crate::skills) const ROOT_GROUPS: &[u32] = &[0, 80];

/// The layers in the order in which they are applied.
pub(super) const LAYERS: &[Layer] = &[
    Layer::Orphans,
    Layer::Watchdog,
    Layer::Rlimits,
    Layer::Network,
    Layer::Seatbelt,
];

/// A descriptor that is closed on its way may be lost on macOS, so the supervisor says that
/// it has them.
pub(in crate::skills) fn wait_until_received(mut control: &UnixStream) -> io::Result<()> {
    control.read_exact(&mut [0])
}

/// The system itself keeps other programs out of the gateway's memory.
pub(in crate::skills) fn protect_gateway() {}
