//! What a person does with skills while Mimo serves: changing the manifest,
//! approving tools, reading what skills wrote. The real binary, real children in
//! the sandbox.
#![cfg(target_os = "linux")]

#[path = "running/approve.rs"]
mod approve;
#[path = "running/containers.rs"]
mod containers;
#[path = "skills/fixture.rs"]
#[allow(dead_code, reason = "manifests' tests use the rest")]
mod fixture;
#[path = "running/logs.rs"]
mod logs;
#[path = "running/reload.rs"]
mod reload;
#[path = "running/starting.rs"]
mod starting;
mod support;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "running/world.rs"]
mod world;
