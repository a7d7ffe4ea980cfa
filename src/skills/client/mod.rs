//! Mimo's MCP client for one skill, over its pipes. Passes results on as the skill
//! wrote them. Knows nothing of processes, restarts or approval.

mod budget;
pub mod definitions;
mod downstream;
mod fixes;
mod io;
pub(crate) mod message;
mod questions;
mod queue;
mod requests;
pub mod results;
mod schemas;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::budget::Budget;
use self::queue::LineQueue;
use self::results::repair_result;
use super::spec::{SkillName, SkillSpec};
use crate::caller::AskClient;
use crate::diagnostics::clip;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::secret::Secrets;

pub use crate::failure::CallError;
pub use definitions::List;
pub use downstream::DownstreamClient;
pub(crate) use downstream::NoClient;
pub use requests::{ServerInfo, Tool};

/// Takes the `params` of a call's progress notifications.
pub(crate) type Progress = Arc<dyn Fn(&RawValue) + Send + Sync>;

/// The recipients of what a skill sends during a call.
#[derive(Clone, Default)]
pub struct CallHandlers {
    pub progress: Option<Progress>,
    /// Answers the skill's questions instead of the downstream client.
    pub ask: Option<AskClient>,
    /// The session of a caller that is not the local user. Its questions go to
    /// `ask` or to nobody.
    pub session: Option<Arc<str>>,
    /// When the caller gives up.
    pub deadline: Option<Instant>,
}

/// How often a skill broke the protocol.
#[derive(Debug, Default)]
pub struct Faults {
    /// Lines that are not messages.
    pub junk: AtomicU64,
    /// Lines that are too long.
    pub oversize: AtomicU64,
    /// Responses to no open request.
    pub stray: AtomicU64,
    /// The skill's own requests beyond the limit, or whose answer it did not read.
    pub(crate) unanswered: AtomicU64,
    /// Notifications beyond the rate, or of a resource without a subscriber.
    pub dropped: AtomicU64,
}

/// A connection to a skill.
#[derive(Clone)]
pub struct SkillClient(Arc<Inner>);

struct Inner {
    skill: SkillName,
    secrets: Secrets,
    downstream: Arc<dyn DownstreamClient>,
    state: Mutex<State>,
    out: LineQueue,
    question_permits: Arc<Semaphore>,
    stdin_closed: CancellationToken,
    closed: CancellationToken,
    tools_changed: Notify,
    /// Cancelled once the skill has left too many calls unanswered.
    unresponsive: CancellationToken,
    budget: Mutex<Budget>,
    question_budget: Mutex<Budget>,
    /// Whether its questions are forwarded.
    may_ask: AtomicBool,
    /// The folders that the skill may use: it gets no roots outside of them.
    granted: Vec<PathBuf>,
    on_junk: OnJunk,
    faults: Faults,
}

/// Gets each line of the skill that is not a message.
pub(crate) type OnJunk = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct State {
    last_id: u64,
    pending: HashMap<u64, PendingRequest>,
    /// The skill's own requests that are being answered, by id.
    questions: HashMap<String, CancellationToken>,
    /// Corrections of the skill's latest lists, and the items left out of them.
    notes: BTreeMap<List, Vec<String>>,
    /// The resources that clients subscribed to.
    subscribed: HashSet<String>,
    /// Calls in a row that timed out since the skill sent its last message.
    silent_timeouts: u32,
    /// The last lines that were not messages.
    junk: VecDeque<String>,
    /// Why requests are no longer accepted.
    closed: Option<String>,
}

type Response = Result<Box<RawValue>, CallError>;

struct PendingRequest {
    reply: oneshot::Sender<Response>,
    /// Whether a client waits for it, unlike the handshake or a list.
    is_awaited: bool,
    handlers: CallHandlers,
}

impl SkillClient {
    /// Takes over the pipes, until the skill closes its stdout or
    /// [`SkillClient::close`] is called.
    pub(crate) fn open(
        spec: &SkillSpec,
        input: Box<dyn AsyncWrite + Send + Unpin>,
        output: Box<dyn AsyncRead + Send + Unpin>,
        downstream: Arc<dyn DownstreamClient>,
        on_junk: OnJunk,
    ) -> SkillClient {
        let (out, lines) = LineQueue::new();
        let inner = Arc::new(Inner {
            skill: spec.name.clone(),
            secrets: spec.secrets.clone(),
            downstream,
            state: Mutex::default(),
            out,
            question_permits: Arc::new(Semaphore::new(limits::SKILL_QUESTIONS_OPEN_MAX)),
            stdin_closed: CancellationToken::new(),
            closed: CancellationToken::new(),
            tools_changed: Notify::new(),
            unresponsive: CancellationToken::new(),
            budget: Mutex::new(Budget::of_notifications(Instant::now())),
            question_budget: Mutex::new(Budget::of_questions(Instant::now())),
            may_ask: AtomicBool::new(true),
            granted: [&*spec.sandbox.read, &*spec.sandbox.write].concat(),
            on_junk,
            faults: Faults::default(),
        });
        tokio::spawn(io::write(inner.clone(), input, lines));
        tokio::spawn(io::read(inner.clone(), output));
        SkillClient(inner)
    }

    /// Sends a request and waits for its response. `params` gets the request's
    /// id, which is its progress token too. Dropping the future cancels the
    /// request.
    pub(crate) async fn request(
        &self,
        method: &str,
        handlers: CallHandlers,
        params: impl FnOnce(u64) -> Option<String>,
    ) -> Result<Box<RawValue>, CallError> {
        let (id, response) = self.0.register(method, handlers)?;
        let mut guard = RequestGuard {
            inner: &self.0,
            id,
            notify: false,
        };
        let params = params(id).map_or(String::new(), |params| format!(",\"params\":{params}"));
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"{params}}}\n");
        let sent = self.0.out.send(line).await;
        sent.map_err(|_| self.0.ended_failure())?;
        // The protocol does not allow `initialize` to be cancelled.
        guard.notify = method != "initialize";
        let response = response
            .await
            .unwrap_or_else(|_| Err(self.0.ended_failure().into()));
        // Definitions are kept on disk and shown to every client; the results of calls
        // are the caller's own, and are forwarded as they are.
        match method == "initialize" || method.ends_with("/list") {
            true => response.map(|result| self.0.secrets.redact_json(&result).into_owned()),
            false => response,
        }
    }

    /// Forwards a request of the client's: `resources/*`, `prompts/*`,
    /// `completion/complete`.
    pub async fn forward(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let uri = uri_of(params);
        // Before it answers, so that no change falls between.
        let is_kept = match (&uri, method) {
            (Some(uri), "resources/subscribe") => self.0.subscribe(uri),
            _ => false,
        };
        let result = self
            .request(method, CallHandlers::default(), |_| {
                params.map(|params| params.get().to_owned())
            })
            .await;
        if let Some(uri) = &uri
            && (method == "resources/unsubscribe" || (is_kept && result.is_err()))
        {
            self.0.state().subscribed.remove(uri);
        }
        result.map(|result| self.repaired(method, uri.as_deref(), result))
    }

    /// A result as clients accept it.
    fn repaired(&self, method: &str, uri: Option<&str>, result: Box<RawValue>) -> Box<RawValue> {
        match repair_result(method, uri, &result) {
            None => result,
            Some(repaired) => {
                tracing::debug!(skill = %self.0.skill, method, "an invalid result was repaired");
                repaired
            }
        }
    }

    /// Sends a notification, unless too much is queued.
    pub(crate) fn notify(&self, method: &str, params: Option<&RawValue>) {
        let params = params.map_or(String::new(), |params| format!(",\"params\":{params}"));
        self.0.out.try_send(format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"{params}}}\n"
        ));
    }

    /// Ready once the skill has announced that its tools changed.
    pub(crate) async fn tools_changed(&self) {
        self.0.tools_changed.notified().await;
    }

    /// Ready once the skill has left too many calls in a row unanswered.
    pub(crate) async fn unresponsive(&self) {
        self.0.unresponsive.cancelled().await;
    }

    /// Closes the skill's stdin, which asks it to end.
    pub(crate) fn close_stdin(&self) {
        self.0.stdin_closed.cancel();
    }

    /// Ready once the skill can send nothing more.
    pub(crate) async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Ends the connection; open requests fail.
    pub(crate) fn close(&self, why: &str) {
        self.0.close(why);
    }

    /// Whether its questions reach a client: not while its tools wait for approval.
    pub(crate) fn allow_questions(&self, allowed: bool) {
        self.0.may_ask.store(allowed, Ordering::Relaxed);
    }

    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Corrections of the skill's lists, and the items left out of them.
    pub fn notes(&self) -> Vec<String> {
        let state = self.0.state();
        state.notes.values().flatten().cloned().collect()
    }

    /// The beginnings of the last lines that were not messages.
    pub fn junk_lines(&self) -> Vec<String> {
        self.0.state().junk.iter().cloned().collect()
    }

    /// How many requests are open.
    pub fn in_flight(&self) -> usize {
        self.0.state().pending.len()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock; the data is consistent in any case.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(
        &self,
        method: &str,
        handlers: CallHandlers,
    ) -> Result<(u64, oneshot::Receiver<Response>), Failure> {
        let mut state = self.state();
        if state.closed.is_some() {
            drop(state);
            return Err(self.ended_failure());
        }
        let open = state.pending.len();
        if open >= limits::SKILL_REQUESTS_MAX {
            let message = format!("the skill {} has {open} open requests already", self.skill);
            return Err(Failure::new(Kind::LimitExceeded, message).hint("try again later"));
        }
        let (reply, response) = oneshot::channel();
        state.last_id += 1;
        let id = state.last_id;
        let is_awaited = matches!(method, "tools/call" | "resources/read" | "prompts/get");
        let pending = PendingRequest {
            reply,
            is_awaited,
            handlers,
        };
        state.pending.insert(id, pending);
        Ok((id, response))
    }

    /// Remembers that a client wants to know of changes of this resource; whether
    /// that is new.
    fn subscribe(&self, uri: &str) -> bool {
        let subscribed = &mut self.state().subscribed;
        subscribed.len() < limits::RESOURCES_WATCHED_MAX && subscribed.insert(uri.to_owned())
    }

    /// Keeps a line that is not a message, for diagnosis.
    fn keep_junk(&self, line: &[u8]) {
        self.faults.junk.fetch_add(1, Ordering::Relaxed);
        let line = &line[..line.len().min(limits::SKILL_LOG_LINE_BYTES_MAX)];
        let line = String::from_utf8_lossy(line);
        // Cut only afterwards: a part of a secret would not be recognized.
        let line = self.secrets.redact(line.trim());
        let line = clip(&line, limits::SKILL_JUNK_LINE_CHARS_MAX);
        (self.on_junk)(&line);
        let junk = &mut self.state().junk;
        if junk.len() >= limits::SKILL_JUNK_LINES_SHOWN_MAX {
            junk.pop_front();
        }
        junk.push_back(line);
    }

    /// Completes an open request; whether there was one.
    fn complete(&self, id: Option<u64>, response: Response) -> bool {
        let pending = id.and_then(|id| self.state().pending.remove(&id));
        match pending {
            Some(pending) => {
                // The caller may be gone.
                let _ = pending.reply.send(response);
                true
            }
            None => {
                self.faults.stray.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// A pipe has ended: nothing more comes. The open requests fail once it is
    /// known why.
    fn pipe_ended(&self, what: &str) {
        self.state().closed.get_or_insert_with(|| what.to_owned());
        self.out.close();
        self.stdin_closed.cancel();
        self.closed.cancel();
    }

    fn close(&self, why: &str) {
        let pending = {
            let mut state = self.state();
            state.closed = Some(self.secrets.redact(why).into_owned());
            std::mem::take(&mut state.pending)
        };
        for each in pending.into_values() {
            let _ = each.reply.send(Err(self.ended_failure().into()));
        }
        self.out.close();
        self.stdin_closed.cancel();
        self.closed.cancel();
    }

    fn ended_failure(&self) -> Failure {
        let why = self.state().closed.clone();
        let why = why.unwrap_or_else(|| "it takes no more requests".to_owned());
        Failure::new(
            Kind::Unavailable,
            format!("the skill {} is gone: {why}", self.skill),
        )
        .hint("what it had begun may have taken effect; it is restarted automatically, and mimo_status shows its state")
    }
}

/// The resource that a request or a notification names.
fn uri_of(params: Option<&RawValue>) -> Option<String> {
    let params: Value = serde_json::from_str(params?.get()).ok()?;
    Some(params["uri"].as_str()?.to_owned())
}

/// Dropping it before the response came cancels the request.
struct RequestGuard<'a> {
    inner: &'a Inner,
    id: u64,
    /// Whether the skill is notified.
    notify: bool,
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        let open = self.inner.state().pending.remove(&self.id);
        if let Some(open) = &open
            && open
                .handlers
                .deadline
                .is_some_and(|end| end <= Instant::now())
        {
            let mut state = self.inner.state();
            state.silent_timeouts += 1;
            if state.silent_timeouts >= limits::SKILL_SILENT_TIMEOUTS_MAX {
                self.inner.unresponsive.cancel();
            }
        }
        if open.is_some() && self.notify {
            let id = self.id;
            self.inner.out.try_send(format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                 \"params\":{{\"requestId\":{id},\"reason\":\"no longer wanted\"}}}}\n"
            ));
        }
    }
}
