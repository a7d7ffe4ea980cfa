//! Memory, graph, procedures, questions and the encoder, mostly through the
//! library on a real store in a temporary folder.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod ask;
mod embed;
mod graph;
mod memory;
mod metrics;
mod procedure;
