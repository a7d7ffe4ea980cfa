//! The graph: its rules, questions and names, against a plain model of them
//! and through the tools.

#![allow(
    clippy::disallowed_methods,
    reason = "tests of several processes start them"
)]

mod model;
mod properties;
mod support;
