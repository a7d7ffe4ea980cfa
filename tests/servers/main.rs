//! Mimo with software of others: MCP SDKs as clients, servers from npm and PyPI as
//! skills, and the official conformance suite.

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod clients;
mod cluster;
#[cfg(target_os = "linux")]
mod conformance;
mod database;
mod e2e;
#[cfg(target_os = "linux")]
mod install;
mod listening;
mod model;
mod monitoring;
mod nodes;
mod openapi;
#[cfg(target_os = "linux")]
mod pasted;
mod postgres;
mod proxies;
#[cfg(target_os = "linux")]
mod real;
#[cfg(target_os = "linux")]
mod runners;
#[cfg(target_os = "linux")]
mod sign_in;
#[cfg(target_os = "linux")]
mod update;
