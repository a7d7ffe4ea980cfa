//! The sandbox around a skill: what every system shares, and a folder for each system.
//!
//! The supervisor is a new, single-threaded execution of our own program (`mimo
//! __sandbox`), so it may fork and allocate. The gateway, with its threads and its
//! memory, never forks.

// Forking, descriptors and privileges need system calls without safe wrappers; each
// block says why it is sound.
#![allow(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) mod control;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod files;
pub mod policy;
#[cfg_attr(not(any(test, target_os = "macos")), allow(dead_code))]
mod seatbelt;
#[cfg(any(all(test, unix), target_os = "macos"))]
#[cfg_attr(not(target_os = "macos"), allow(dead_code))]
mod size;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(target_os = "macos", path = "macos/mod.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "none.rs")]
mod system;

#[cfg(target_os = "linux")]
pub use system::*;
#[cfg(not(target_os = "linux"))]
pub(super) use system::*;

/// Whether skills run on this system.
pub(crate) const IS_AVAILABLE: bool = cfg!(any(target_os = "linux", target_os = "macos"));

/// The hidden argument that makes this program the supervisor of a sandbox.
pub const ARGUMENT: &str = "__sandbox";

/// Runs `mimo __sandbox`. This process never has a second thread.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub fn main() -> std::process::ExitCode {
    use std::io::Write as _;
    use std::process::ExitCode;
    let message = match system::supervise() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => format!("mimo __sandbox is for Mimo's own use: {error}\n"),
    };
    // There is no other way to report it.
    let _ = std::io::stderr().write_all(message.as_bytes());
    ExitCode::from(2)
}
