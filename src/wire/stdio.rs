//! Standard input and output as rmcp's transport: it owns reading, admission and
//! the end of the connection. `frame.rs` parses lines, the server answers them.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::time::Instant;

use super::admission::Admission;
use super::connection::Connection;
use super::descriptor::Input;
use super::frame::{self, Frame, Item};
use super::lines::{Line, Lines};
use super::outgoing::Output;
use super::shared::Shared;
use crate::limits::DRAIN_SECONDS_MAX;

pub(crate) struct Stdio {
    input: Input,
    lines: Lines,
    admission: Admission,
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
            admission: Admission::new(shared.clone()),
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

    /// No more input: from now on only requests that were read are answered.
    fn end_input(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Instant::now());
            // Nobody is left who could reply to requests to the client either.
            self.shared.draining.cancel();
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
            Some(frame) if is_full && frame.is_answered() => {
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
            if let Some(message) = self.admission.ready.pop_front() {
                return Some(message);
            }
            match self.next() {
                Next::Admit(frame) => self.admission.admit(frame),
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
    let shared = Shared::new(Output::Ready(output), Arc::default());
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
    let shared = Shared::new(Output::Thread, Arc::default());
    let writer = shared.clone();
    std::thread::Builder::new()
        .name("mimo-stdout".to_owned())
        .spawn(move || writer.run_writer_thread())?;
    Ok(shared)
}
