//! The real binary with real clients: one scenario for the MCP SDKs and for the
//! inspector's command line, and deviations of desktop clients.

#[cfg(target_os = "linux")]
mod both_ways;
mod client;
mod lifecycle;
#[cfg(target_os = "linux")]
mod odd;
mod readme;
mod story;
