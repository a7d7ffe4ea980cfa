//! The graph: its rules, questions and names, against a plain model of them
//! and through the tools.

mod bench;
mod files;
mod model;
mod names;
mod properties;
mod reach;
mod time;
mod together;
mod tools;
