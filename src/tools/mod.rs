//! What a tool is: its public definition (a schema file), and the handler
//! behind it. One file a family; no SQL, no protocol types.

pub mod arguments;
pub mod fixture;
pub mod memory;
pub mod schema;
pub mod status;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::memory::Memories;

/// The tools that users get, in the order they are listed.
pub fn standard(memories: &Arc<Memories>, project: &str) -> Vec<Tool> {
    let memory = memory::Memory {
        memories: memories.clone(),
        project: project.to_owned(),
    };
    let status = status::Status {
        memories: memories.clone(),
        started: memories.now(),
        project: project.to_owned(),
    };
    let mut tools = memory::tools(Arc::new(memory));
    tools.push(status::tool(Arc::new(status)));
    tools
}

/// A JSON object of validated arguments.
pub type Arguments = Map<String, Value>;

/// What a handler answers with: one compact JSON document.
pub type Answer = BoxFuture<'static, Result<Document, Failure>>;

/// A tool that `tools/list` shows and `tools/call` reaches.
pub struct Tool {
    /// The name clients call it by.
    pub name: &'static str,
    /// Its schema file (`schemas/tools/NAME.json`), compiled in: name,
    /// description, inputSchema and annotations.
    pub definition: &'static str,
    /// Called with arguments that fit the schema.
    pub handler: Arc<dyn Fn(Arguments, Context) -> Answer + Send + Sync>,
}

/// What a handler may know of the request it serves.
#[derive(Clone)]
pub struct Context {
    /// The client's session: the thread that memories belong to by default.
    pub session: Arc<str>,
    /// Cancelled when the client takes the request back or its deadline passes.
    pub cancel: CancellationToken,
    /// Reports progress to the client, where it asked for that.
    pub progress: Progress,
}

/// Where a long-running handler reports how far it is. Never waits: a report
/// the client is too slow for is dropped.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Report>>);

type Report = dyn Fn(f64, Option<f64>, Option<String>) + Send + Sync;

impl Progress {
    /// Progress that goes to `sink` as (done, total, message).
    pub fn to(sink: impl Fn(f64, Option<f64>, Option<String>) + Send + Sync + 'static) -> Self {
        Progress(Some(Arc::new(sink)))
    }

    /// Reports `done` of `total` units.
    pub fn report(&self, done: f64, total: Option<f64>, message: Option<String>) {
        if let Some(sink) = &self.0 {
            sink(done, total, message);
        }
    }
}

/// One compact JSON document, the text of a tool's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(pub String);

impl Document {
    /// Serialises `value`.
    pub fn of(value: &impl Serialize) -> Result<Document, Failure> {
        serde_json::to_string(value)
            .map(Document)
            .map_err(Failure::internal)
    }
}
