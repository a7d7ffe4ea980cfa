//! The graph: its rules, queries and names, against a plain model and through the
//! tools.

mod bench;
mod concurrency;
mod files;
mod model;
mod names;
mod properties;
mod reach;
mod time;
mod tools;
