//! Programs that Mimo runs. For now only itself, for the demo.

pub mod launcher;
pub mod spec;
