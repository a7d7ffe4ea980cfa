//! Attacks from configurations and from inside the sandbox, checked with the
//! operating system, and real servers that must still work.

mod arguments;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod cgroup;
mod config;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod metadata;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod packages;
mod pasted;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod runners;
mod servers;
#[cfg(target_os = "linux")]
mod world;
