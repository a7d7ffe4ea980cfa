//! `/mcp`: a posted frame is an exchange, answered as one JSON document or as a stream
//! of events. Both revisions come here: sessions before 2026-07-28, none since.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use rmcp::model::ClientRequest;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::gate::Principal;
use super::headers::{
    LAST_EVENT_ID, SESSION, accepts, check_accepted, check_content_type, check_stateless,
    check_version, id_of, invalid, is_newest, is_stateless, text,
};
use super::inline::{self, DetachOnDrop};
use super::refusal::{Refusal, json_response};
use super::sessions::{InitializeInfo, LiveSession};
use super::stream::{ClosedOnDrop, EventStream, messages, parse_id, unsessioned};
use super::{Http, body};
use crate::caller::Caller;
use crate::limits::HTTP_ANSWER_MILLIS_MAX;
use crate::server::mcp::Mcp;
use crate::server::session::Session;
use crate::wire::frame::{self, Frame, Item};
use crate::wire::{ClientRequests, Connection, Exchange, Id, LISTEN, Messages, Outbox};

pub(super) async fn post(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_content_type(&headers)?;
    check_accepted(&headers)?;
    let (body, _space) = body::read(&http.bodies, &headers, body).await?;
    let Some(frame) = frame::parse(&body) else {
        return Err(invalid("the body is empty".to_owned()));
    };
    drop(body);
    principal.count_batch(frame.items().len())?;
    let session = text(&headers, SESSION);
    if is_stateless(&headers, &frame) {
        check_stateless(&headers, &frame)?;
        return unsessioned_exchange(&http, &principal, frame, true).await;
    }
    check_version(&headers)?;
    if let Some(id) = session {
        let live = find(&http, &principal, id, id_of(&frame)).await?;
        return session_exchange(&http, &principal, live, frame).await;
    }
    if let Frame::Single(Item::Request { request, .. }) = &frame
        && let ClientRequest::InitializeRequest(initialize) = &**request
    {
        let client_name = initialize.params.client_info.name.clone();
        return initialize_exchange(&http, &principal, frame, client_name).await;
    }
    unsessioned_exchange(&http, &principal, frame, false).await
}

pub(super) async fn get(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = session_id(&headers)?;
    if !accepts(&headers, "text/event-stream") {
        let message = "send Accept: text/event-stream";
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            message,
        ));
    }
    let live = find(&http, &principal, id, None).await?;
    let Some(last) = text(&headers, LAST_EVENT_ID) else {
        return Ok(live.standalone.read(None));
    };
    let found = parse_id(last).and_then(|(id, number)| Some((live.stream(id)?, number)));
    match found {
        Some((stream, number)) if !stream.is_over(number) => Ok(stream.read(Some(number))),
        _ => Err(nothing_to_resume()),
    }
}

/// The official clients reconnect forever to a stream that ends without an answer, such
/// as that of a cancelled call, and some without an id, which takes over the stream
/// that they have. 405 is the other answer that the protocol allows, and stops them.
fn nothing_to_resume() -> Refusal {
    let message = "this stream has nothing more; call again what was not answered";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "nothing_to_resume", message)
        .header(header::ALLOW, "POST, DELETE")
}

pub(super) async fn delete(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = session_id(&headers)?;
    let live = find(&http, &principal, id, None).await?;
    let closed = http.sessions.close(&live).await;
    closed.map_err(|failure| Refusal::failure(&failure))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The session of a request that only sessions have.
fn session_id(headers: &HeaderMap) -> Result<&str, Refusal> {
    let id = text(headers, SESSION).filter(|_| !is_newest(headers));
    id.ok_or_else(|| {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let message = "without a session only POST is served here";
        Refusal::new(status, "method_not_allowed", message).header(header::ALLOW, "POST")
    })
}

/// The session `id`, for the request with the id `request`, if it has one.
async fn find(
    http: &Arc<Http>,
    principal: &Principal,
    id: &str,
    request: Option<&Id>,
) -> Result<Arc<LiveSession>, Refusal> {
    let found = http.sessions.find(&http.server, principal, id).await;
    let found = found.map_err(|failure| Refusal::failure(&failure))?;
    found.ok_or_else(|| {
        // The same for another key's session, so that its existence is not revealed.
        let message = "there is no such session: initialize a new one";
        Refusal::json_rpc(StatusCode::NOT_FOUND, -32001, message.to_owned(), request)
    })
}

/// An exchange whose requests end when the client goes away.
async fn unsessioned_exchange(
    http: &Arc<Http>,
    principal: &Principal,
    frame: Frame,
    is_newest: bool,
) -> Result<Response, Refusal> {
    if is_newest
        && frame
            .items()
            .iter()
            .any(|item| matches!(item, Item::Response { .. }))
    {
        let message = "this revision has no requests that a client could answer";
        return Err(invalid(message.to_owned()));
    }
    if !frame.is_answered() {
        return Ok(accepted());
    }
    let is_malformed = is_malformed(&frame);
    let listens = frame.only_head().is_some_and(|head| head.method == LISTEN);
    let is_single = is_single(&frame);
    let (exchange, connection, outbox) = Exchange::open(frame, Arc::<ClientRequests>::default());
    // A caller without a session keeps its identity for work that spans several
    // requests.
    let caller = Caller::new(principal.grants.clone(), http.day_of(principal));
    let session = match listens {
        true => http.server.open_session(caller, connection.clone()),
        false => http.server.session(caller, connection.clone()),
    };
    let hears = listens.then(|| session.clone());
    let outbox = ClosedOnDrop(Arc::new(outbox));
    if listens {
        http.listens.add(principal.key.id.clone(), &outbox.0);
    }
    // An idle listener must not keep Mimo busy.
    let slot = (!listens).then(|| principal.slot());
    let mut work = match is_single {
        true => http.answer(exchange, session, connection, slot),
        false => http.run(exchange, session, connection, hears, slot),
    };
    let wait = Duration::from_millis(HTTP_ANSWER_MILLIS_MAX);
    let first = match tokio::time::timeout(wait, work.first(&outbox.0)).await {
        Ok(Some(first)) => first,
        // Cancelled by another request with its id.
        Ok(None) => return Ok(accepted()),
        Err(_) => return Ok(unsessioned(None, outbox)),
    };
    let Some(answer) = whole_answer(&first) else {
        return Ok(unsessioned(Some(first.lines), outbox));
    };
    let status = match is_malformed {
        true => StatusCode::BAD_REQUEST,
        false if is_newest => status_of_answer(answer),
        false => StatusCode::OK,
    };
    principal.slot().release();
    Ok(json_response(status, Bytes::copy_from_slice(answer)))
}

/// Whether a frame is one request that needs nothing of rmcp's loop: neither what it
/// remembers of `initialize` nor a subscription.
fn is_single(frame: &Frame) -> bool {
    let head = frame.only_head();
    head.is_some_and(|head| head.method != LISTEN && head.method != "initialize")
}

fn is_malformed(frame: &Frame) -> bool {
    matches!(frame, Frame::Single(Item::Invalid(_)))
}

/// The answer of an exchange, if nothing else was sent and nothing will be.
fn whole_answer(first: &Messages) -> Option<&[u8]> {
    let mut lines = messages(&first.lines);
    let answer = lines.next()?;
    // Messages that a cancelled request sent before are not an answer.
    let is_notification = answer.starts_with(b"{\"jsonrpc\":\"2.0\",\"method\":");
    (first.are_last && lines.next().is_none() && !is_notification).then_some(answer)
}

/// An exchange that continues without its client, which can resume its stream.
async fn session_exchange(
    http: &Arc<Http>,
    principal: &Principal,
    live: Arc<LiveSession>,
    frame: Frame,
) -> Result<Response, Refusal> {
    for item in frame.items() {
        if let Item::Cancel { id, reason } = item {
            live.cancel(id, reason);
        }
    }
    let is_answered = frame.is_answered();
    let status = match is_malformed(&frame) {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::OK,
    };
    let is_single = is_single(&frame);
    let (exchange, connection, outbox) = Exchange::open(frame, live.requests.clone());
    let outbox = Arc::new(outbox);
    live.add_exchange(&outbox);
    // Where another request may cancel this one though its own client is gone.
    let held = (outbox.clone(), principal.slot());
    let session = live.session.clone();
    let work = match is_single {
        true => http.answer(exchange, session, connection, held),
        false => http.run(exchange, session, connection, None, held),
    };
    if !is_answered {
        return Ok(accepted());
    }
    match first_answer(http, &live, outbox, work).await {
        FirstAnswer::Whole(answer) => {
            let kept = http.sessions.keep(&live).await;
            kept.map_err(|failure| Refusal::failure(&failure))?;
            principal.slot().release();
            Ok(json_response(status, answer))
        }
        FirstAnswer::Stream(stream) => Ok(stream.read(None)),
        FirstAnswer::Cancelled => Ok(accepted()),
    }
}

enum FirstAnswer {
    Whole(Vec<u8>),
    /// More than one answer, or one that takes long.
    Stream(Arc<EventStream>),
    /// The request was cancelled.
    Cancelled,
}

async fn first_answer(
    http: &Arc<Http>,
    live: &Arc<LiveSession>,
    outbox: Arc<Outbox>,
    mut work: DetachOnDrop,
) -> FirstAnswer {
    let wait = Duration::from_millis(HTTP_ANSWER_MILLIS_MAX);
    let first = match tokio::time::timeout(wait, work.first(&outbox)).await {
        Ok(Some(first)) => Some(first),
        Ok(None) => return FirstAnswer::Cancelled,
        Err(_) => None,
    };
    if let Some(answer) = first.as_ref().and_then(whole_answer) {
        return FirstAnswer::Whole(answer.to_vec());
    }
    let stream = live.add_stream(http.server.dispatch.clock().new_id());
    let first = first.map(|first| first.lines).unwrap_or_default();
    for message in messages(&first) {
        stream.push(message);
    }
    let (filled, http, live) = (stream.clone(), http.clone(), live.clone());
    tokio::spawn(async move {
        filled.fill(&outbox).await;
        if let Err(failure) = http.sessions.keep(&live).await {
            tracing::warn!(%failure, "a change of a session was not kept");
        }
    });
    FirstAnswer::Stream(stream)
}

/// The first exchange of a session, which exists once it is answered.
async fn initialize_exchange(
    http: &Arc<Http>,
    principal: &Principal,
    frame: Frame,
    client_name: String,
) -> Result<Response, Refusal> {
    let live = http.sessions.prepare(&http.server, principal);
    let (exchange, connection, outbox) = Exchange::open(frame, live.requests.clone());
    http.run(exchange, live.session.clone(), connection, None, ());
    let Some(first) = outbox.next().await else {
        return Ok(accepted());
    };
    let answer = messages(&first.lines).next().unwrap_or_default();
    let document: Value = serde_json::from_slice(answer).unwrap_or_default();
    let mut response = json_response(StatusCode::OK, Bytes::copy_from_slice(answer));
    if let Some(version) = document["result"]["protocolVersion"].as_str() {
        let info = InitializeInfo {
            protocol_version: version.to_owned(),
            client_name,
        };
        let opened = http.sessions.open(&live, info).await;
        opened.map_err(|failure| Refusal::failure(&failure))?;
        if let Ok(id) = HeaderValue::from_str(live.id()) {
            response.headers_mut().insert(SESSION, id);
        }
    }
    Ok(response)
}

impl Http {
    /// Answers an exchange of one request. `held` is dropped at its end.
    fn answer(
        self: &Arc<Self>,
        exchange: Exchange,
        session: Arc<Session>,
        connection: Arc<dyn Connection>,
        held: impl Send + 'static,
    ) -> DetachOnDrop {
        let service = Mcp::new(self.server.clone(), session, connection.clone());
        let answering = inline::answer(service, exchange, self.null_peer.clone());
        let held = (self.exchanges.token(), held);
        let ending = self.ending.clone();
        DetachOnDrop::new(async move {
            let mut answering = std::pin::pin!(answering);
            let stopping = async {
                ending.cancelled().await;
                connection.stop();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = &mut answering => return,
                () = connection.finished().cancelled() => {}
                () = stopping => {}
            }
            // Nobody waits for the answer, and a handler that was cancelled ends by itself.
            drop(held);
            answering.await;
        })
    }

    /// Serves an exchange until it is answered. `hears` gets the changes that are
    /// announced meanwhile, and `held` is dropped at its end.
    fn run(
        self: &Arc<Self>,
        exchange: Exchange,
        session: Arc<Session>,
        connection: Arc<dyn Connection>,
        hears: Option<Arc<Session>>,
        held: impl Send + 'static,
    ) -> DetachOnDrop {
        let server = self.server.clone();
        let announcing = hears.map(|session| server.clone().announce_changes(session));
        let service = Mcp::new(server, session, connection.clone());
        let cancel = CancellationToken::new();
        let open = self.exchanges.token();
        let ending = self.ending.clone();
        DetachOnDrop::detached(async move {
            let _held = (open, held);
            let running = rmcp::service::serve_directly_with_ct(service, exchange, None, cancel);
            let announcing = async {
                if let Some(announcing) = announcing {
                    announcing.await;
                }
                // Without changes, the exchange continues all the same.
                std::future::pending::<()>().await;
            };
            let stopping = async {
                ending.cancelled().await;
                // Subscriptions get their results now, and questions no replies.
                connection.stop();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = connection.finished().cancelled() => {}
                _ = running.waiting() => {}
                () = announcing => {}
                () = stopping => {}
            }
        })
    }
}

fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// The status of an answer of revision 2026-07-28.
fn status_of_answer(answer: &[u8]) -> StatusCode {
    let document: Value = match answer.starts_with(b"{\"jsonrpc\":\"2.0\",\"id\":") {
        true => serde_json::from_slice(answer).unwrap_or_default(),
        false => Value::Null,
    };
    match document["error"]["code"].as_i64() {
        Some(-32601) => StatusCode::NOT_FOUND,
        Some(-32700 | -32600 | -32020 | -32021 | -32022) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_whole_only_if_it_is_the_only_message() {
        let is_whole = |lines: &[&str], are_last| {
            let lines = lines.iter().map(|line| format!("{line}\n"));
            let lines = lines.collect::<String>().into_bytes();
            whole_answer(&Messages { lines, are_last }).is_some()
        };
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
        assert!(is_whole(&[answer], true));
        assert!(is_whole(&["[]"], true));
        assert!(!is_whole(&[answer], false));
        assert!(!is_whole(&[progress], false));
        assert!(!is_whole(&[progress], true), "its request was cancelled");
        assert!(!is_whole(&[progress, answer], true));
    }
}
