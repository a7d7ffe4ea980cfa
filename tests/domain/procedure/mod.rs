//! Procedures: definitions, the state machine, and executions over a real store.

mod definitions;
mod grants;
mod machine;
mod running;
mod views;
mod world;
