//! The registry: its table under seeded interleavings of everything that can
//! happen, and the whole of it over fake children.

#[path = "registry/interleavings.rs"]
mod interleavings;

#[path = "support/children.rs"]
mod children;
#[path = "registry/together.rs"]
mod together;
