//! Skills: manifests, the sandbox under attack, the link, the registry, and all of
//! it through the real binary.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod attack;
#[cfg(target_os = "linux")]
mod calling;
mod cli;
mod definitions;
mod grants;
mod import;
mod link;
mod manifest;
mod programs;
mod properties;
mod registry;
mod results;
#[cfg(target_os = "linux")]
mod running;
