//! The real binary over HTTP on loopback: who is let in, what each key reaches,
//! sessions and streams, and the end.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod bridge;
mod client;
mod gate;
mod metrics;
mod mixed;
mod projects;
mod sessions;
mod skills;
mod traces;
