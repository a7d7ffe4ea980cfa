//! The memory domain through its tools, on a real store in a temporary folder,
//! with a clock that stands still and an encoder that only counts words.

mod carrying;
mod contract;
mod editing;
mod files;
mod nearest;
mod properties;
mod reach;
mod retention;
mod searching;
mod storing;
