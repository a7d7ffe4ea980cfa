//! The command line as a person and a script meet it: the real binary, its
//! exit codes, what it prints where, and the files it leaves.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod commands;
mod home;
mod keeping;
mod memory_back;
mod memory_files;
mod memory_foreign;
#[cfg(target_os = "linux")]
mod procedures;
mod setup;
mod terminal;
