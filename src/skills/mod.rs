//! Skills: the MCP servers of `skills.json`, which Mimo runs in sandboxes. What the
//! manifest may say, how a server is started and confined, and the client to it.

pub mod child;
pub mod client;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod containers;
pub mod env;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    path = "no_install.rs"
)]
pub(crate) mod install;
pub mod job;
pub mod launcher;
pub(crate) mod logs;
pub mod manifest;
pub(crate) mod policy;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    path = "no_probe.rs"
)]
pub mod probe;
pub(crate) mod record;
pub mod refusal;
pub mod rules;
pub mod sandbox;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    path = "no_sandbox.rs"
)]
pub(crate) mod sandbox_launcher;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod sandbox_process;
pub mod spec;
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub mod supervised;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod versions;
