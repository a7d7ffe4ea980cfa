//! A client of one skill over its pipes, which hands results and definitions on
//! as they were written. Processes, restarts and approval stay outside.

mod io;
pub mod message;
mod requests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::spec::SkillName;
use crate::caller::AskClient;
use crate::failure::{Failure, Kind};
use crate::limits;

pub use crate::failure::CallError;
pub use requests::{ServerInfo, Tool};

/// The client on the other side of Mimo, as far as a skill may reach it.
pub trait DownstreamClient: Send + Sync {
    /// Ready once it is known what the client offers, or that nobody will say.
    fn wait_initialized(&self) -> BoxFuture<'static, ()>;
    /// The client's capabilities: what a skill may ask it for.
    fn capabilities(&self) -> Map<String, Value>;
    /// Passes a skill's request on; the answer is a result or a JSON-RPC error.
    fn ask(
        &self,
        skill: &SkillName,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>>;
    /// Passes a skill's notification on; never waits.
    fn note(&self, skill: &SkillName, method: &str, params: Option<&RawValue>);
}

/// No client that could be asked: what a skill asks for is refused.
pub struct NoClient;

impl DownstreamClient for NoClient {
    fn wait_initialized(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn capabilities(&self) -> Map<String, Value> {
        Map::new()
    }

    fn ask(
        &self,
        _skill: &SkillName,
        method: String,
        _params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>> {
        let error = serde_json::json!({
            "code": -32601,
            "message": format!("Mimo cannot pass {method} on to its client"),
        });
        let refused = serde_json::value::to_raw_value(&error).unwrap_or_default();
        Box::pin(std::future::ready(Err(refused)))
    }

    fn note(&self, _skill: &SkillName, _method: &str, _params: Option<&RawValue>) {}
}

/// Where the `params` of a call's progress notifications go.
pub type Progress = Arc<dyn Fn(&RawValue) + Send + Sync>;

/// Who follows a request while it is open.
#[derive(Clone, Default)]
pub struct CallHandlers {
    /// Told how far it is.
    pub progress: Option<Progress>,
    /// Asked in the client's stead.
    pub asks: Option<AskClient>,
}

/// How often a skill broke the rules.
#[derive(Debug, Default)]
pub struct Faults {
    /// Lines that are no message.
    pub junk: AtomicU64,
    /// Lines beyond the bound.
    pub oversize: AtomicU64,
    /// Answers to no request of ours, or to one that was answered before.
    pub stray: AtomicU64,
    /// Requests of its own beyond the bound, or whose answer it did not take.
    pub unanswered: AtomicU64,
}

/// A connection to a skill.
#[derive(Clone)]
pub struct SkillClient(Arc<Inner>);

struct Inner {
    skill: SkillName,
    downstream: Arc<dyn DownstreamClient>,
    state: Mutex<State>,
    out: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
    asks: Arc<Semaphore>,
    stdin_closed: CancellationToken,
    closed: CancellationToken,
    relist: Notify,
    faults: Faults,
}

#[derive(Default)]
struct State {
    last: u64,
    waits: HashMap<u64, Wait>,
    /// The skill's own requests that are being answered.
    asks: HashMap<String, CancellationToken>,
    closed: Option<String>,
}

/// What a request ends with.
type Answer = Result<Box<RawValue>, CallError>;

struct Wait {
    reply: oneshot::Sender<Answer>,
    handlers: CallHandlers,
}

/// A line and its share of the room for lines.
struct Outgoing(String, Option<OwnedSemaphorePermit>);

impl SkillClient {
    /// Takes over the pipes. It lives until the skill closes its stdout or
    /// [`SkillClient::close`] is called.
    pub fn open(
        skill: SkillName,
        input: Box<dyn AsyncWrite + Send + Unpin>,
        output: Box<dyn AsyncRead + Send + Unpin>,
        downstream: Arc<dyn DownstreamClient>,
    ) -> SkillClient {
        let (out, lines) = mpsc::channel(limits::SKILL_OUTGOING_LINES_MAX);
        let inner = Arc::new(Inner {
            skill,
            downstream,
            state: Mutex::default(),
            out,
            room: Arc::new(Semaphore::new(limits::SKILL_OUTGOING_BYTES_MAX)),
            asks: Arc::new(Semaphore::new(limits::SKILL_ASKS_MAX)),
            stdin_closed: CancellationToken::new(),
            closed: CancellationToken::new(),
            relist: Notify::new(),
            faults: Faults::default(),
        });
        tokio::spawn(io::write(inner.clone(), input, lines));
        tokio::spawn(io::read(inner.clone(), output));
        SkillClient(inner)
    }

    /// Sends a request and waits for its answer. `params` is given the request's
    /// id, which is its progress token too. Dropping this takes the request back.
    pub async fn request(
        &self,
        method: &str,
        handlers: CallHandlers,
        params: impl FnOnce(u64) -> Option<String>,
    ) -> Result<Box<RawValue>, CallError> {
        let (id, answer) = self.0.register(handlers).map_err(CallError::Gateway)?;
        let mut waiting = Waiting {
            inner: &self.0,
            id,
            notice: None,
        };
        let params = params(id).map_or(String::new(), |params| format!(",\"params\":{params}"));
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"{params}}}\n");
        self.0.send(line).await.map_err(CallError::Gateway)?;
        // The protocol does not let `initialize` be taken back.
        waiting.notice = (method != "initialize").then_some(());
        answer
            .await
            .unwrap_or_else(|_| Err(CallError::Gateway(self.0.gone())))
    }

    /// Sends a request of the client's as it was written: `resources/*`,
    /// `prompts/*`, `completion/complete`.
    pub async fn pass(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        self.request(method, CallHandlers::default(), |_| {
            params.map(|params| params.get().to_owned())
        })
        .await
    }

    /// Passes a notification on, where the skill has room for it.
    pub fn notify(&self, method: &str, params: Option<&RawValue>) {
        let params = params.map_or(String::new(), |params| format!(",\"params\":{params}"));
        self.0.post(format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"{params}}}\n"
        ));
    }

    /// Ready once the skill has announced that its tools changed.
    pub async fn tools_changed(&self) {
        self.0.relist.notified().await;
    }

    /// Closes the skill's stdin, which asks it to end.
    pub fn close_stdin(&self) {
        self.0.stdin_closed.cancel();
    }

    /// Ready once nothing comes from the skill any more.
    pub async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Ends it; what is not answered by now never will be.
    pub fn close(&self, why: &str) {
        self.0.close(why);
    }

    /// How often the skill broke the rules.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Requests that are not answered yet.
    pub fn in_flight(&self) -> usize {
        self.0.state().waits.len()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; the data is whole in any case.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(
        &self,
        handlers: CallHandlers,
    ) -> Result<(u64, oneshot::Receiver<Answer>), Failure> {
        let mut state = self.state();
        if state.closed.is_some() {
            drop(state);
            return Err(self.gone());
        }
        if state.waits.len() >= limits::SKILL_REQUESTS_MAX {
            let message = format!(
                "{} has {} requests to answer already",
                self.skill,
                state.waits.len()
            );
            return Err(Failure::new(Kind::LimitExceeded, message).hint("try again later"));
        }
        let (reply, answer) = oneshot::channel();
        state.last += 1;
        let id = state.last;
        state.waits.insert(id, Wait { reply, handlers });
        Ok((id, answer))
    }

    /// Queues a line once there is room for it.
    async fn send(&self, line: String) -> Result<(), Failure> {
        let share = line.len().min(limits::SKILL_OUTGOING_BYTES_MAX) as u32;
        let room = self.room.clone().acquire_many_owned(share).await;
        let room = room.map_err(|_| self.gone())?;
        let sent = self.out.send(Outgoing(line, Some(room))).await;
        sent.map_err(|_| self.gone())
    }

    /// Queues a short line if there is room; whether there was.
    fn post(&self, line: String) -> bool {
        let share = line.len().min(limits::SKILL_OUTGOING_BYTES_MAX) as u32;
        let room = self.room.clone().try_acquire_many_owned(share);
        room.is_ok_and(|room| self.out.try_send(Outgoing(line, Some(room))).is_ok())
    }

    /// Answers a request of ours; an answer to nobody is counted.
    fn answer(&self, id: Option<u64>, outcome: Result<Box<RawValue>, CallError>) -> bool {
        let wait = id.and_then(|id| self.state().waits.remove(&id));
        match wait {
            Some(wait) => {
                // The caller may just have gone.
                let _ = wait.reply.send(outcome);
                true
            }
            None => {
                self.faults.stray.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    fn close(&self, why: &str) {
        let waits = {
            let mut state = self.state();
            state.closed.get_or_insert_with(|| why.to_owned());
            std::mem::take(&mut state.waits)
        };
        for wait in waits.into_values() {
            let _ = wait.reply.send(Err(CallError::Gateway(self.gone())));
        }
        self.room.close();
        self.stdin_closed.cancel();
        self.closed.cancel();
    }

    fn gone(&self) -> Failure {
        let why = self.state().closed.clone();
        let why = why.unwrap_or_else(|| "it takes no more requests".to_owned());
        Failure::new(
            Kind::Unavailable,
            format!("the skill {} is gone: {why}", self.skill),
        )
        .hint("it is started again by itself; mimo_status tells how it is")
    }
}

/// A request that is not answered yet: dropping it takes the request back.
struct Waiting<'a> {
    inner: &'a Inner,
    id: u64,
    /// Whether the skill is to be told.
    notice: Option<()>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.inner.state().waits.remove(&self.id).is_some();
        if waited && self.notice.is_some() {
            let id = self.id;
            self.inner.post(format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                 \"params\":{{\"requestId\":{id},\"reason\":\"no longer wanted\"}}}}\n"
            ));
        }
    }
}
