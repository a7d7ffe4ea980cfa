//! Managing skills of a running server: manifest changes, approvals and logs, with
//! the real binary and sandboxed children.

mod approve;
mod containers;
mod identity;
mod logs;
mod printable;
mod reload;
mod starting;
mod world;
