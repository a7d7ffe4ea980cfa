//! Standard input and output as rmcp's transport: it owns reading, admission and
//! the end of the connection. `frame.rs` parses lines, the server answers them.

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

use super::connection::Connection;
use super::descriptor::Input;
use super::frame::{self, Frame, Item};
use super::id::Id;
use super::lines::{Line, Lines};
use super::outgoing::Output;
use super::running::Running;
use super::shared::Shared;
use super::table::BatchKey;
use crate::limits::DRAIN_SECONDS_MAX;

pub(crate) struct Stdio {
    input: Input,
    lines: Lines,
    ready: VecDeque<ClientJsonRpcMessage>,
    /// A frame that was read when no further request may be admitted. One is read
    /// ahead so that a cancellation still gets through at the limit, as long as
    /// no other request was sent before it; the rest waits in the pipe. Calls
    /// have a deadline, so that wait ends.
    parked: Option<Frame>,
    /// When the input ended.
    ended: Option<Instant>,
    shared: Arc<Shared>,
}

impl Stdio {
    /// Opens standard input and output. Needs a tokio runtime with I/O.
    pub(crate) fn open() -> io::Result<(Stdio, Arc<dyn Connection>)> {
        let input = Input::stdin()?;
        let shared = open_output()?;
        let connection: Arc<dyn Connection> = shared.clone();
        let stdio = Stdio {
            input,
            lines: Lines::default(),
            ready: VecDeque::new(),
            parked: None,
            ended: None,
            shared,
        };
        Ok((stdio, connection))
    }

    /// The next line that was read, as a frame.
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
                for serial in self.shared.cancel(&id) {
                    let id = Some(RequestId::Number(serial));
                    let param = CancelledNotificationParam::new(id, reason.clone());
                    self.ready.push_back(JsonRpcMessage::notification(
                        ClientNotification::CancelledNotification(CancelledNotification::new(
                            param,
                        )),
                    ));
                }
            }
            Item::Response { id, reply } => self.shared.take_reply(id, reply),
            Item::Ignored => tracing::debug!("a message with nothing to act on"),
            Item::Invalid(invalid) => self.shared.refuse(&invalid, batch),
        }
    }

    fn admit_request(&mut self, id: Id, mut request: ClientRequest, batch: Option<BatchKey>) {
        let serial = self.shared.lock().table.open(id, batch);
        let running = Running::new(&self.shared, serial);
        request.extensions_mut().insert(running);
        let id = RequestId::Number(serial);
        self.ready.push_back(JsonRpcMessage::request(request, id));
    }

    /// No more input: from now on only requests that were read are answered.
    fn end_input(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Instant::now());
            self.shared.draining.cancel();
            // Nobody is left who could reply.
            self.shared.lock().client_requests.clear();
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
        self.shared.fail_all(&ErrorData::new(
            ErrorCode(-32000),
            "Mimo shut down before this was answered",
            None,
        ));
        self.shared.finished.cancel();
        None
    }
}

/// The next step of the reading side.
enum Next {
    Admit(Frame),
    Read,
    Wait,
    Finish,
}

impl Stdio {
    fn next(&mut self) -> Next {
        let (is_full, is_idle, closed, stopping) = {
            let mut state = self.shared.lock();
            let is_full = state.is_full();
            // Set under the same lock as the condition, so no change is missed.
            state.reader_waits = is_full || state.stopping || self.ended.is_some();
            (is_full, state.is_idle(), state.closed, state.stopping)
        };
        if closed {
            return Next::Finish;
        }
        if stopping {
            self.end_input();
        }
        match self.parked.take().or_else(|| self.frame()) {
            Some(frame) if is_full && needs_answer(&frame) => {
                self.parked = Some(frame);
                Next::Wait
            }
            Some(frame) => Next::Admit(frame),
            None if self.ended.is_none() => Next::Read,
            None if is_idle => Next::Finish,
            None => Next::Wait,
        }
    }
}

/// Whether anything in this frame will be answered.
fn needs_answer(frame: &Frame) -> bool {
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
        // The bytes are written or queued within bounds here and now. There is no
        // failure to report: a client that has gone ends the connection.
        self.shared.send(message);
        ready(Ok(()))
    }

    /// rmcp drops this future whenever an answer is ready and calls again, so all
    /// progress is kept in `self`.
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
    use super::descriptor::Descriptor;
    use tokio::io::Interest;
    let Some(output) = Descriptor::stdout() else {
        return open_output_thread();
    };
    let output = output.register(Interest::WRITABLE)?;
    let shared = Shared::new(Output::Ready(output));
    tokio::spawn(shared.clone().run_writer());
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
        .spawn(move || writer.run_writer_thread())?;
    Ok(shared)
}
