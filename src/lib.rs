//! Mimo: a local memory and tool gateway for AI clients.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod embed;
pub mod failure;
pub mod limits;
pub mod skills;
pub mod telemetry;
pub mod tools;
