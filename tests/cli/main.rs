//! The command line of the real binary: output, exit codes and files.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod archive;
mod backup;
mod commands;
mod completions;
mod demo;
mod doctor;
mod everyday;
mod home;
mod import_foreign;
mod interrupt;
mod keys;
mod memory_erase;
mod memory_export;
mod memory_foreign;
mod memory_restore;
mod next_steps;
mod packages;
#[cfg(target_os = "linux")]
mod procedures;
mod restore;
mod setup;
mod terminal;
mod update;
mod verify;
