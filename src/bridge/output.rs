//! Output to the client: whole MCP messages, one a line, and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::call::Call;
use crate::failure::Failure;
use crate::platform;

#[derive(Default)]
pub(super) struct Output {
    is_shut: AtomicBool,
}

/// Distinguishes an answer from a request or a notification.
#[derive(Deserialize)]
struct MessageShape {
    method: Option<IgnoredAny>,
}

/// What was written.
#[derive(PartialEq, Eq)]
pub(super) enum WrittenMessage {
    Answer,
    /// A request or a notification.
    Other,
    /// Nothing, because the bytes are not a message.
    Nothing,
}

impl Output {
    /// Whether the client has stopped reading.
    pub(super) fn is_shut(&self) -> bool {
        platform::stdout_closes_within(0).unwrap_or(false) || self.is_shut.load(Ordering::Relaxed)
    }

    fn line(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(bytes)
            .and_then(|()| stdout.write_all(b"\n"));
        if written.and_then(|()| stdout.flush()).is_err() {
            self.is_shut.store(true, Ordering::Relaxed);
        }
    }

    /// Forwards a message from Mimo.
    pub(super) fn message(&self, message: &mut [u8]) -> WrittenMessage {
        let is_array = message.trim_ascii_start().starts_with(b"[");
        let written = match is_array {
            true => match serde_json::from_slice::<Vec<MessageShape>>(message) {
                Ok(members) if members.iter().all(|member| member.method.is_none()) => {
                    WrittenMessage::Answer
                }
                Ok(_) => WrittenMessage::Other,
                Err(_) => WrittenMessage::Nothing,
            },
            false => match serde_json::from_slice::<MessageShape>(message) {
                Ok(MessageShape { method: None }) => WrittenMessage::Answer,
                Ok(_) => WrittenMessage::Other,
                Err(_) => WrittenMessage::Nothing,
            },
        };
        if written != WrittenMessage::Nothing {
            // Within JSON, bare line ends are only white space.
            for byte in message
                .iter_mut()
                .filter(|byte| matches!(byte, b'\n' | b'\r'))
            {
                *byte = b' ';
            }
            self.line(message);
        }
        written
    }

    /// Answers every request of `call` with `failure`.
    pub(super) fn fail(&self, call: &Call, failure: &Failure) {
        let message = match &failure.hint {
            Some(hint) => format!("{}; {hint}", failure.message),
            None => failure.message.clone(),
        };
        let code = failure.kind.json_rpc_code();
        self.error(call, &json!({"code": code, "message": message}));
    }

    pub(super) fn error(&self, call: &Call, error: &Value) {
        let ids = call.ids.iter().map(|id| id.raw());
        let answers = ids.map(|id| format_error(id, error));
        let answers: Vec<String> = answers.collect();
        match call.is_batch {
            true => self.line(format!("[{}]", answers.join(",")).as_bytes()),
            false => answers
                .iter()
                .for_each(|answer| self.line(answer.as_bytes())),
        }
    }

    /// Answers a line that is not a valid request.
    pub(super) fn invalid(&self, id: Option<&str>, code: i32, reason: &str) {
        let error = json!({"code": code, "message": reason});
        self.line(format_error(id.unwrap_or("null"), &error).as_bytes());
    }
}

fn format_error(id: &str, error: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
}
