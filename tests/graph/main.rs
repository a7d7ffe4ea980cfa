//! The graph: its rules, questions and names, against a plain model of them
//! and through the tools.

#![allow(
    clippy::disallowed_methods,
    reason = "tests of several processes start them"
)]

mod bench;
mod bounds;
mod files;
#[path = "../memory/support.rs"]
#[allow(dead_code, reason = "the memory tests use the rest")]
mod mimo;
mod model;
mod names;
mod properties;
#[path = "../e2e/server.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod time;
mod together;
mod tools;
