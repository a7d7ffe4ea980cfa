//! JSON-RPC over lines: parsing lines, matching answers to requests, and reading
//! and writing the bytes. Nothing here knows a tool.

mod admission;
mod client_requests;
mod connection;
mod descriptor;
mod exchange;
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

pub(crate) use client_requests::{ClientReply, ClientRequests};
pub(crate) use connection::Connection;
pub(crate) use exchange::{Exchange, Messages, Outbox};
pub use id::Id;
pub(crate) use method::{BadParams, GatewayRequest, Head, LISTEN, ToolCall, head};

pub(crate) use stdio::Stdio;
