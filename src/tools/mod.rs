//! What a tool is: its public definition (a schema file), and the handler
//! behind it. One file a family; no SQL, no protocol types.

pub mod arguments;
pub mod ask;
pub mod complete;
pub mod fixture;
pub mod graph;
pub mod legacy;
pub mod memory;
pub mod procedure;
pub mod profile;
pub mod prompts;
pub mod schema;
pub mod skills;
pub mod status;
mod vectors;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits::CALL_SECONDS_MAX;
use crate::memory::Memories;
use crate::procedure::Procedures;
use crate::store::NameStore;

/// The tools that users get, in the order they are listed; `writers` may put
/// answers into words.
pub fn standard(
    memories: &Arc<Memories>,
    graph: &Arc<Graph>,
    project: &str,
    skills: Option<Arc<skills::Skills>>,
    procedures: &Procedures,
    writers: ask::Writers,
) -> Vec<Tool> {
    let status = status::Status {
        memories: memories.clone(),
        graph: graph.clone(),
        started: memories.now(),
        project: project.to_owned(),
        skills: skills.clone(),
        procedures: procedures.clone(),
    };
    let asks = ask::Ask::new(
        memories.clone(),
        graph.clone(),
        procedures.clone(),
        skills.clone(),
        project.to_owned(),
        writers,
    );
    let graph = graph::GraphTools {
        graph: graph.clone(),
        project: project.to_owned(),
    };
    let mut tools = memory::tools(memories);
    tools.extend(graph::tools(Arc::new(graph)));
    tools.push(ask::tool(Arc::new(asks)));
    tools.extend(procedure::tools(procedures));
    if let Some(skills) = &skills {
        skills.record_to(Arc::new(procedures.recorder()));
    }
    tools.extend(skills.into_iter().flat_map(skills::tools));
    tools.push(status::tool(Arc::new(status)));
    tools
}

/// What Mimo itself offers beside its tools.
pub struct Offers {
    /// Its resources.
    pub families: Vec<Family>,
    /// Its prompts, those that come first in a list first.
    pub prompts: Vec<Prompts>,
    /// Completes what is typed into either.
    pub complete: complete::Complete,
}

/// Resources of one kind that Mimo itself has: documents to read by their URI.
pub struct Family {
    /// How their URIs begin.
    pub prefix: &'static str,
    /// Their template, as clients see it.
    pub template: Value,
    /// Those that a person may want to pick, as clients see them.
    pub list: List,
    /// The document of this URI. Reading it changes nothing.
    pub read: Read,
    /// Told the URI of each that a client was given.
    pub given: Given,
}

/// Prompts that Mimo itself has.
pub struct Prompts {
    /// As clients see them.
    pub list: List,
    /// The result for a name and its arguments, where there is such a prompt.
    pub get: GetPrompt,
}

type List = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Value>, Failure>> + Send + Sync>;
type GetPrompt = Arc<
    dyn Fn(String, Arguments) -> BoxFuture<'static, Result<Option<Value>, Failure>> + Send + Sync,
>;
type Read = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Document, Failure>> + Send + Sync>;
type Given = Arc<dyn Fn(&str) + Send + Sync>;

/// What users get beside the tools; `names` are those in use. It asks only for
/// tools that `serves` knows.
pub fn offers(
    memories: &Arc<Memories>,
    graph: &Arc<Graph>,
    procedures: &Procedures,
    names: &Arc<dyn NameStore>,
    project: &str,
    serves: impl Fn(&str) -> bool,
) -> Offers {
    let caller = Caller::local(project, "resources");
    let desk = prompts::Desk {
        memories: memories.clone(),
        graph: graph.clone(),
        procedures: procedures.clone(),
        names: names.clone(),
        project: project.to_owned(),
        relates: serves("graph_update") && serves("graph_query"),
    };
    let runs = serves("procedure_run");
    let graph = graph::GraphTools {
        graph: graph.clone(),
        project: project.to_owned(),
    };
    let completer = complete::Completer {
        names: names.clone(),
        procedures: procedures.clone(),
        project: project.to_owned(),
    };
    Offers {
        families: vec![
            memory::resource::family(memories, names, &caller),
            procedure::offers::family(procedures.clone()),
            graph::resource::family(Arc::new(graph)),
        ],
        prompts: std::iter::once(prompts::prompts(desk))
            .chain(runs.then(|| procedure::offers::prompts(procedures)))
            .collect(),
        complete: completer.into_complete(),
    }
}

/// A JSON object of validated arguments.
pub type Arguments = Map<String, Value>;

/// What a handler answers with.
pub type Answer = BoxFuture<'static, Result<Reply, Failure>>;

/// How long a call of a tool may run that has no reason to take longer.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(CALL_SECONDS_MAX);

/// A tool that `tools/list` shows and `tools/call` reaches.
pub struct Tool {
    /// The name clients call it by.
    pub name: &'static str,
    /// Its schema file (`schemas/tools/NAME.json`, or in `legacy/`), compiled in: name,
    /// description, inputSchema and annotations.
    pub definition: &'static str,
    /// How long one call may run.
    pub patience: Duration,
    /// Called with arguments that fit the schema.
    pub handler: Arc<dyn Fn(Arguments, Context) -> Answer + Send + Sync>,
}

impl Tool {
    /// A tool of ours: `call` works with `parts` and answers with a document.
    pub fn of<T, F>(
        name: &'static str,
        definition: &'static str,
        parts: &T,
        call: impl Fn(T, Arguments, Context) -> F + Send + Sync + 'static,
    ) -> Tool
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Document, Failure>> + Send + 'static,
    {
        let parts = parts.clone();
        Tool {
            name,
            definition,
            patience: USUAL_PATIENCE,
            handler: Arc::new(move |arguments, context| {
                let answer = call(parts.clone(), arguments, context);
                Box::pin(async move { Ok(answer.await?.into()) })
            }),
        }
    }
}

/// What a handler may know of the request it serves.
#[derive(Clone)]
pub struct Context {
    /// Who makes the call.
    pub caller: Caller,
    /// Cancelled when the client takes the request back or its deadline passes.
    pub cancel: CancellationToken,
    /// Reports progress to the client, where it asked for that.
    pub progress: Progress,
    /// The client's `_meta`, for whoever a call is passed on to.
    pub meta: Map<String, Value>,
    /// When the call has to be over.
    pub deadline: Instant,
}

impl Context {
    /// A call that nobody cancels or watches.
    pub fn new(caller: Caller) -> Context {
        Context {
            caller,
            cancel: CancellationToken::new(),
            progress: Progress::default(),
            meta: Map::new(),
            deadline: Instant::now() + USUAL_PATIENCE,
        }
    }
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

    /// Whether anyone asked for it.
    pub fn wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Reports `done` of `total` units.
    pub fn report(&self, done: f64, total: Option<f64>, message: Option<String>) {
        if let Some(sink) = &self.0 {
            sink(done, total, message);
        }
    }
}

/// What a call comes to.
#[derive(Clone, Debug)]
pub enum Reply {
    /// What a tool of ours answers.
    Document(Document),
    /// The whole result of another server's tool, passed on as it came.
    Passed(Arc<RawValue>),
}

impl Reply {
    /// A whole result that Mimo made of another server's.
    pub fn passed(result: &Value) -> Result<Reply, Failure> {
        let raw = to_raw_value(result).map_err(Failure::internal)?;
        Ok(Reply::Passed(raw.into()))
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Reply::Document(a), Reply::Document(b)) => a == b,
            (Reply::Passed(a), Reply::Passed(b)) => a.get() == b.get(),
            _ => false,
        }
    }
}

impl From<Document> for Reply {
    fn from(document: Document) -> Self {
        Reply::Document(document)
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
