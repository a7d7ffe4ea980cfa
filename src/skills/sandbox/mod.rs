//! The sandbox around a skill, one file for each layer.
//!
//! ```text
//! gateway -> L (`mimo __sandbox`, supervises) -> I (pid 1 of its own pid
//! namespace, reaps) -> C (sheds its rights, becomes the skill)
//! ```
//!
//! Without a pid namespace there is no I, and L has a guard between it and the gateway.
//!
//! L is a new, single-threaded execution of our own program, so it may fork and
//! allocate. The gateway, with its threads and its memory, never forks.

// Forking, descriptors and privileges need system calls without safe wrappers; each
// block says why it is sound.
#![allow(unsafe_code)]

pub mod policy;

#[cfg(target_os = "linux")]
mod bpf;
#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
pub(super) mod control;
#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod excess;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
pub(super) mod folder;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod metadata;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod profile;
#[cfg(target_os = "linux")]
mod rlimits;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod sock_diag;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod watchdog;

#[cfg(target_os = "linux")]
pub use supervisor::main;

/// The hidden argument that makes this program the supervisor of a sandbox.
pub const ARGUMENT: &str = "__sandbox";

/// Protects the gateway's memory and files from other processes of its user. Called
/// before the first skill starts.
pub(crate) fn protect_gateway() {
    #[cfg(target_os = "linux")]
    // Where this fails, the sandbox itself still keeps skills out.
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Creates a folder that only its owner can open.
#[cfg(target_os = "linux")]
pub(super) fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(path)
}

/// A descriptor that becomes readable when the process `pid` ends.
#[cfg(target_os = "linux")]
pub fn end_of(pid: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    process::pidfd(nix::unistd::Pid::from_raw(pid))
}
