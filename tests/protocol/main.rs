//! MCP on stdio as the real binary speaks it: golden transcripts, the catalog of
//! prompts and resources, and the tool profiles.

mod catalog;
mod profiles;
#[path = "../support/mod.rs"]
mod support;
mod transcripts;
