//! The two tasks of a client: one writes lines to the skill, the other reads its
//! lines and dispatches them. A skill can neither fill memory nor take the
//! processor here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::message::{self, Message};
use super::questions::on_request;
use super::queue::QueuedLine;
use super::{CallError, Inner, uri_of};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::wire::frame;
use crate::wire::lines::{Line, Lines};

/// Writes queued lines until the skill's stdin is closed, by either side.
pub(super) async fn write(
    inner: Arc<Inner>,
    mut input: Box<dyn AsyncWrite + Send + Unpin>,
    mut lines: mpsc::Receiver<QueuedLine>,
) {
    let work = async {
        while let Some(queued) = lines.recv().await {
            let written = input.write_all(queued.line.as_bytes()).await;
            if written.is_err() || input.flush().await.is_err() {
                return;
            }
            drop(queued);
        }
    };
    tokio::select! {
        () = work => inner.pipe_ended("it closed its stdin"),
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
        if idle > limits::SKILL_UNSOLICITED_BYTES_MAX {
            idle -= limits::READ_BYTES;
            tokio::time::sleep(Duration::from_millis(limits::SKILL_PAUSE_MILLIS_MAX)).await;
        }
    }
    if let Some(line) = lines.rest() {
        on_line(&inner, &line);
    }
    inner.pipe_ended("it closed its stdout");
}

/// Whether the line was of any use.
fn on_line(inner: &Arc<Inner>, line: &Line<'_>) -> bool {
    match line {
        Line::Whole(line) => {
            let mut useful = false;
            match std::str::from_utf8(line) {
                Ok(line) => {
                    let repaired = frame::without_lone_surrogates(line);
                    let line = repaired.as_deref().unwrap_or(line);
                    message::parse(line.as_bytes(), |message| {
                        useful |= on_message(inner, message);
                    });
                }
                // Read lossily only to find out which call it answers.
                Err(_) => message::parse(String::from_utf8_lossy(line).as_bytes(), |message| {
                    useful |= on_unreadable(inner, &message);
                }),
            }
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
            inner.complete(Some(id), Err(failure.into()))
        }
    }
}

/// A message that is not UTF-8.
fn on_unreadable(inner: &Inner, message: &Message<'_>) -> bool {
    let Message::Response { id: Some(id), .. } = message else {
        inner.faults.junk.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    let message = format!("{} answered with text that is not UTF-8", inner.skill);
    let failure = Failure::new(Kind::Unavailable, message)
        .hint("the skill is at fault; ask it for something else, or report it to its author");
    inner.complete(Some(*id), Err(failure.into()))
}

fn on_message(inner: &Arc<Inner>, message: Message<'_>) -> bool {
    if !matches!(message, Message::Junk(_)) {
        inner.state().silent_timeouts = 0;
    }
    match message {
        Message::Response { id, outcome } => {
            let outcome = match outcome {
                Ok(result) => Ok(result.to_owned()),
                Err(error) => Err(CallError::Upstream(
                    inner.secrets.redact_json(error).into_owned(),
                )),
            };
            inner.complete(id, outcome)
        }
        Message::Request { id, method, params } => {
            on_request(inner, id, &method, params);
            false
        }
        Message::Notification { method, params } => on_notification(inner, &method, params),
        Message::Junk(line) => {
            inner.keep_junk(line);
            false
        }
    }
}

fn on_notification(inner: &Arc<Inner>, method: &str, params: Option<&RawValue>) -> bool {
    match (method, params) {
        ("notifications/progress", Some(params)) => {
            is_within_budget(inner) && on_progress(inner, params)
        }
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
        ("notifications/resources/updated", params) if !is_subscribed(inner, params) => {
            inner.faults.dropped.fetch_add(1, Ordering::Relaxed);
            false
        }
        _ if !is_within_budget(inner) => false,
        (method, params) => {
            let params = params.map(|params| inner.secrets.redact_json(params));
            inner
                .downstream
                .notify(&inner.skill, method, params.as_deref());
            false
        }
    }
}

/// Whether one more notification may be forwarded; says the first time that one
/// was dropped.
fn is_within_budget(inner: &Inner) -> bool {
    let mut budget = inner.budget.lock().unwrap_or_else(PoisonError::into_inner);
    let is_within = budget.take(Instant::now());
    if !is_within && inner.faults.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
        let most = limits::SKILL_NOTIFICATIONS_PER_SECOND_MAX;
        tracing::warn!(skill = %inner.skill, most, "a skill sends too many notifications; those beyond the rate are dropped");
    }
    is_within
}

fn is_subscribed(inner: &Inner, params: Option<&RawValue>) -> bool {
    uri_of(params).is_some_and(|uri| inner.state().subscribed.contains(&uri))
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
