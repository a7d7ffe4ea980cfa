//! The step that kills the server while it works.

use serde_json::{Value, json};

use super::client::Client;
use super::session::Session;
use super::step_log::{StepLog, document_of, expect, outcomes};
use crate::failure::Failure;

/// Stores that are sent at once before the server is killed.
const BURST: usize = 100;
/// Acknowledgments that are read before it is killed.
const ACKNOWLEDGED: usize = 20;

/// Kills the server while it works on many stores, starts it again, and looks
/// for each memory whose store was acknowledged.
pub(super) fn kill(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let reading =
        |number: usize| format!("Reading {number}: the oven stood at {} °C", 180 + number);
    let client = &mut session.client;
    let acknowledged = log.timed(
        "memory_store",
        json!({"content": format!("{} .. and {} more", reading(1), BURST - 1)}),
        || {
            for number in 1..=BURST {
                let arguments = json!({"content": reading(number)});
                client.send(
                    "tools/call",
                    json!({"name": "memory_store", "arguments": arguments}),
                )?;
            }
            let mut ids = Vec::new();
            for _ in 0..BURST {
                ids.extend(stored_id(&client.next()?)?);
                if ids.len() == ACKNOWLEDGED {
                    break;
                }
            }
            Ok(ids)
        },
    )?;
    let mut ids = acknowledged;
    for answer in session.client.kill()? {
        ids.extend(stored_id(&answer)?);
    }
    session.client = Client::start(session.executable, session.folder)?;
    expect(!ids.is_empty(), || "nothing was acknowledged".to_owned())?;
    log.note(format!(
        "SIGKILL after {} of {BURST} were acknowledged; started again",
        ids.len()
    ));

    session.client.initialize()?;
    let mut kept = 0;
    for some in ids.chunks(50) {
        let wanted = json!({"ids": some, "limit": 50, "max_tokens": 20_000});
        let found = log.search(&mut session.client, wanted)?;
        kept += found
            .iter()
            .filter(|each| each.content.starts_with("Reading "))
            .count();
    }
    log.note(format!("{kept} of {} are there", ids.len()));
    expect(kept == ids.len(), || {
        format!("{} acknowledged, {kept} kept", ids.len())
    })?;

    let status = log.call(&mut session.client, "mimo_status", json!({}))?;
    let memory = &status["memory"];
    log.note(format!(
        "mimo {}: {} memories, store {}",
        status["version"].as_str().unwrap_or("?"),
        memory["active"],
        memory["state"].as_str().unwrap_or("?"),
    ));
    expect(status["version"] == env!("CARGO_PKG_VERSION"), || {
        format!("its status is {status}")
    })
}

/// The id of the stored memory; `None` if the server is overloaded on a slow machine.
fn stored_id(answer: &Value) -> Result<Option<i64>, Failure> {
    let (document, is_error) = document_of(&answer["result"])?;
    if document["error"]["kind"] == "unavailable" {
        return Ok(None);
    }
    let stored = outcomes(&document);
    expect(!is_error && stored.len() == 1, || {
        format!("a store was answered with {document}")
    })?;
    Ok(Some(stored[0].0))
}
