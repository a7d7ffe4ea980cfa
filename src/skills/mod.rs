//! Programs that Mimo runs: itself for the demo, and the skills that a person
//! names in `skills.json`, which are checked here and not started yet.

pub mod env;
pub mod launcher;
pub mod manifest;
pub mod policy;
pub mod refusal;
pub mod spec;
