//! JSON-RPC over lines: what a line means, which request an answer belongs to,
//! and the ends the bytes come and go by. Nothing here knows a tool.

mod ends;
pub mod frame;
mod handle;
pub mod lines;
mod method;
mod passed;
mod running;
mod salvage;
mod shared;
pub mod stdio;
mod table;

pub use handle::{Handle, Outcome};
pub use method::{BadParams, LooseArguments};
pub use stdio::Stdio;
