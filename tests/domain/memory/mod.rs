//! The memory tools on a real store in a temporary folder, with a fixed clock and
//! an encoder that counts words.

mod cleanups;
mod contract;
mod editing;
mod encoders;
mod files;
mod portability;
mod properties;
mod questions;
mod reach;
pub mod retention;
mod said;
mod searching;
mod storing;
mod vector_search;
