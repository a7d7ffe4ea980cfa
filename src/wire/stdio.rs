//! The transport under rmcp: lines in, typed messages to the server, answers
//! out. It owns reading, admission and the end of the connection; which bytes
//! mean what is `frame.rs`, and what is answered is the server's business.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    ClientRequest, ErrorCode, ErrorData, GetExtensions, JsonRpcMessage, RequestId,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::time::Instant;

use super::ends::Input;
use super::frame::{self, Frame, Id, Item};
use super::handle::Handle;
use super::lines::{Line, Lines};
use super::running::Running;
use super::shared::{Output, Shared};
use super::table::BatchKey;
use crate::limits::DRAIN_SECONDS_MAX;

/// Standard input and output as rmcp's transport.
pub struct Stdio {
    input: Input,
    lines: Lines,
    /// Messages that are ready for rmcp.
    ready: VecDeque<ClientJsonRpcMessage>,
    /// A frame that was read when no further request may be taken on. One is
    /// read ahead so that a cancellation still gets through at the limit, as
    /// long as no other request was sent before it; what comes after waits in
    /// the pipe. Calls have a deadline, so that wait ends.
    parked: Option<Frame>,
    /// The input has ended: since when.
    ended: Option<Instant>,
    shared: Arc<Shared>,
}

impl Stdio {
    /// Opens standard input and output. Needs a tokio runtime with I/O.
    pub fn open() -> io::Result<(Stdio, Handle)> {
        let input = Input::stdin()?;
        let shared = open_output()?;
        let handle = Handle(shared.clone());
        let stdio = Stdio {
            input,
            lines: Lines::default(),
            ready: VecDeque::new(),
            parked: None,
            ended: None,
            shared,
        };
        Ok((stdio, handle))
    }

    /// The next line of what has been read, as a frame.
    fn frame(&mut self) -> Option<Frame> {
        loop {
            let line = match self.lines.line() {
                Some(line) => line,
                None if self.ended.is_some() => self.lines.rest()?,
                None => return None,
            };
            let frame = match line {
                Line::Whole(bytes) => frame::parse(bytes),
                Line::TooLong { head, tail } => {
                    Some(Frame::Single(Item::Invalid(frame::oversize(head, tail))))
                }
            };
            if frame.is_some() {
                return frame;
            }
        }
    }

    fn admit(&mut self, frame: Frame) {
        match frame {
            Frame::Single(item) => self.admit_item(item, None),
            Frame::Batch(items) => {
                let answered =
                    |item: &&Item| matches!(item, Item::Request { .. } | Item::Invalid(_));
                let waiting = items.iter().filter(answered).count();
                let batch = (waiting > 0).then(|| self.shared.lock().table.open_batch(waiting));
                for item in items {
                    self.admit_item(item, batch);
                }
            }
        }
    }

    fn admit_item(&mut self, item: Item, batch: Option<BatchKey>) {
        match item {
            Item::Request { id, request } => self.admit_request(id, *request, batch),
            Item::Notification(notification) => self
                .ready
                .push_back(JsonRpcMessage::notification(*notification)),
            Item::Cancel { id, reason } => {
                for inner in self.shared.cancel(&id) {
                    let id = Some(RequestId::Number(inner));
                    let param = CancelledNotificationParam::new(id, reason.clone());
                    self.ready.push_back(JsonRpcMessage::notification(
                        ClientNotification::CancelledNotification(CancelledNotification::new(
                            param,
                        )),
                    ));
                }
            }
            Item::Response { id, outcome } => self.shared.answered(id, outcome),
            Item::Nothing => tracing::debug!("a line with nothing to act on"),
            Item::Invalid(invalid) => self.shared.refuse(&invalid, batch),
        }
    }

    fn admit_request(&mut self, id: Id, mut request: ClientRequest, batch: Option<BatchKey>) {
        let inner = self.shared.lock().table.open(id, batch);
        let running = Running::new(&self.shared, inner);
        request.extensions_mut().insert(running);
        let id = RequestId::Number(inner);
        self.ready.push_back(JsonRpcMessage::request(request, id));
    }

    /// No more input: from now on only what has been read is answered.
    fn end_input(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Instant::now());
            self.shared.draining.cancel();
            // Nobody is left who could answer.
            self.shared.lock().asked.clear();
        }
    }

    /// Waits for the next bytes, or for a change of the shared state.
    async fn read(&mut self) {
        let read = tokio::select! {
            biased;
            () = self.shared.wake.notified() => return,
            read = self.input.read(self.lines.space()) => read,
        };
        match read {
            Ok(0) => self.end_input(),
            Ok(bytes) => self.lines.filled(bytes),
            Err(error) => {
                tracing::warn!(%error, "standard input cannot be read");
                self.end_input();
            }
        }
    }

    /// Waits for a change of the shared state; false once the time is up.
    async fn wait(&self) -> bool {
        let changed = self.shared.wake.notified();
        match self.ended {
            None => changed.await,
            Some(since) => {
                let end = since + Duration::from_secs(DRAIN_SECONDS_MAX);
                return tokio::time::timeout_at(end, changed).await.is_ok();
            }
        }
        true
    }

    fn finish(&mut self) -> Option<ClientJsonRpcMessage> {
        self.shared.give_up(&ErrorData::new(
            ErrorCode(-32000),
            "Mimo shut down before this was answered",
            None,
        ));
        self.shared.finished.cancel();
        None
    }
}

/// What the reading side has to do, after a look at the shared state.
enum Next {
    Admit(Frame),
    Read,
    Wait,
    Finish,
}

impl Stdio {
    fn next(&mut self) -> Next {
        let (full, idle, closed, stopping) = {
            let mut state = self.shared.lock();
            let full = state.full();
            // Set in the same look as what it waits for, so no change is missed.
            state.waits = full || state.stopping || self.ended.is_some();
            (full, state.idle(), state.closed, state.stopping)
        };
        if closed {
            return Next::Finish;
        }
        if stopping {
            self.end_input();
        }
        match self.parked.take().or_else(|| self.frame()) {
            Some(frame) if full && adds(&frame) => {
                self.parked = Some(frame);
                Next::Wait
            }
            Some(frame) => Next::Admit(frame),
            None if self.ended.is_none() => Next::Read,
            None if idle => Next::Finish,
            None => Next::Wait,
        }
    }
}

/// Whether admitting this frame adds to what is open or on its way out.
fn adds(frame: &Frame) -> bool {
    let answered = |item: &Item| matches!(item, Item::Request { .. } | Item::Invalid(_));
    match frame {
        Frame::Single(item) => answered(item),
        Frame::Batch(items) => items.iter().any(answered),
    }
}

impl Transport<RoleServer> for Stdio {
    type Error = Infallible;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        // All of it happens here: the bytes are on their way, or queued within
        // bounds. There is no failure to report: a client that has gone ends
        // the connection, not the call.
        self.shared.send(message);
        ready(Ok(()))
    }

    /// rmcp drops this future whenever an answer is ready and calls again, so
    /// everything it has come to know is in `self`.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            match self.next() {
                Next::Admit(frame) => self.admit(frame),
                Next::Read => self.read().await,
                Next::Wait => {
                    if !self.wait().await {
                        return self.finish();
                    }
                }
                Next::Finish => return self.finish(),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.shared.finished.cancel();
        Ok(())
    }
}

#[cfg(unix)]
fn open_output() -> io::Result<Arc<Shared>> {
    use super::ends::End;
    use tokio::io::Interest;
    let Some(end) = End::stdout() else {
        return open_output_thread();
    };
    let end = end.register(Interest::WRITABLE)?;
    let shared = Shared::new(Output::Ready(end));
    tokio::spawn(shared.clone().write_on());
    #[cfg(target_os = "linux")]
    tokio::spawn(shared.clone().watch_output());
    Ok(shared)
}

#[cfg(not(unix))]
fn open_output() -> io::Result<Arc<Shared>> {
    open_output_thread()
}

fn open_output_thread() -> io::Result<Arc<Shared>> {
    let shared = Shared::new(Output::Thread);
    let writer = shared.clone();
    std::thread::Builder::new()
        .name("mimo-stdout".to_owned())
        .spawn(move || writer.write_thread())?;
    Ok(shared)
}
