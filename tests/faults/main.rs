//! Faults: processes killed at any moment, full disks, damaged, foreign, newer or
//! missing files, and fuzzed input. The tests check the database file with SQL of
//! their own.

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
