//! Programs that Mimo runs: what one is, how it lives, and how it is spoken to.

pub mod child;
pub mod job;
pub mod launcher;
pub mod link;
pub mod pins;
pub mod spec;
