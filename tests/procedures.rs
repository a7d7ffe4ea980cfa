//! Procedures through the real binary: killed at every write, two Mimos on one
//! file, the shipped ones on real servers, and the command line.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests start and kill servers as processes"
)]

#[path = "procedures/cli.rs"]
mod cli;
#[path = "procedures/crash.rs"]
mod crash;
#[path = "skills/fixture.rs"]
#[allow(dead_code, reason = "manifests' tests use the rest")]
mod fixture;
#[path = "e2e/installed.rs"]
#[allow(dead_code, reason = "the clients are the other test's")]
mod installed;
#[path = "procedures/many.rs"]
mod many;
#[path = "procedures/place.rs"]
mod place;
#[path = "procedures/shipped.rs"]
mod shipped;
mod support;
