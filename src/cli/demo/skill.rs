//! The step that runs another server's tool in a sandbox.

use std::path::Path;

use serde_json::{Value, json};

use super::fixture_skill::NOTE;
use super::session::Session;
use super::step_log::{StepLog, expect};
use crate::failure::Failure;

/// Finds the tool, reads an allowed file, and tries a forbidden one.
pub(super) fn run_skill(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let skill = match &session.skill {
        Ok(skill) => skill,
        Err(why) => {
            log.note(format!("not shown here: {why}"));
            log.skipped = Some(why.clone());
            return Ok(());
        }
    };
    let (note, database) = (skill.note.clone(), session.folder.join("mimo.db"));
    let wanted = json!({"query": "what does this note say?", "limit": 1});
    let found = log.call(&mut session.client, "skill_find", wanted)?;
    let tool = &found["tools"][0];
    expect(tool["tool"] == "notes__read_note", || {
        format!("it found {found}")
    })?;
    log.note(format!(
        "{}: {}",
        tool["tool"].as_str().unwrap_or("?"),
        tool["description"].as_str().unwrap_or("?")
    ));
    let read = |path: &Path| json!({"tool": "notes__read_note", "arguments": {"path": path}});
    let (text, is_error) = log.call_skill(&mut session.client, read(&note))?;
    log.note(format!("its own folder: {text}"));
    expect(text == NOTE && !is_error, || format!("it read {text:?}"))?;
    let (text, is_error) = log.call_skill(&mut session.client, read(&database))?;
    log.note(format!("Mimo's database: {text}"));
    // In a root of its own the file does not even exist.
    let is_kept = text.starts_with("ENOENT") || text.starts_with("EACCES");
    expect(is_error && is_kept, || {
        format!("it was not kept from the database: {text:?}")
    })?;
    let status = json!({"section": "skills"});
    let status = log.call(&mut session.client, "mimo_status", status)?;
    let state = &status["skills"][0];
    log.note(format!("held by {}", enforced(&state["sandbox"])));
    expect(state["state"] == "running", || format!("it is {state}"))
}

/// The layers that hold the skill, by name.
fn enforced(sandbox: &Value) -> String {
    let layers = sandbox.as_object().into_iter().flatten();
    let holding = layers.filter(|(_, state)| *state == "enforced");
    let names: Vec<&str> = holding.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
