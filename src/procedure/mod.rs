//! Procedures: the same steps, the same way, every time, without a model. A
//! definition is checked and kept; an execution of it is a journal, and the
//! machine says what follows from it.

pub mod check;
pub mod definition;
pub mod draw;
mod driver;
pub mod from_calls;
pub mod journal;
pub mod legacy;
mod lookup;
pub mod machine;
mod plan;
mod recorder;
mod scheduler;
pub mod template;
pub mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use scheduler::{JournalHook, JournalWrite};

use self::check::CheckedDefinition;
use self::definition::{Definition, LATEST, compare_versions};
use self::journal::{ActionError, Entry, Event, SideEffects};
use self::lookup::{InstalledNames, begin_with};
use self::machine::Machine;
use crate::clock::Clock;
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::procedure::{
    BeginOutcome, DefineOutcome, NewExecution, ProcedureCensus, ProcedureStore,
};
pub use crate::store::procedure::{Execution, StoredDefinition};

/// What procedures call, and what is known of it.
pub trait ToolCaller: Send + Sync {
    /// Why a definition may not name this tool, with the fix.
    fn check(&self, name: &str) -> Result<(), (String, String)>;
    /// What a call of it may do.
    fn side_effects(&self, name: &str) -> SideEffects;
    /// Calls it through the door that every call goes through, for `execution`.
    /// A cancelled call ends soon, and reports what it did all the same.
    fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        execution: &str,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Value, ActionError>>;
}

/// The procedures of one Mimo.
#[derive(Clone)]
pub struct Procedures(Arc<Inner>);

struct Inner {
    store: Arc<dyn ProcedureStore>,
    clock: Arc<dyn Clock>,
    tools: OnceLock<Arc<dyn ToolCaller>>,
    /// Definitions by hash: they never change.
    ready: Mutex<HashMap<String, Arc<Definition>>>,
    running: scheduler::Running,
    recorder: recorder::Recorder,
}

/// A definition that was kept.
#[derive(Clone, Debug)]
pub struct Defined {
    /// What was checked.
    pub checked: CheckedDefinition,
    /// What keeping it came to; nothing where it was only tried.
    pub kept: Option<DefineOutcome>,
}

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The procedure.
    pub name: String,
    /// Its version, or `latest`.
    pub version: String,
    /// What it begins with.
    pub context: Map<String, Value>,
    /// UndoMethod long it may take, where that is not the definition's.
    pub timeout_ms: Option<u64>,
    /// A start with the same key and name gives the same execution.
    pub idempotency_key: Option<String>,
}

impl Procedures {
    /// Procedures over these parts; `watch` is told of every write to a journal.
    pub fn new(
        store: Arc<dyn ProcedureStore>,
        clock: Arc<dyn Clock>,
        watch: Option<JournalHook>,
    ) -> Procedures {
        Procedures(Arc::new(Inner {
            store,
            clock,
            tools: OnceLock::new(),
            ready: Mutex::default(),
            running: scheduler::Running::new(watch),
            recorder: recorder::Recorder::default(),
        }))
    }

    /// Connects what procedures call: made after them, because it calls them.
    pub fn connect(&self, tools: Arc<dyn ToolCaller>) {
        // A second one would be another part's mistake; the first stays.
        let _ = self.0.tools.set(tools);
    }

    /// Checks a definition and keeps it, or only checks it.
    pub async fn define(
        &self,
        given: &Value,
        dry_run: bool,
    ) -> Result<Result<Defined, Vec<Diagnostic>>, Failure> {
        let names = self.0.store.definitions().await?;
        let known = InstalledNames {
            tools: self.0.tools.get().cloned(),
            procedures: names.into_iter().map(|kept| kept.name).collect(),
        };
        let checked = match check::check(given, &known) {
            Ok(checked) => checked,
            Err(mistakes) => return Ok(Err(mistakes)),
        };
        let kept = match dry_run {
            true => None,
            false => {
                let new = StoredDefinition {
                    hash: checked.hash.clone(),
                    name: checked.definition.name.clone(),
                    version: checked.definition.version.clone(),
                    description: checked.definition.description.clone(),
                    definition: checked.value.to_string(),
                };
                Some(self.0.store.define(new, self.0.clock.now()).await?)
            }
        };
        Ok(Ok(Defined { checked, kept }))
    }

    /// The latest version of each procedure whose name or description has the
    /// words of `query`, by name.
    pub async fn find(
        &self,
        query: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredDefinition>, Failure> {
        let mut latest: std::collections::BTreeMap<String, StoredDefinition> = Default::default();
        for kept in self.0.store.definitions().await? {
            let newer = latest
                .get(&kept.name)
                .is_none_or(|other| compare_versions(&other.version, &kept.version).is_lt());
            if newer {
                latest.insert(kept.name.clone(), kept);
            }
        }
        let words: Vec<String> = query
            .unwrap_or_default()
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let hits = |kept: &StoredDefinition| {
            let text = format!("{} {}", kept.name, kept.description).to_lowercase();
            words
                .iter()
                .filter(|word| text.contains(word.as_str()))
                .count()
        };
        let mut found: Vec<(usize, StoredDefinition)> = latest
            .into_values()
            .map(|kept| (hits(&kept), kept))
            .filter(|(hits, _)| words.is_empty() || *hits > 0)
            .collect();
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(found
            .into_iter()
            .map(|(_, kept)| kept)
            .take(limit)
            .collect())
    }

    /// The definition called `name`, in `version` (or `latest`).
    pub async fn definition(&self, name: &str, version: &str) -> Result<StoredDefinition, Failure> {
        self.0.definition(name, version).await
    }

    /// The definition with this hash, as it is run.
    pub async fn definition_of(&self, hash: &str) -> Result<Arc<Definition>, Failure> {
        self.0.by_hash(hash).await
    }

    /// The definition with this hash, as it was given.
    pub async fn kept(&self, hash: &str) -> Result<StoredDefinition, Failure> {
        self.0.kept(hash).await
    }

    /// What the resource `mimo://procedure/{name}` holds: the latest definition,
    /// its drawing as Mermaid, and its newest executions.
    pub async fn resource(&self, name: &str) -> Result<Value, Failure> {
        let kept = self.0.definition(name, LATEST).await?;
        let definition = self.0.by_hash(&kept.hash).await?;
        let given: Value = serde_json::from_str(&kept.definition).map_err(Failure::internal)?;
        let newest = limits::PROCEDURE_LISTED_MAX;
        let recent = self.executions(Some(name), None, newest).await?;
        Ok(json!({
            "definition": given,
            "hash": kept.hash,
            "mermaid": draw::mermaid(&definition, &draw::ExecutionPath::default()),
            "executions": recent.iter().map(view::brief).collect::<Vec<_>>(),
        }))
    }

    /// The newest definition of this name.
    pub async fn latest(&self, name: &str) -> Result<Arc<Definition>, Failure> {
        let kept = self.0.definition(name, LATEST).await?;
        self.0.by_hash(&kept.hash).await
    }

    /// The execution that `id` is a part of in the end: `id` itself where nobody
    /// called it.
    pub async fn top_of(&self, id: &str) -> Result<String, Failure> {
        let mut id = id.to_owned();
        while let Some(parent) = self.0.execution(&id).await?.parent {
            id = parent;
        }
        Ok(id)
    }

    /// An execution's journal.
    pub async fn journal(&self, id: &str) -> Result<Vec<Entry>, Failure> {
        self.0.entries(id).await
    }

    /// What an execution would do, without calling anything.
    pub async fn plan(&self, start: &Start) -> Result<Value, Failure> {
        let kept = self.0.definition(&start.name, &start.version).await?;
        let definition = self.0.by_hash(&kept.hash).await?;
        let context = begin_with(&definition, start.context.clone())?;
        Ok(plan::plan(&definition, &kept.hash, context))
    }

    /// Begins an execution and lets it run; gives its id, and whether it is a
    /// new one.
    pub async fn start(&self, start: Start) -> Result<(String, bool), Failure> {
        let inner = &self.0;
        let kept = inner.definition(&start.name, &start.version).await?;
        let definition = inner.by_hash(&kept.hash).await?;
        let context = begin_with(&definition, start.context)?;
        let timeout_ms = start
            .timeout_ms
            .or(definition.timeout_ms)
            .unwrap_or(limits::PROCEDURE_MILLIS_DEFAULT);
        let now = inner.clock.now();
        let event = Event::Started {
            context: context.clone(),
            timeout_ms,
        };
        let id = inner.clock.new_id();
        let slot = inner.running.slot();
        let new = NewExecution {
            id: id.clone(),
            hash: kept.hash.clone(),
            idempotency_key: start.idempotency_key.clone(),
            depth: 0,
            parent: None,
            entry: written(&Entry::new(now, event))?,
            owned: slot.is_some(),
        };
        match inner.begin(new).await? {
            BeginOutcome::Created => {
                match slot {
                    Some(slot) => scheduler::spawn(inner, id.clone(), slot),
                    // A slot may have become free before anyone could see it
                    // wait for one.
                    None => {
                        self.resume(&id).await?;
                    }
                }
                Ok((id, true))
            }
            BeginOutcome::Existing(found) => {
                self.same(&found, &kept.hash, &context).await?;
                Ok((found, false))
            }
        }
    }

    /// An idempotency key stands for one start, not for several.
    async fn same(
        &self,
        id: &str,
        hash: &str,
        context: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let execution = self.execution(id).await?;
        let journal = self.0.entries(id).await?;
        let alike = matches!(
            journal.first().map(|entry| &entry.event),
            Some(Event::Started { context: first, .. }) if first == context
        );
        if execution.hash == hash && alike {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Conflict,
            format!("this idempotency key was used for the execution {id}, which began otherwise"),
        )
        .at("/idempotency_key")
        .hint("use another key for another start, or ask for that execution by its id"))
    }

    /// The execution with this id.
    pub async fn execution(&self, id: &str) -> Result<Execution, Failure> {
        self.0.execution(id).await
    }

    /// The newest executions.
    pub async fn executions(
        &self,
        name: Option<&str>,
        status: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Execution>, Failure> {
        let (name, status) = (name.map(str::to_owned), status.map(str::to_owned));
        Ok(self.0.store.executions(name, status, limit).await?)
    }

    /// The machine that an execution's journal leads to.
    pub async fn machine(&self, id: &str) -> Result<Machine, Failure> {
        self.0.machine(id).await.map(|(_, machine)| machine)
    }

    /// Counts for a status.
    pub async fn census(&self) -> Result<ProcedureCensus, Failure> {
        Ok(self.0.store.procedure_census().await?)
    }
}

fn written(entry: &Entry) -> Result<String, Failure> {
    serde_json::to_string(entry).map_err(Failure::internal)
}
