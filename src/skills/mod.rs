//! Skills: the MCP servers of `skills.json`, which Mimo runs in sandboxes. What the
//! manifest may say, how a server is started and confined, and the client to it.

pub mod child;
pub mod client;
#[cfg(target_os = "linux")]
mod containers;
pub mod env;
#[cfg_attr(not(target_os = "linux"), path = "no_install.rs")]
pub(crate) mod install;
pub mod job;
pub mod launcher;
pub(crate) mod logs;
pub mod manifest;
pub(crate) mod policy;
#[cfg_attr(not(target_os = "linux"), path = "no_probe.rs")]
pub mod probe;
pub(crate) mod record;
pub mod refusal;
pub mod rules;
pub mod sandbox;
#[cfg_attr(not(target_os = "linux"), path = "no_sandbox.rs")]
pub(crate) mod sandbox_launcher;
#[cfg(target_os = "linux")]
mod sandbox_process;
pub mod spec;
#[cfg(target_os = "linux")]
mod versions;
