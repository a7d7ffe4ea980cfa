//! Mimo: a local memory and tool gateway for AI clients.

pub mod clock;
pub mod dispatch;
pub mod embed;
pub mod failure;
pub mod limits;
pub mod memory;
pub mod server;
pub mod store;
pub mod text;
pub mod tools;
pub mod vector;
pub mod wire;
