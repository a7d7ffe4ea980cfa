//! The registry: its table under seeded interleavings of everything that can
//! happen, and the whole of it over fake children.

mod interleavings;
mod together;
