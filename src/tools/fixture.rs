//! Tools for tests only, behind a hidden flag and never in the normal list: each shows
//! one situation that a connection must handle. They have no state.

use std::time::Duration;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{Arguments, Context, Document, Reply, Tool};
use crate::failure::{Failure, Kind};

pub fn tools() -> Vec<Tool> {
    vec![
        Tool::of(
            "test_echo",
            r#"{"name":"test_echo","description":"Answers with its arguments.","inputSchema":{"type":"object","properties":{"text":{"type":"string"},"count":{"type":"integer","minimum":0,"maximum":100,"default":1},"mode":{"type":"string","enum":["plain","loud"]}},"additionalProperties":false},"annotations":{"title":"Echo","readOnlyHint":true,"openWorldHint":false}}"#,
            &(),
            |(), arguments, _| async move { Document::of(&arguments) },
        ),
        Tool::of(
            "test_sleep",
            r#"{"name":"test_sleep","description":"Answers after a while, reporting progress.","inputSchema":{"type":"object","properties":{"ms":{"type":"integer","minimum":0},"stubborn":{"type":"boolean","default":false,"description":"Take no notice of a cancellation"}},"required":["ms"],"additionalProperties":false}}"#,
            &(),
            |(), arguments, context| sleep(arguments, context),
        ),
        Tool::of(
            "test_panic",
            r#"{"name":"test_panic","description":"Panics.","inputSchema":{"type":"object","properties":{"late":{"type":"boolean","default":false}},"additionalProperties":false}}"#,
            &(),
            |(), arguments, _| panic_at_once_or_late(arguments),
        ),
        Tool::of(
            "test_flood",
            r#"{"name":"test_flood","description":"Answers with many bytes.","inputSchema":{"type":"object","properties":{"bytes":{"type":"integer","minimum":0,"maximum":16777216}},"required":["bytes"],"additionalProperties":false}}"#,
            &(),
            |(), arguments, _| async move {
                let bytes = arguments.get("bytes").and_then(Value::as_u64).unwrap_or(0);
                Document::of(&"x".repeat(bytes as usize))
            },
        ),
        // As another server's tool would answer: every member must come through.
        Tool::of(
            "test_pass",
            r#"{"name":"test_pass","description":"Answers with the result it is given.","inputSchema":{"type":"object","properties":{"result":{"type":"object"}},"required":["result"],"additionalProperties":false}}"#,
            &(),
            |(), mut arguments, _| async move {
                let result = arguments.remove("result").unwrap_or_default();
                let raw = to_raw_value(&result).map_err(Failure::internal)?;
                Ok::<_, Failure>(Reply::Forwarded(raw.into()))
            },
        ),
    ]
}

/// Takes its time, reports progress, and stops when told to.
async fn sleep(arguments: Arguments, context: Context) -> Result<Document, Failure> {
    let ms = arguments.get("ms").and_then(Value::as_u64).unwrap_or(0);
    let stubborn = arguments.get("stubborn") == Some(&Value::Bool(true));
    context
        .progress
        .report(0.0, Some(1.0), Some("asleep".to_owned()));
    let sleep = tokio::time::sleep(Duration::from_millis(ms));
    if stubborn {
        sleep.await;
    } else {
        tokio::select! {
            () = sleep => {}
            () = context.cancel.cancelled() => {
                return Err(Failure::new(Kind::Cancelled, "woken too early"));
            }
        }
    }
    context.progress.report(1.0, Some(1.0), None);
    Document::of(&json!({"slept_ms": ms}))
}

fn panic_at_once_or_late(arguments: Arguments) -> impl Future<Output = Result<Document, Failure>> {
    let late = arguments.get("late") == Some(&Value::Bool(true));
    assert!(late, "a test tool panicked at once");
    async {
        tokio::task::yield_now().await;
        panic!("a test tool panicked late")
    }
}
