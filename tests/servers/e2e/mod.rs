//! The real binary with real clients: one scenario for the MCP SDKs and for the
//! inspector's command line, and deviations of desktop clients.

mod client;
mod lifecycle;
#[cfg(target_os = "linux")]
mod odd;
mod readme;
mod story;
