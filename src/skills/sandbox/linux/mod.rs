//! The sandbox of Linux, one file for each layer.
//!
//! ```text
//! gateway -> L (`mimo __sandbox`, supervises) -> I (pid 1 of its own pid
//! namespace, reaps) -> C (sheds its rights, becomes the skill)
//! ```
//!
//! Without a pid namespace there is no I, and L has a guard between it and the gateway.

use std::os::unix::net::UnixStream;

use super::policy::Layer;
use super::{control, files, policy};

mod bpf;
mod cgroup;
mod child;
mod cpu;
mod descriptors;
mod disk;
mod excess;
pub(in crate::skills) mod folder;
mod guard;
mod init;
mod landlock;
mod metadata;
mod namespaces;
mod notify;
mod privileges;
mod process;
mod profile;
mod rlimits;
mod root;
mod seccomp;
mod sock_diag;
mod supervisor;
mod tree;
mod watchdog;

pub(super) use supervisor::supervise;

/// Groups whose members are root, or may become it.
pub(in crate::skills) const ROOT_GROUPS: &[u32] = &[0];

/// The layers in the order in which they are applied.
pub(super) const LAYERS: &[Layer] = &[
    Layer::Namespaces,
    Layer::Proc,
    Layer::Root,
    Layer::Network,
    Layer::Cgroup,
    Layer::Rlimits,
    Layer::Capabilities,
    Layer::NoNewPrivileges,
    Layer::Landlock,
    Layer::Seccomp,
    Layer::Watchdog,
    Layer::Orphans,
];

/// Protects the gateway's memory and files from other processes of its user. Called
/// before the first skill starts.
pub(in crate::skills) fn protect_gateway() {
    // Where this fails, the sandbox itself still keeps skills out.
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Descriptors may be closed here as soon as they are sent.
pub(in crate::skills) fn wait_until_received(_control: &UnixStream) -> std::io::Result<()> {
    Ok(())
}

/// A descriptor that becomes readable when the process `pid` ends.
pub fn end_of(pid: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    process::pidfd(nix::unistd::Pid::from_raw(pid))
}
