//! The two tasks of a client: one writes lines to the skill, the other reads its
//! lines and dispatches them. A skill can neither fill memory nor take the
//! processor here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::message::{self, Message};
use super::questions::on_request;
use super::{CallError, Inner, Outgoing};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::wire::frame;
use crate::wire::lines::{Line, Lines};

/// Writes queued lines until the skill's stdin is closed, by either side.
pub(super) async fn write(
    inner: Arc<Inner>,
    mut input: Box<dyn AsyncWrite + Send + Unpin>,
    mut lines: mpsc::Receiver<Outgoing>,
) {
    let work = async {
        while let Some(Outgoing(line, room)) = lines.recv().await {
            let written = input.write_all(line.as_bytes()).await;
            if written.is_err() || input.flush().await.is_err() {
                return;
            }
            drop(room);
        }
    };
    tokio::select! {
        () = work => inner.close("it closed its stdin"),
        () = inner.stdin_closed.cancelled() => {}
    }
}

/// Reads until the skill closes its stdout or the client is closed.
pub(super) async fn read(inner: Arc<Inner>, mut output: Box<dyn AsyncRead + Send + Unpin>) {
    let kept = limits::LINE_END_KEPT_BYTES_MAX;
    let mut lines = Lines::bounded(limits::SKILL_LINE_BYTES_MAX, kept);
    let mut idle = 0;
    loop {
        let bytes = tokio::select! {
            bytes = output.read(lines.space()) => bytes.unwrap_or(0),
            () = inner.closed.cancelled() => return,
        };
        if bytes == 0 {
            break;
        }
        lines.filled(bytes);
        idle += bytes;
        while let Some(line) = lines.line() {
            if on_line(&inner, &line) {
                idle = 0;
            }
        }
        if idle > limits::SKILL_IDLE_BYTES_MAX {
            idle -= limits::READ_BYTES;
            tokio::time::sleep(Duration::from_millis(limits::SKILL_PAUSE_MILLIS_MAX)).await;
        }
    }
    if let Some(line) = lines.rest() {
        on_line(&inner, &line);
    }
    inner.close("it closed its stdout");
}

/// Whether the line was of use to anyone.
fn on_line(inner: &Arc<Inner>, line: &Line<'_>) -> bool {
    match line {
        Line::Whole(line) => {
            let mut useful = false;
            message::parse(line, |message| useful |= on_message(inner, message));
            useful
        }
        Line::TooLong { head, tail } => {
            inner.faults.oversize.fetch_add(1, Ordering::Relaxed);
            let id = frame::oversize(head, tail).id;
            let Some(id) = id.and_then(|id| id.raw().parse::<u64>().ok()) else {
                return false;
            };
            let message = format!(
                "{} answered with more than {} bytes",
                inner.skill,
                limits::SKILL_LINE_BYTES_MAX
            );
            let failure = Failure::new(Kind::LimitExceeded, message).hint("ask it for less");
            inner.settle(Some(id), Err(failure.into()))
        }
    }
}

fn on_message(inner: &Arc<Inner>, message: Message<'_>) -> bool {
    match message {
        Message::Response { id, outcome } => {
            let outcome = match outcome {
                Ok(result) => Ok(result.to_owned()),
                Err(error) => Err(CallError::Upstream(
                    inner.secrets.redact_json(error).into_owned(),
                )),
            };
            inner.settle(id, outcome)
        }
        Message::Request { id, method, params } => {
            on_request(inner, id, &method, params);
            false
        }
        Message::Notification { method, params } => on_notification(inner, &method, params),
        Message::Junk => {
            inner.faults.junk.fetch_add(1, Ordering::Relaxed);
            false
        }
    }
}

fn on_notification(inner: &Arc<Inner>, method: &str, params: Option<&RawValue>) -> bool {
    match (method, params) {
        ("notifications/progress", Some(params)) => on_progress(inner, params),
        ("notifications/cancelled", Some(params)) => {
            let params: Value = serde_json::from_str(params.get()).unwrap_or_default();
            let id = params["requestId"].to_string();
            let question = inner.state().questions.remove(&id);
            question.inspect(CancellationToken::cancel).is_some()
        }
        ("notifications/tools/list_changed", _) => {
            inner.tools_changed.notify_one();
            false
        }
        (method, params) => {
            let params = params.map(|params| inner.secrets.redact_json(params));
            inner
                .downstream
                .notify(&inner.skill, method, params.as_deref());
            false
        }
    }
}

fn on_progress(inner: &Inner, params: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Token {
        #[serde(rename = "progressToken")]
        token: u64,
    }
    let Ok(Token { token }) = serde_json::from_str(params.get()) else {
        return false;
    };
    let progress = {
        let state = inner.state();
        let pending = state.pending.get(&token);
        pending.and_then(|pending| pending.handlers.progress.clone())
    };
    progress.inspect(|report| report(params)).is_some()
}
