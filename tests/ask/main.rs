//! Asking: how often the router finds the store that answers, what of the
//! results is said, and what a conversation carries on.

mod answering;
mod checking;
mod client;
mod conversing;
mod endpoint;
mod keeping;
#[path = "../memory/support.rs"]
#[allow(dead_code, reason = "the memory tests use the rest")]
mod mimo_tools;
mod properties;
mod relating;
mod routing;
mod sampled;
#[path = "../support/mod.rs"]
mod support;
mod through;
