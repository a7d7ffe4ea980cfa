//! Mimo: a local memory and tool gateway for AI clients.

pub mod clock;
pub mod dispatch;
pub mod embed;
pub mod failure;
pub mod limits;
pub mod server;
pub mod tools;
pub mod wire;
