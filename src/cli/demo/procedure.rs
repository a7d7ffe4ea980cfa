//! The step about procedures: one runs without a model, and then fails on
//! purpose halfway.

use serde_json::{Value, json};

use super::session::Session;
use super::step_log::{StepLog, expect};
use crate::failure::Failure;

/// Stores an order and its delivery, then requires a free oven.
fn order() -> Value {
    let note = |text: &str, next: &str| {
        json!({
            "action": {"tool": "memory_store", "arguments": {"content": text, "tags": ["order"]}},
            "compensate": {"tool": "memory_edit", "arguments": {
                "action": "forget", "ids": ["{{ result.results[0].id }}"]}},
            "next": next,
        })
    };
    json!({
        "name": "order", "version": "1.0.0", "initial_state": "note_order",
        "description": "How the ordering site takes an order: note it, then its delivery",
        "context_schema": {
            "type": "object", "required": ["loaves", "oven_free"], "additionalProperties": false,
            "properties": {"loaves": {"type": "integer"}, "oven_free": {"type": "boolean"}},
        },
        "states": {
            "note_order": note("Order: {{ loaves }} loaves of rye", "note_delivery"),
            "note_delivery": note("Delivery: {{ loaves + 1 }} loaves, one is a gift", "check_oven"),
            "check_oven": {
                "action": {"validate": [{"that": "{{ oven_free }}", "message": "the oven is taken"}]},
                "next": "done",
            },
            "done": {"end": true},
        },
    })
}

pub(super) fn procedure(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let mut wrong = order();
    wrong["states"]["check_oven"]["next"] = json!("don");
    let client = &mut session.client;
    let define = json!({"definition": wrong, "dry_run": true});
    let (refused, is_error) = log.try_call(client, "procedure_define", define)?;
    let mistake = &refused["errors"][0];
    let fix = mistake["fix"].as_str().unwrap_or_default();
    expect(is_error && fix == "did you mean \"done\"?", || {
        format!("it answered {refused}")
    })?;
    let place = mistake["path"].as_str().unwrap_or_default();
    log.note(format!("{place}: {fix}"));
    let defined = log.call(client, "procedure_define", json!({"definition": order()}))?;
    expect(defined["outcome"] == "created", || {
        format!("it answered {defined}")
    })?;

    for (oven_free, status) in [(true, "completed"), (false, "rolled_back")] {
        let loaves = if oven_free { 12 } else { 40 };
        let context = json!({"loaves": loaves, "oven_free": oven_free});
        let run = json!({"name": "order", "context": context});
        let ran = log.call(client, "procedure_run", run)?;
        expect(ran["status"] == status, || format!("it answered {ran}"))?;
        let moves = ran["history"].as_array().cloned().unwrap_or_default();
        let path: Vec<&str> = moves
            .iter()
            .filter_map(|each| each["to"].as_str())
            .collect();
        log.note(format!("{}: {status}", path.join(" -> ")));
        if let Some(why) = ran["error"]["message"].as_str() {
            let undone = ran["compensated"].as_array().cloned().unwrap_or_default();
            let undone: Vec<&str> = undone.iter().filter_map(Value::as_str).collect();
            log.note(format!(
                "{why}; undone, the last first: {}",
                undone.join(", ")
            ));
            expect(undone == ["note_delivery", "note_order"], || {
                format!("it undid {undone:?}")
            })?;
        }
        let noted = json!({"query": "loaves", "mode": "keyword", "tags": ["order"]});
        let noted = log.search(client, noted)?;
        // What the second run noted is gone, what the first one did is not.
        expect(noted.len() == 2, || format!("it finds {noted:?}"))?;
    }
    Ok(())
}
