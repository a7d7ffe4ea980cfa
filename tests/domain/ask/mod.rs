//! `ask_mimo`: routing, gathering, selection, answers and conversations.

mod answering;
mod checking;
mod client;
mod conversation;
pub mod endpoint;
mod gathering;
mod properties;
mod routing;
mod sampling;
mod selection;
mod tool;
