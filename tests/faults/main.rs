//! What must hold when things break: processes killed at any moment, disks that
//! fill up, files that are damaged, foreign, newer or gone. Every test looks at
//! the database file afterwards with SQL of its own.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod audit;
mod disk;
mod files;
mod fuzz;
mod kill;
mod load;
mod releases;
