//! MCP on stdio through the real binary: golden transcripts, the catalog of
//! prompts and resources, and the tool profiles.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod catalog;
mod categories;
mod forms;
mod hints;
mod language;
mod profiles;
mod projects;
mod roots;
mod transcripts;
mod two_callers;
