//! `mimo connect`: serves MCP on stdin and stdout to a client that supports no other
//! transport, and forwards its messages unchanged to a Mimo over HTTP and back.
//!
//! Each request blocks a thread of its own, as those of `endpoint` do. The thread that
//! reads stdin sends notifications, answers to Mimo's requests and `initialize`, in
//! their order.

mod call;
mod events;
mod http;
mod output;
mod session;

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::http::{Method, Response, StatusCode};
use serde_json::Value;
use ureq::Body;

use crate::failure::{Failure, Kind};
use crate::limits::{
    BRIDGE_END_SECONDS_MAX, BRIDGE_PAUSE_MILLIS_MIN, BRIDGE_REQUESTS_MAX, BRIDGE_RESUMES_MAX,
    BRIDGE_RETRY_MILLIS_MAX, BRIDGE_RETRY_MILLIS_MIN, DRAIN_SECONDS_MAX, LINE_BYTES_MAX,
    OUTPUT_POLL_MILLIS_MAX,
};
use crate::wire::frame::{self, Frame, Invalid, Item};
use crate::wire::head;
use crate::wire::lines::{Line, Lines};
use call::{Call, Calls};
use events::Events;
use http::{Connection, Http, Request, SESSION, read_error};
pub(crate) use http::{Server, read_certificates};
use output::{Output, WrittenMessage};
use session::{Session, Snapshot};

const LAST_EVENT_ID: &str = "Last-Event-ID";
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

struct Bridge {
    http: Http,
    output: Output,
    calls: Calls,
    session: Mutex<Session>,
}

/// Serves the client on stdin and stdout until it leaves.
pub(crate) fn run(server: Server) {
    let bridge = Arc::new(Bridge {
        http: Http::new(server),
        output: Output::default(),
        calls: Calls::default(),
        session: Mutex::default(),
    });
    let mut lines = Lines::default();
    let mut input = io::stdin().lock();
    loop {
        match input.read(lines.space()) {
            Ok(0) => break,
            Ok(bytes) => lines.filled(bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        while let Some(line) = lines.line() {
            bridge.receive(&line);
        }
    }
    if let Some(line) = lines.rest() {
        bridge.receive(&line);
    }
    bridge.end();
}

/// How reading the answer to a request ended.
#[derive(Default)]
struct ReadOutcome {
    /// The answer was among the messages.
    is_answered: bool,
    last_id: Option<String>,
    retry_millis: Option<u64>,
}

impl ReadOutcome {
    fn wait_before_resuming(&self) {
        let millis = self.retry_millis.unwrap_or(BRIDGE_RETRY_MILLIS_MIN);
        let millis = millis.clamp(BRIDGE_RETRY_MILLIS_MIN, BRIDGE_RETRY_MILLIS_MAX);
        std::thread::sleep(Duration::from_millis(millis));
    }
}

impl Bridge {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(self: &Arc<Self>, line: &Line<'_>) {
        let line = match *line {
            Line::Whole(line) => line,
            Line::TooLong { head, tail } => return self.invalid(&frame::oversize(head, tail)),
        };
        let Some(frame) = frame::parse(line) else {
            return;
        };
        match &frame {
            Frame::Single(Item::Invalid(invalid)) => self.invalid(invalid),
            Frame::Single(Item::Cancel { id, .. }) if self.calls.cancel(id) => {}
            Frame::Single(Item::Request { request, .. }) => {
                let head = head(request);
                match head.method {
                    "initialize" => self.initialize(&frame, line),
                    _ => {
                        self.session().keep(&head, line);
                        self.begin(Call::of(&frame), line);
                    }
                }
            }
            frame if frame.is_answered() => self.begin(Call::of(frame), line),
            _ => self.notify(line),
        }
    }

    fn invalid(&self, invalid: &Invalid) {
        let id = invalid.id.as_ref().map(|id| id.raw());
        self.output.invalid(id, invalid.code, &invalid.reason);
    }

    fn initialize(self: &Arc<Self>, frame: &Frame, line: &[u8]) {
        let call = Call::of(frame);
        let opened = self.open(&mut self.session(), line, &call);
        if let Err(failure) = opened {
            self.output.fail(&call, &failure);
        }
    }

    /// Opens a session with the client's own request, and forwards the answer if `call`
    /// has a request.
    fn open(
        self: &Arc<Self>,
        session: &mut Session,
        line: &[u8],
        call: &Call,
    ) -> Result<(), Failure> {
        let response = self.http.send(&Request::post(line), &call.connection)?;
        if response.status() != StatusCode::OK {
            return self.refuse(response, call);
        }
        let id = response.headers().get(SESSION);
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let mut answer = Vec::new();
        self.read(response, &mut |message| {
            answer = std::mem::take(message);
            WrittenMessage::Answer
        })?;
        self.http.release(&call.connection);
        let document: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let version = document["result"]["protocolVersion"].as_str();
        session.version = version.map(str::to_owned);
        session.initialize = version.map(|_| line.to_vec());
        session.id = id;
        session.generation += 1;
        if !call.ids.is_empty() && self.output.message(&mut answer) == WrittenMessage::Nothing {
            return Err(no_mcp());
        }
        if session.id.is_some() {
            let (bridge, generation) = (self.clone(), session.generation);
            spawn(move || bridge.follow(generation));
        }
        Ok(())
    }

    /// Replaces a session that Mimo has forgotten, unless another thread already has.
    fn renew(self: &Arc<Self>, generation: u64) -> Result<(), Failure> {
        let mut session = self.session();
        if session.generation != generation {
            return Ok(());
        }
        let Some(initialize) = session.initialize.clone() else {
            return Err(lost("its session has ended"));
        };
        let nobody = Call::of(&Frame::Batch(Vec::new()));
        self.open(&mut session, &initialize, &nobody)?;
        if session.id.is_none() {
            return Err(lost("its session has ended, and Mimo opens no other"));
        }
        let snapshot = session.snapshot();
        let repeated = session.repeated();
        for line in std::iter::once(INITIALIZED).chain(repeated.iter().map(Vec::as_slice)) {
            // The client has their answers already.
            self.post(line, &snapshot)?;
        }
        Ok(())
    }

    /// Posts a message in a session and discards its answer.
    fn post(&self, body: &[u8], session: &Snapshot) -> Result<StatusCode, Failure> {
        let mut request =
            Request::post(body).session(session.id.as_deref(), session.version.as_deref());
        request.waits = false;
        let connection = Connection::default();
        let mut response = self.http.send(&request, &connection)?;
        read_error(response.body_mut());
        self.http.release(&connection);
        Ok(response.status())
    }

    /// Sends a message that has no answer. A failure is not reported, because nobody
    /// waits for it.
    fn notify(self: &Arc<Self>, line: &[u8]) {
        let snapshot = self.session().snapshot();
        if snapshot.id.is_none() {
            return;
        }
        let posted = self.post(line, &snapshot);
        if posted.is_ok_and(|status| status == StatusCode::NOT_FOUND)
            && self.renew(snapshot.generation).is_ok()
        {
            let snapshot = self.session().snapshot();
            let _ = self.post(line, &snapshot);
        }
    }

    /// Starts a request on a thread of its own.
    fn begin(self: &Arc<Self>, call: Call, line: &[u8]) {
        let call = Arc::new(call);
        if !self.calls.add(&call) {
            let message = format!("more than {BRIDGE_REQUESTS_MAX} requests are open");
            let failure = Failure::new(Kind::LimitExceeded, message);
            return self
                .output
                .fail(&call, &failure.hint("wait for some to be answered"));
        }
        let (bridge, line, worker) = (self.clone(), line.to_vec(), call.clone());
        let work = move || {
            bridge.calls.wait_for_turn(&worker);
            if !worker.is_cancelled() {
                let exchanged = bridge.exchange(&worker, &line);
                if let Err(failure) = exchanged
                    && !worker.is_cancelled()
                {
                    bridge.output.fail(&worker, &failure);
                }
            }
            bridge.http.release(&worker.connection);
            bridge.calls.remove(&worker);
        };
        if !spawn(work) {
            let failure = Failure::new(Kind::Unavailable, "this machine starts no more threads");
            self.output.fail(&call, &failure);
            self.calls.remove(&call);
        }
    }

    /// Sends a request and forwards messages until it is answered.
    fn exchange(self: &Arc<Self>, call: &Call, line: &[u8]) -> Result<(), Failure> {
        if let Some(it) = &call.stateless {
            let request = Request::post(line);
            let request = request.stateless(&it.version, &it.method, it.name.as_deref());
            let response = self.http.send(&request, &call.connection)?;
            return self.pass_on(call, response, None);
        }
        let mut snapshot = self.session().snapshot();
        let send = |snapshot: &Snapshot| {
            let (id, version) = (snapshot.id.as_deref(), snapshot.version.as_deref());
            let request = Request::post(line).session(id, version);
            self.http.send(&request, &call.connection)
        };
        let mut response = send(&snapshot)?;
        if response.status() == StatusCode::NOT_FOUND && snapshot.id.is_some() {
            drop(response);
            self.renew(snapshot.generation)?;
            snapshot = self.session().snapshot();
            response = send(&snapshot)?;
        }
        self.pass_on(call, response, Some(&snapshot))
    }

    fn pass_on(
        &self,
        call: &Call,
        response: Response<Body>,
        session: Option<&Snapshot>,
    ) -> Result<(), Failure> {
        match response.status() {
            StatusCode::OK => {}
            StatusCode::ACCEPTED => return Err(lost("it ended without an answer")),
            _ => return self.refuse(response, call),
        }
        let mut pass = |message: &mut Vec<u8>| match call.is_cancelled() {
            true => WrittenMessage::Other,
            false => self.output.message(message),
        };
        let mut reading = self.read(response, &mut pass)?;
        let mut resumes = 0;
        while !reading.is_answered && !call.is_cancelled() {
            let (Some(session), Some(last)) = (session, reading.last_id.clone()) else {
                break;
            };
            resumes += 1;
            if resumes > BRIDGE_RESUMES_MAX {
                break;
            }
            reading.wait_before_resuming();
            let response = self
                .http
                .send(&get(session, Some(&last)), &call.connection)?;
            if response.status() != StatusCode::OK {
                break;
            }
            let retry_millis = reading.retry_millis;
            reading = self.read(response, &mut pass)?;
            reading.last_id = reading.last_id.or(Some(last));
            reading.retry_millis = reading.retry_millis.or(retry_millis);
        }
        match reading.is_answered {
            true => Ok(()),
            false if call.is_listen => Err(Failure::new(
                Kind::Unavailable,
                "the connection to Mimo ended, and the subscription with it",
            )
            .hint("subscribe again")),
            false => Err(lost("the connection ended before the answer came")),
        }
    }

    /// Reads the messages of an answer as they arrive.
    fn read(
        &self,
        mut response: Response<Body>,
        pass: &mut dyn FnMut(&mut Vec<u8>) -> WrittenMessage,
    ) -> Result<ReadOutcome, Failure> {
        let mut reading = ReadOutcome::default();
        let kind = response.headers().get("Content-Type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_stream = kind.starts_with("text/event-stream");
        let mut body = response.body_mut().as_reader();
        if !is_stream {
            let mut message = Vec::new();
            let whole = body
                .take(LINE_BYTES_MAX as u64 + 1)
                .read_to_end(&mut message);
            if whole.is_err() {
                return Err(lost("the connection broke within the answer"));
            }
            if message.len() > LINE_BYTES_MAX {
                return Err(too_long());
            }
            reading.is_answered = pass(&mut message) == WrittenMessage::Answer;
            return match reading.is_answered {
                true => Ok(reading),
                false => Err(no_mcp()),
            };
        }
        let mut events = Events::default();
        loop {
            match body.read(events.space()) {
                Ok(bytes) if bytes > 0 => events.filled(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The stream broke or ended: the caller resumes it if it can.
                _ => break,
            }
            while let Some(event) = events.next() {
                let mut message = event.map_err(|()| too_long())?;
                reading.is_answered |= pass(&mut message) == WrittenMessage::Answer;
            }
        }
        reading.last_id = events.last_id;
        reading.retry_millis = events.retry_millis;
        Ok(reading)
    }

    /// Answers `call` with Mimo's error, or fails with the meaning of its status.
    fn refuse(&self, mut response: Response<Body>, call: &Call) -> Result<(), Failure> {
        let status = response.status().as_u16();
        let body = read_error(response.body_mut());
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        match document["jsonrpc"].is_string() && document["error"].is_object() {
            true if !call.is_cancelled() => self.output.error(call, &document["error"]),
            true => {}
            false => return Err(self.http.refusal(status)),
        }
        Ok(())
    }

    /// Forwards messages that belong to no request, for as long as the session lasts.
    fn follow(self: &Arc<Self>, generation: u64) {
        let mut reading = ReadOutcome::default();
        let connection = Connection::default();
        let mut pause = BRIDGE_PAUSE_MILLIS_MIN;
        loop {
            let snapshot = self.session().snapshot();
            if snapshot.generation != generation {
                return;
            }
            let last = reading.last_id.take();
            let answer = self
                .http
                .send(&get(&snapshot, last.as_deref()), &connection);
            match answer.as_ref().map(Response::status) {
                Ok(StatusCode::OK) => {}
                // Missed events cannot be read again: start over.
                Ok(StatusCode::METHOD_NOT_ALLOWED) if last.is_some() => {
                    reading.wait_before_resuming();
                    continue;
                }
                Ok(StatusCode::METHOD_NOT_ALLOWED) => return,
                Ok(StatusCode::NOT_FOUND) if self.renew(generation).is_ok() => return,
                _ => {
                    reading.last_id = last;
                    std::thread::sleep(Duration::from_millis(pause));
                    pause = (pause * 2).min(BRIDGE_RETRY_MILLIS_MAX);
                    continue;
                }
            }
            let Ok(response) = answer else { return };
            pause = BRIDGE_PAUSE_MILLIS_MIN;
            let mut pass = |message: &mut Vec<u8>| self.output.message(message);
            // An event that is too long is skipped.
            let next = self.read(response, &mut pass).unwrap_or_default();
            let retry_millis = next.retry_millis.or(reading.retry_millis);
            reading = ReadOutcome {
                last_id: next.last_id.or(last),
                retry_millis,
                ..next
            };
            reading.wait_before_resuming();
        }
    }

    /// Waits for the answers to the client's requests, then ends its session.
    fn end(&self) {
        let until = Instant::now() + Duration::from_secs(DRAIN_SECONDS_MAX);
        let look = Duration::from_millis(OUTPUT_POLL_MILLIS_MAX);
        while self.calls.wait_for_end(look) && !self.output.is_shut() && Instant::now() < until {}
        let snapshot = self.session().snapshot();
        if snapshot.id.is_none() {
            return;
        }
        let mut request = get(&snapshot, None);
        request.method = Method::DELETE;
        request.waits = false;
        let limit = Duration::from_secs(BRIDGE_END_SECONDS_MAX);
        self.http.send_within(&request, limit);
    }
}

fn get<'a>(session: &Snapshot, last: Option<&str>) -> Request<'a> {
    let mut request = Request::post(&[]).session(session.id.as_deref(), session.version.as_deref());
    request.method = Method::GET;
    match last {
        Some(last) => request.header(LAST_EVENT_ID, last),
        None => request,
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> bool {
    let thread = std::thread::Builder::new().name("connect".to_owned());
    thread.spawn(work).is_ok()
}

fn lost(reason: &str) -> Failure {
    Failure::new(Kind::Unavailable, format!("Mimo gave no answer: {reason}"))
        .hint("the call may have taken effect: look before calling again")
}

fn too_long() -> Failure {
    let message = format!("an answer of Mimo has more than {LINE_BYTES_MAX} bytes");
    Failure::new(Kind::LimitExceeded, message).hint("ask for less")
}

fn no_mcp() -> Failure {
    Failure::new(
        Kind::Unavailable,
        "the URL answered something else than MCP",
    )
    .hint("correct the URL, which ends in /mcp")
}
