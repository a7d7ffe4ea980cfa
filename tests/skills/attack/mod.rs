//! Attackers inside the sandbox: each case asks the operating system what came
//! of it. Groups: children contained, limits that kill, nothing left behind,
//! and real servers that work all the same.

mod arguments;
#[cfg(target_os = "linux")]
mod calls;
mod config;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod support;
