//! Tools for tests only, behind a hidden flag and never in the normal list:
//! each shows one thing a wire has to cope with. They touch no state.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Arguments, Context, Document, Reply, Tool};
use crate::failure::{Failure, Kind};
use crate::tools;

/// The test tools.
pub fn tools() -> Vec<Tool> {
    vec![echo(), sleep(), panic(), flood(), pass()]
}

/// Answers with its arguments.
fn echo() -> Tool {
    Tool {
        name: "test_echo",
        definition: r#"{"name":"test_echo","description":"Answers with its arguments.","inputSchema":{"type":"object","properties":{"text":{"type":"string"},"count":{"type":"integer","minimum":0,"maximum":100,"default":1},"mode":{"type":"string","enum":["plain","loud"]}},"additionalProperties":false},"annotations":{"title":"Echo","readOnlyHint":true,"openWorldHint":false}}"#,
        timeout: tools::CALL_TIMEOUT,
        handler: Arc::new(|arguments: Arguments, _: Context| {
            Box::pin(async move { Ok(Document::of(&arguments)?.into()) })
        }),
    }
}

/// Takes its time, reports how far it is, and stops when told to.
fn sleep() -> Tool {
    Tool {
        name: "test_sleep",
        definition: r#"{"name":"test_sleep","description":"Answers after a while, reporting progress.","inputSchema":{"type":"object","properties":{"ms":{"type":"integer","minimum":0},"stubborn":{"type":"boolean","default":false,"description":"Take no notice of a cancellation"}},"required":["ms"],"additionalProperties":false}}"#,
        timeout: tools::CALL_TIMEOUT,
        handler: Arc::new(|arguments: Arguments, context: Context| {
            Box::pin(async move {
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
                            return Err(Failure::new(Kind::Cancelled, "woken too early").into());
                        }
                    }
                }
                context.progress.report(1.0, Some(1.0), None);
                Ok(Document::of(&json!({"slept_ms": ms}))?.into())
            })
        }),
    }
}

/// Panics.
fn panic() -> Tool {
    Tool {
        name: "test_panic",
        definition: r#"{"name":"test_panic","description":"Panics.","inputSchema":{"type":"object","properties":{"late":{"type":"boolean","default":false}},"additionalProperties":false}}"#,
        timeout: tools::CALL_TIMEOUT,
        handler: Arc::new(|arguments: Arguments, _: Context| {
            let late = arguments.get("late") == Some(&Value::Bool(true));
            assert!(late, "a test tool panicked at once");
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("a test tool panicked late")
            })
        }),
    }
}

/// Answers with a lot.
fn flood() -> Tool {
    Tool {
        name: "test_flood",
        definition: r#"{"name":"test_flood","description":"Answers with many bytes.","inputSchema":{"type":"object","properties":{"bytes":{"type":"integer","minimum":0,"maximum":16777216}},"required":["bytes"],"additionalProperties":false}}"#,
        timeout: tools::CALL_TIMEOUT,
        handler: Arc::new(|arguments: Arguments, _: Context| {
            let bytes = arguments.get("bytes").and_then(Value::as_u64).unwrap_or(0);
            Box::pin(async move { Ok(Document::of(&"x".repeat(bytes as usize))?.into()) })
        }),
    }
}

/// Answers with a whole result of its own making, as another server's tool
/// would: every field of it must come through.
fn pass() -> Tool {
    Tool {
        name: "test_pass",
        definition: r#"{"name":"test_pass","description":"Answers with the result it is given.","inputSchema":{"type":"object","properties":{"result":{"type":"object"}},"required":["result"],"additionalProperties":false}}"#,
        timeout: tools::CALL_TIMEOUT,
        handler: Arc::new(|mut arguments: Arguments, _: Context| {
            let result = arguments.remove("result").unwrap_or_default();
            Box::pin(std::future::ready(Ok(Reply::Object(result))))
        }),
    }
}
