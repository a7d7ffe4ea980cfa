//! The step in which a client connects.

use serde_json::json;

use super::client::initialize_params;
use super::session::Session;
use super::step_log::{StepLog, expect};
use crate::failure::Failure;

pub(super) fn connect(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let client = &mut session.client;
    let answer = log.timed("initialize", initialize_params(), || client.initialize())?;
    let server = &answer["serverInfo"];
    expect(server["name"] == "mimo", || {
        format!("serverInfo is {server}")
    })?;
    let version = answer["protocolVersion"].as_str().unwrap_or("unknown");
    let number = server["version"].as_str().unwrap_or("?");
    log.note(format!("mimo {number}, protocol {version}"));
    log.documents.push(answer.clone());

    let listed = log.timed("tools/list", json!({}), || {
        client.request("tools/list", json!({}))
    })?;
    let tools = listed["tools"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    log.note(names.join(", "));
    for needed in [
        "memory_store",
        "memory_search",
        "memory_edit",
        "graph_update",
        "graph_query",
        "mimo_status",
    ] {
        expect(names.contains(&needed), || {
            format!("{needed} is not listed")
        })?;
    }
    Ok(())
}
