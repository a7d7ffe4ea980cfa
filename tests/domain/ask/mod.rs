//! Asking: how often the router finds the store that answers, what of the
//! results is said, and what a conversation carries on.

mod answering;
mod checking;
mod client;
mod conversing;
mod endpoint;
mod keeping;
mod properties;
mod relating;
mod routing;
mod sampled;
mod through;
