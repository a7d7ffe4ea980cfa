//! The real binary in the hands of real clients: the SDKs of MCP and the
//! inspector's command line do what a person's client does, each the same
//! story. Below it, what desktop clients do beside the protocol's letter.

mod client;
mod manners;
mod readme;
mod story;
