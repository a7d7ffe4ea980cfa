//! JSON-RPC over lines: what a line means, which request an answer belongs to,
//! and where the bytes come from and go to. Nothing here knows a tool.

mod connection;
mod descriptor;
pub mod frame;
pub mod lines;
mod method;
mod output;
mod running;
mod salvage;
mod shared;
mod stdio;
mod table;

pub(crate) use connection::{ClientReply, Connection};
pub(crate) use method::{BadParams, GatewayRequest, ToolCall};
pub(crate) use stdio::Stdio;
