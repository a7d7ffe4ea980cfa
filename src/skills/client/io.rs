//! The two tasks of a link: lines to the skill, and lines from it to whom they
//! concern. What a skill cannot do here: fill memory, or take the processor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::message::{self, Message};
use super::{CallError, Inner, Outgoing};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::wire::frame;
use crate::wire::lines::{Line, Lines};

/// Writes what is queued until the skill is hung up on or does not read.
pub async fn write(
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

/// Reads until the skill closes its stdout or the link is closed.
pub async fn read(inner: Arc<Inner>, mut output: Box<dyn AsyncRead + Send + Unpin>) {
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
            if take(&inner, &line) {
                idle = 0;
            }
        }
        if idle > limits::SKILL_IDLE_BYTES_MAX {
            idle -= limits::READ_BYTES;
            tokio::time::sleep(Duration::from_millis(limits::SKILL_PAUSE_MILLIS_MAX)).await;
        }
    }
    if let Some(line) = lines.rest() {
        take(&inner, &line);
    }
    inner.close("it closed its stdout");
}

/// Whether the line was of use to anyone.
fn take(inner: &Arc<Inner>, line: &Line<'_>) -> bool {
    match line {
        Line::Whole(line) => {
            let mut useful = false;
            message::read(line, |message| useful |= handle(inner, message));
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
            inner.answer(Some(id), Err(CallError::Gateway(failure)))
        }
    }
}

fn handle(inner: &Arc<Inner>, message: Message<'_>) -> bool {
    match message {
        Message::Answer { id, outcome } => {
            let outcome = match outcome {
                Ok(result) => Ok(result.to_owned()),
                Err(error) => Err(CallError::Upstream(error.to_owned())),
            };
            inner.answer(id, outcome)
        }
        Message::Request { id, method, params } => {
            request(inner, id, &method, params);
            false
        }
        Message::Note { method, params } => note(inner, &method, params),
        Message::Junk => {
            inner.faults.junk.fetch_add(1, Ordering::Relaxed);
            false
        }
    }
}

fn note(inner: &Arc<Inner>, method: &str, params: Option<&RawValue>) -> bool {
    match (method, params) {
        ("notifications/progress", Some(params)) => progress(inner, params),
        ("notifications/cancelled", Some(params)) => {
            let params: Value = serde_json::from_str(params.get()).unwrap_or_default();
            let asked = inner.state().asks.remove(&params["requestId"].to_string());
            asked.inspect(CancellationToken::cancel).is_some()
        }
        ("notifications/tools/list_changed", _) => {
            inner.relist.notify_one();
            false
        }
        (method, params) => {
            inner.downstream.note(&inner.skill, method, params);
            false
        }
    }
}

fn progress(inner: &Inner, params: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Token {
        #[serde(rename = "progressToken")]
        token: u64,
    }
    let Ok(Token { token }) = serde_json::from_str(params.get()) else {
        return false;
    };
    let sink = {
        let state = inner.state();
        state
            .waits
            .get(&token)
            .and_then(|wait| wait.handlers.progress.clone())
    };
    sink.inspect(|sink| sink(params)).is_some()
}

/// A request of the skill's own, and the capability of the client it needs.
fn request(inner: &Arc<Inner>, id: &RawValue, method: &str, params: Option<&RawValue>) {
    let needed = match method {
        "ping" => return answer(inner, id.get(), "result", "{}"),
        "roots/list" => "roots",
        "sampling/createMessage" => "sampling",
        "elicitation/create" => "elicitation",
        _ => return refuse(inner, id.get(), -32601, "there is no such method here"),
    };
    // Nothing says which call it belongs to; the newest is the likeliest.
    let asks = {
        let state = inner.state();
        let asking = state
            .waits
            .iter()
            .filter(|(_, wait)| wait.handlers.asks.is_some());
        let newest = asking.max_by_key(|(id, _)| **id);
        newest.and_then(|(_, wait)| wait.handlers.asks.clone())
    };
    // Where a call brings its own way to the client, it knows what that offers.
    if asks.is_none() && !inner.downstream.capabilities().contains_key(needed) {
        return refuse(inner, id.get(), -32601, "the client does not offer this");
    }
    let Ok(permit) = inner.asks.clone().try_acquire_owned() else {
        inner.faults.unanswered.fetch_add(1, Ordering::Relaxed);
        return refuse(inner, id.get(), -32000, "too many requests at once");
    };
    let taken_back = inner.closed.child_token();
    let id = id.get().to_owned();
    inner.state().asks.insert(id.clone(), taken_back.clone());
    let params = params.map(ToOwned::to_owned);
    let asked = match asks {
        Some(asks) => asks(method.to_owned(), params),
        None => inner
            .downstream
            .ask(&inner.skill, method.to_owned(), params),
    };
    let inner = inner.clone();
    tokio::spawn(async move {
        tokio::select! {
            outcome = asked => match outcome {
                Ok(result) => answer(&inner, &id, "result", result.get()),
                Err(error) => answer(&inner, &id, "error", error.get()),
            },
            () = taken_back.cancelled() => {}
        }
        inner.state().asks.remove(&id);
        drop(permit);
    });
}

fn refuse(inner: &Inner, id: &str, code: i32, message: &str) {
    let error = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    answer(inner, id, "error", &error);
}

fn answer(inner: &Inner, id: &str, member: &str, value: &str) {
    // A result may be spread over several lines; a message may not.
    let value = value.replace(['\n', '\r'], " ");
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{member}\":{value}}}\n");
    if !inner.post(line) {
        inner.faults.unanswered.fetch_add(1, Ordering::Relaxed);
    }
}
