//! Procedures: definitions against their expected verdicts, the machine as a
//! model and under random walks.

mod definitions;
mod grants;
mod machine;
mod running;
mod shown;
mod world;
