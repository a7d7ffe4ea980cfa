//! The graph: its rules, questions and names, against a plain model of them
//! and through the tools.

#![allow(
    clippy::disallowed_methods,
    reason = "tests of several processes start them"
)]

#[path = "../memory/support.rs"]
#[allow(dead_code, reason = "the memory tests use the rest")]
mod mimo;
mod model;
mod names;
mod properties;
mod support;
mod time;
mod tools;
