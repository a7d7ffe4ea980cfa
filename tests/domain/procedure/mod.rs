//! Procedures: definitions, the state machine, and executions over a real store.

mod definitions;
mod grants;
mod machine;
mod running;
mod takeover;
mod views;
mod world;
