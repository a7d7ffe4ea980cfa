//! Programs that Mimo runs: itself, for the demo, and skills in their sandbox.

pub mod launcher;
pub mod sandbox;
pub mod spec;
