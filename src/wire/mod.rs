//! JSON-RPC over lines: parsing lines, matching answers to requests, and reading
//! and writing the bytes. Nothing here knows a tool.

mod connection;
mod descriptor;
pub mod frame;
mod id;
pub mod lines;
mod method;
mod outgoing;
mod output;
mod running;
mod salvage;
mod shared;
mod stdio;
mod table;

pub(crate) use connection::Connection;
pub use id::Id;
pub(crate) use method::{BadParams, GatewayRequest, ToolCall};
pub(crate) use shared::ClientReply;
pub(crate) use stdio::Stdio;
