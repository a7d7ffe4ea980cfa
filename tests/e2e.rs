//! The real binary in the hands of real clients: the SDKs of MCP and the
//! inspector's command line do what a person's client does, each the same
//! story. Below it, what desktop clients do beside the protocol's letter.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start clients and servers as processes"
)]

mod support;

#[path = "e2e/client.rs"]
mod client;
#[path = "e2e/installed.rs"]
mod installed;
#[path = "e2e/manners.rs"]
mod manners;
#[path = "e2e/readme.rs"]
mod readme;
#[path = "e2e/server.rs"]
mod server;
#[path = "e2e/story.rs"]
mod story;
