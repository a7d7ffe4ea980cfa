//! Memory, graph, procedures, questions and the encoder: the rules of each,
//! mostly through the library, on a real store in a temporary folder.

mod ask;
mod embed;
mod graph;
mod memory;
mod procedure;
#[path = "../support/mod.rs"]
mod support;
