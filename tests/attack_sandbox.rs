//! Attackers inside the sandbox: each case asks the operating system what came
//! of it. Groups: children contained, limits that kill, nothing left behind,
//! and real servers that work all the same.

#![cfg(target_os = "linux")]

#[path = "attack/calls.rs"]
mod calls;
#[path = "attack/doctor.rs"]
mod doctor;
#[path = "attack/files.rs"]
mod files;
#[path = "e2e/installed.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod installed;
#[path = "attack/limits.rs"]
mod limits;
#[path = "attack/network.rs"]
mod network;
#[path = "attack/orphans.rs"]
mod orphans;
#[path = "attack/processes.rs"]
mod processes;
#[path = "attack/servers.rs"]
mod servers;
#[path = "attack/support.rs"]
mod support;
