//! What a tool is: its public definition (a schema file), and the handler
//! behind it. One file a family; no SQL, no protocol types.

pub mod arguments;
pub mod fixture;
pub mod memory;
pub mod procedure;
pub mod schema;
pub mod skills;
pub mod status;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::memory::Memories;
use crate::procedure::Procedures;

/// The tools that users get, in the order they are listed.
pub fn standard(
    memories: &Arc<Memories>,
    project: &str,
    skills: Option<Arc<skills::Skills>>,
    procedures: &Procedures,
) -> Vec<Tool> {
    let memory = memory::Memory {
        memories: memories.clone(),
        project: project.to_owned(),
    };
    let status = status::Status {
        memories: memories.clone(),
        started: memories.now(),
        project: project.to_owned(),
        skills: skills.clone(),
        procedures: procedures.clone(),
    };
    let mut tools = memory::tools(Arc::new(memory));
    tools.extend(procedure::tools(procedures));
    let skills = skills.into_iter().flat_map(skills::tools);
    tools.extend(skills.map(|tool| procedure::recorded(tool, procedures)));
    tools.push(status::tool(Arc::new(status)));
    tools
}

/// A JSON object of validated arguments.
pub type Arguments = Map<String, Value>;

/// What a handler answers with.
pub type Answer = BoxFuture<'static, Result<Reply, Failure>>;

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

/// What a call comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// What a tool of ours answers.
    Document(Document),
    /// The whole result of another server's tool, passed on as it came.
    Passed(Value),
}

impl Reply {
    /// About how many bytes it has as JSON; of a result that is passed on, only
    /// an estimate that costs no copy.
    pub fn bytes(&self) -> usize {
        match self {
            Reply::Document(document) => document.0.len(),
            Reply::Passed(value) => bytes_of(value),
        }
    }
}

impl From<Document> for Reply {
    fn from(document: Document) -> Self {
        Reply::Document(document)
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| bytes_of(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| key.len() + bytes_of(value) + 4;
            members.iter().map(member).sum::<usize>() + 2
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
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
