//! What must hold when things break: processes killed at any moment, disks that
//! fill up, files that are damaged, foreign, newer or gone. Every test looks at
//! the database file afterwards with SQL of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start and kill servers as processes"
)]

mod support;

#[path = "faults/audit.rs"]
mod audit;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/files.rs"]
mod files;
#[path = "faults/kill.rs"]
mod kill;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/releases.rs"]
mod releases;
#[path = "e2e/server.rs"]
mod server;
