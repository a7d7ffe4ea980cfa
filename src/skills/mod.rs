//! Programs that Mimo runs: itself for the demo, and the skills that a person
//! names in `skills.json`: what one is, what it may do, how it lives, and how it
//! is spoken to.

pub mod child;
pub mod client;
#[cfg(target_os = "linux")]
mod containers;
pub mod env;
pub mod job;
pub mod launcher;
pub mod logs;
pub mod manifest;
pub mod pins;
pub mod policy;
pub mod refusal;
pub mod rules;
pub mod sandbox;
#[cfg_attr(not(target_os = "linux"), path = "no_sandbox.rs")]
pub mod sandbox_launcher;
#[cfg(target_os = "linux")]
mod sandbox_process;
pub mod spec;
#[cfg(target_os = "linux")]
mod versions;
