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
#[cfg(target_os = "macos")]
mod macos;
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
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod world;

/// The path of each refusal of `entry` by the default rules.
pub fn refused(
    entry: &serde_json::Value,
    fixture: &crate::support::fixture::Fixture,
) -> Vec<String> {
    let found = config::refused(entry, fixture, &fixture.strict());
    found.into_iter().map(|(_, path)| path).collect()
}
