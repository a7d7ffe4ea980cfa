//! The registry: its table under seeded interleavings of all events, and the whole
//! registry over fake children.

mod interleavings;
mod processes;
mod refusals;
mod reloads;
