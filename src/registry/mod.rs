//! The skills and whoever calls them.
pub mod table;
