//! Asking: how often the router finds the store that answers, what of the
//! results is said, and what a conversation carries on.

mod answering;
mod conversing;
mod keeping;
mod properties;
mod routing;
