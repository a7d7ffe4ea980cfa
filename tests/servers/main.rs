//! Mimo between software that others wrote: the SDKs of MCP as clients, servers
//! from npm and PyPI as skills, and the official conformance suite.

#[cfg(target_os = "linux")]
mod conformance;
mod e2e;
#[cfg(target_os = "linux")]
mod real;
#[path = "../support/mod.rs"]
mod support;
