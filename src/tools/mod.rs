//! Tools: each is a public definition (a schema file) and a handler. One module
//! per family; no SQL, no protocol types.

mod arguments;
mod ask;
mod coercion;
pub(crate) mod complete;
pub mod fixture;
mod forms;
pub mod graph;
pub mod health;
pub(crate) mod legacy;
pub mod listed;
pub mod memory;
mod offers;
pub(crate) mod procedure;
pub mod profile;
mod prompts;
mod reply;
pub mod schema;
pub(crate) mod scope;
pub(crate) mod skills;
mod status;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::offers::ResourceSource;
pub(crate) use self::offers::{Offers, PromptSource, offers};
pub use self::reply::{Document, Reply};
use crate::ask::{Ask, SkillTools, Writers};
use crate::caller::{Caller, Scope};
use crate::failure::CallError;
use crate::graph::Graph;
use crate::limits::CALL_SECONDS_MAX;
use crate::memory::Memories;
use crate::procedure::Procedures;

/// The tools that users get, in the order they are listed; `writers` may
/// write answers.
pub fn standard(
    memories: &Arc<Memories>,
    graph: &Arc<Graph>,
    skills: Option<Arc<skills::Skills>>,
    procedures: &Procedures,
    writers: Writers,
) -> Vec<Tool> {
    let status = status::Status {
        memories: memories.clone(),
        graph: graph.clone(),
        started: memories.now(),
        skills: skills.clone(),
        procedures: procedures.clone(),
    };
    let ask = Ask::new(
        memories.clone(),
        graph.clone(),
        procedures.clone(),
        skills.clone().map(|skills| skills as Arc<dyn SkillTools>),
        writers,
    );
    let mut tools = memory::tools(memories);
    tools.extend(graph::tools(graph));
    tools.push(ask::tool(Arc::new(ask)));
    tools.extend(procedure::tools(procedures));
    if let Some(skills) = &skills {
        skills.record_to(Arc::new(procedures.recorder()));
    }
    tools.extend(skills.into_iter().flat_map(skills::tools));
    tools.push(status::tool(Arc::new(status)));
    tools
}

/// A JSON object of validated arguments.
pub(crate) type Arguments = Map<String, Value>;

pub(crate) type ReplyFuture = BoxFuture<'static, Result<Reply, CallError>>;

/// The timeout of a tool that needs none of its own.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(CALL_SECONDS_MAX);

/// A tool that `tools/list` shows and `tools/call` reaches.
pub struct Tool {
    pub name: &'static str,
    /// Its schema file (`schemas/tools/NAME.json`, or in `legacy/`), compiled in:
    /// name, description, inputSchema and annotations.
    pub definition: &'static str,
    /// Of one call.
    pub(crate) timeout: Duration,
    /// Called with arguments that match the schema.
    pub handler: Arc<dyn Fn(Arguments, Context) -> ReplyFuture + Send + Sync>,
}

impl Tool {
    /// What a caller needs for this tool, by its annotations.
    pub(crate) fn scope(&self) -> Scope {
        let definition: Value = serde_json::from_str(self.definition).unwrap_or_default();
        match definition["annotations"]["readOnlyHint"] == true {
            true => Scope::Read,
            false if self.name == legacy::RELOAD.0 => Scope::Admin,
            false => Scope::Write,
        }
    }

    /// A tool whose `call` works with `parts`.
    pub(crate) fn of<T, F, R, E>(
        name: &'static str,
        definition: &'static str,
        parts: &T,
        call: impl Fn(T, Arguments, Context) -> F + Send + Sync + 'static,
    ) -> Tool
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Reply>,
        E: Into<CallError>,
    {
        let parts = parts.clone();
        Tool {
            name,
            definition,
            timeout: CALL_TIMEOUT,
            handler: Arc::new(move |arguments, context| {
                let reply = call(parts.clone(), arguments, context);
                Box::pin(async move { reply.await.map(Into::into).map_err(Into::into) })
            }),
        }
    }
}

/// The context of the request that a handler serves.
#[derive(Clone)]
pub struct Context {
    pub(crate) caller: Caller,
    /// Cancelled when the client cancels the request or its deadline passes.
    pub(crate) cancel: CancellationToken,
    /// Reports progress to the client, where it asked for that.
    pub(crate) progress: Progress,
    /// The client's `_meta`, for the skill that a call is forwarded to.
    pub(crate) meta: Map<String, Value>,
    pub(crate) deadline: Instant,
}

impl Context {
    /// A call without cancellation or progress.
    pub fn new(caller: Caller) -> Context {
        Context {
            caller,
            cancel: CancellationToken::new(),
            progress: Progress::default(),
            meta: Map::new(),
            deadline: Instant::now() + CALL_TIMEOUT,
        }
    }
}

/// Where a long-running handler reports its progress. Never waits: a report
/// that the client is too slow for is dropped.
#[derive(Clone, Default)]
pub(crate) struct Progress(Option<Arc<Report>>);

type Report = dyn Fn(f64, Option<f64>, Option<String>) + Send + Sync;

impl Progress {
    /// Progress that goes to `sink` as (done, total, message).
    pub(crate) fn to(
        sink: impl Fn(f64, Option<f64>, Option<String>) + Send + Sync + 'static,
    ) -> Self {
        Progress(Some(Arc::new(sink)))
    }

    /// Whether the client asked for progress.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn report(&self, done: f64, total: Option<f64>, message: Option<String>) {
        if let Some(sink) = &self.0 {
            sink(done, total, message);
        }
    }
}
