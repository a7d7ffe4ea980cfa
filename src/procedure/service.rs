//! Procedures as the rest of Mimo uses them. Everything is done with the grants
//! of a caller, who sees the projects within its reach and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::check::{self, CheckedDefinition, KnownNames};
use super::definition::{Definition, LATEST};
use super::engine::{Engine, JournalHook, ToolCaller, preferred};
use super::journal::{Entry, Event};
use super::machine::{Machine, Next};
use super::recorder::Recorder;
use super::scheduler::Scheduler;
use super::{context, draw, plan, view};
use crate::caller::{Grants, ToolGrants};
use crate::clock::Clock;
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::procedure::{
    BeginOutcome, DefineOutcome, Execution, ExecutionStatus, NewExecution, ProcedureCensus,
    RecordedCall, StoredDefinition,
};
use crate::store::{Store, StoreError};

#[derive(Clone)]
pub struct Procedures {
    pub(super) engine: Arc<Engine>,
    scheduler: Arc<Scheduler>,
    recorder: Arc<Recorder>,
    tasks: TaskTracker,
    pub(super) options: Arc<str>,
}

#[derive(Clone, Debug)]
pub struct Defined {
    pub checked: CheckedDefinition,
    /// `None` for a dry run.
    pub(crate) outcome: Option<DefineOutcome>,
}

/// A request to run a procedure.
#[derive(Clone, Debug, Default)]
pub struct Start {
    pub name: String,
    /// A version or [`LATEST`].
    pub version: String,
    pub context: Map<String, Value>,
    /// Overrides the timeout of the definition.
    pub timeout_ms: Option<u64>,
    /// Nobody waits for the end: without a timeout it may take as long as any.
    pub is_async: bool,
    /// Starts with the same name and key return the same execution.
    pub idempotency_key: Option<String>,
}

impl Procedures {
    /// `hook` is called around every write to a journal.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        hook: Option<JournalHook>,
    ) -> Procedures {
        let tasks = TaskTracker::new();
        let engine = Arc::new(Engine::new(store.clone(), clock.clone(), hook));
        let recorder = Recorder::new(store, clock, tasks.clone(), engine.stop.clone());
        Procedures {
            scheduler: Arc::new(Scheduler::new(engine.clone(), tasks.clone())),
            recorder: Arc::new(recorder),
            engine,
            tasks,
            options: "".into(),
        }
    }

    /// Connects the tools, which come later because they call procedures too.
    /// Only the first call counts.
    pub fn connect(&self, tools: Arc<dyn ToolCaller>) {
        let _ = self.engine.tools.set(tools);
    }

    /// Checks a definition and stores it in the caller's project, or only checks
    /// it.
    pub async fn define(
        &self,
        grants: &Grants,
        given: &Value,
        dry_run: bool,
    ) -> Result<Result<Defined, Vec<Diagnostic>>, Failure> {
        let store = &self.engine.store;
        let visible = store.definitions(grants.reach.clone(), None).await?;
        let known = VisibleNames {
            tools: self.engine.tools.get().cloned(),
            grants: &grants.tools,
            procedures: visible.into_iter().map(|stored| stored.name).collect(),
        };
        let checked = match check::check(given, &known) {
            Ok(checked) => checked,
            Err(mistakes) => return Ok(Err(mistakes)),
        };
        let outcome = match dry_run {
            true => None,
            false => {
                let new = StoredDefinition {
                    hash: checked.hash.clone(),
                    project: grants.project.clone(),
                    name: checked.definition.name.clone(),
                    version: checked.definition.version.clone(),
                    description: checked.definition.description.clone(),
                    definition: checked.value.to_string(),
                };
                let now = self.engine.clock.now();
                Some(store.define(grants.reach.clone(), new, now).await?)
            }
        };
        Ok(Ok(Defined { checked, outcome }))
    }

    /// The latest version of each procedure whose name or description contains
    /// words of `query`: those with the most words first, then by name.
    pub async fn find(
        &self,
        grants: &Grants,
        query: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredDefinition>, Failure> {
        let reach = grants.reach.clone();
        let mut latest: BTreeMap<String, StoredDefinition> = BTreeMap::new();
        for stored in self.engine.store.definitions(reach, None).await? {
            let best = match latest.remove(&stored.name) {
                Some(other) => preferred(grants, other, stored),
                None => stored,
            };
            latest.insert(best.name.clone(), best);
        }
        let query = query.unwrap_or_default().to_lowercase();
        let words: Vec<&str> = query.split_whitespace().collect();
        let matches = |stored: &StoredDefinition| {
            let text = format!("{} {}", stored.name, stored.description).to_lowercase();
            words.iter().filter(|word| text.contains(**word)).count()
        };
        let mut found: Vec<(usize, StoredDefinition)> = latest
            .into_values()
            .map(|stored| (matches(&stored), stored))
            .filter(|(matches, _)| words.is_empty() || *matches > 0)
            .collect();
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        let found = found.into_iter().map(|(_, stored)| stored);
        Ok(found.take(limit).collect())
    }

    /// Removes `name` from the caller's project, in one version or in all; how many.
    /// Its executions go on with the definition that they began with. Fails with
    /// NotFound.
    pub(crate) async fn remove(
        &self,
        grants: &Grants,
        name: &str,
        version: Option<&str>,
    ) -> Result<usize, Failure> {
        let (reach, project) = (grants.reach.clone(), grants.project.clone());
        let version = version.map(str::to_owned);
        let store = &self.engine.store;
        let removed = store
            .remove_definition(reach, project.clone(), name.to_owned(), version)
            .await?;
        match removed {
            0 => {
                let message = format!("the project {project:?} has no such procedure {name:?}");
                Err(Failure::new(Kind::NotFound, message)
                    .hint("`mimo procedure list` shows them; --project names another project"))
            }
            removed => Ok(removed),
        }
    }

    /// The definition of `name` in `version` (or [`LATEST`]). Fails with NotFound.
    pub async fn definition(
        &self,
        grants: &Grants,
        name: &str,
        version: &str,
    ) -> Result<StoredDefinition, Failure> {
        self.engine.definition(grants, name, version).await
    }

    /// The parsed latest definition of `name`. Fails with NotFound.
    pub(crate) async fn latest(
        &self,
        grants: &Grants,
        name: &str,
    ) -> Result<Arc<Definition>, Failure> {
        let stored = self.engine.definition(grants, name, LATEST).await?;
        self.definition_by_hash(&stored.hash).await
    }

    /// The parsed definition that a stored one or an execution in reach names.
    pub async fn definition_by_hash(&self, hash: &str) -> Result<Arc<Definition>, Failure> {
        self.engine.definition_by_hash(hash).await
    }

    pub(crate) async fn definition_text(&self, hash: &str) -> Result<String, Failure> {
        self.engine.definition_text(hash).await
    }

    /// The resource `mimo://procedure/{name}`: the latest definition, its diagram
    /// in Mermaid and its newest executions.
    pub async fn resource(&self, grants: &Grants, name: &str) -> Result<Value, Failure> {
        let stored = self.engine.definition(grants, name, LATEST).await?;
        let definition = self.definition_by_hash(&stored.hash).await?;
        let given: Value = serde_json::from_str(&stored.definition).map_err(Failure::internal)?;
        let limit = limits::PROCEDURE_LISTED_MAX;
        let recent = self.executions(grants, Some(name), None, limit).await?;
        Ok(json!({
            "definition": given,
            "hash": stored.hash,
            "mermaid": draw::mermaid(&definition, &draw::ExecutionPath::default()),
            "executions": recent.iter().map(view::brief).collect::<Vec<_>>(),
        }))
    }

    /// The dry run of an execution: calls nothing.
    pub async fn plan(&self, grants: &Grants, start: &Start) -> Result<Value, Failure> {
        let engine = &self.engine;
        let stored = engine
            .definition(grants, &start.name, &start.version)
            .await?;
        let definition = engine.definition_by_hash(&stored.hash).await?;
        let context = context::initial(&definition, start.context.clone())?;
        Ok(plan::plan(&definition, &stored.hash, context))
    }

    /// Starts an execution that acts with these grants. Returns its id, and
    /// whether it is new.
    pub async fn start(&self, grants: &Grants, start: Start) -> Result<(String, bool), Failure> {
        let engine = &self.engine;
        if !grants.reach.can_write(&grants.project) {
            return Err(StoreError::NoAccess(grants.project.clone()).into());
        }
        let stored = engine
            .definition(grants, &start.name, &start.version)
            .await?;
        let definition = engine.definition_by_hash(&stored.hash).await?;
        let context = context::initial(&definition, start.context)?;
        let event = Event::Started {
            context: context.clone(),
            timeout_ms: start.timeout_ms.or(definition.timeout_ms).unwrap_or(
                match start.is_async {
                    true => limits::PROCEDURE_MILLIS_MAX,
                    false => limits::PROCEDURE_MILLIS_DEFAULT,
                },
            ),
            grants: Arc::new(grants.clone()),
        };
        let id = engine.clock.new_id();
        let slot = self.scheduler.slot();
        let new = NewExecution {
            id: id.clone(),
            project: grants.project.clone(),
            hash: stored.hash.clone(),
            idempotency_key: start.idempotency_key,
            depth: 0,
            parent: None,
            entry: Entry::new(engine.clock.now(), event).to_json()?,
            owned: slot.is_some(),
        };
        match engine.begin(new).await? {
            BeginOutcome::Created => {
                match slot {
                    Some(slot) => self.scheduler.spawn(id.clone(), slot),
                    // A slot may have become free before anyone could see this
                    // execution wait for it.
                    None => drop(self.scheduler.resume(&id).await?),
                }
                Ok((id, true))
            }
            BeginOutcome::Existing(id) => {
                self.refuse_other_start(grants, &id, &stored.hash, &context)
                    .await?;
                Ok((id, false))
            }
        }
    }

    /// An idempotency key identifies one start.
    async fn refuse_other_start(
        &self,
        grants: &Grants,
        id: &str,
        hash: &str,
        context: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let (execution, journal) = self.engine.journal(&grants.reach, id).await?;
        let is_same = matches!(
            journal.first().map(|entry| &entry.event),
            Some(Event::Started { context: first, .. }) if first == context
        );
        if execution.hash == hash && is_same {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Conflict,
            format!("this idempotency key was used for the execution {id}, which began otherwise"),
        )
        .at("/idempotency_key")
        .hint("use another key for another start, or ask for that execution by its id"))
    }

    pub async fn execution(&self, grants: &Grants, id: &str) -> Result<Execution, Failure> {
        self.engine.execution(&grants.reach, id).await
    }

    /// Newest first.
    pub async fn executions(
        &self,
        grants: &Grants,
        name: Option<&str>,
        status: Option<ExecutionStatus>,
        limit: usize,
    ) -> Result<Vec<Execution>, Failure> {
        let name = name.map(str::to_owned);
        let store = &self.engine.store;
        Ok(store
            .executions(grants.reach.clone(), name, status, limit)
            .await?)
    }

    /// An execution and its replayed journal.
    pub async fn snapshot(
        &self,
        grants: &Grants,
        id: &str,
    ) -> Result<(Execution, Machine), Failure> {
        self.engine.machine(&grants.reach, id).await
    }

    pub(crate) async fn journal(&self, grants: &Grants, id: &str) -> Result<Vec<Entry>, Failure> {
        let (_, journal) = self.engine.journal(&grants.reach, id).await?;
        Ok(journal)
    }

    /// The execution at the top of the calls that led to `id`.
    pub(crate) async fn root_of(&self, grants: &Grants, id: &str) -> Result<String, Failure> {
        let mut id = id.to_owned();
        while let Some(parent) = self.execution(grants, &id).await?.parent {
            id = parent;
        }
        Ok(id)
    }

    pub async fn census(&self, grants: &Grants) -> Result<ProcedureCensus, Failure> {
        let store = &self.engine.store;
        Ok(store.procedure_census(grants.reach.clone()).await?)
    }

    /// Drives `id` if it has no owner, can continue, and the caller may write to its
    /// project. Returns whether this Mimo drives it now.
    pub async fn resume(&self, grants: &Grants, id: &str) -> Result<bool, Failure> {
        let execution = self.execution(grants, id).await?;
        if !grants.reach.can_write(&execution.project) {
            return Ok(false);
        }
        self.scheduler.resume(id).await
    }

    /// Cancels an execution, which rolls back what it did.
    pub async fn cancel(&self, grants: &Grants, id: &str) -> Result<(), Failure> {
        let (_, machine) = self.engine.machine(&grants.reach, id).await?;
        if let Next::Ended(ending) = machine.next() {
            let message = format!("the execution {id} is {} already", ending.status());
            return Err(Failure::new(Kind::Conflict, message).at("/execution_id"));
        }
        let store = &self.engine.store;
        store
            .request_cancel(grants.reach.clone(), id.to_owned())
            .await?;
        if !self.scheduler.cancel(id) {
            self.scheduler.resume(id).await?;
        }
        Ok(())
    }

    /// Waits until an execution has ended or waits for a person, or until `end`.
    /// Calls `changed` with each new state of it.
    pub async fn wait(
        &self,
        grants: &Grants,
        id: &str,
        end: Instant,
        mut changed: impl FnMut(&Execution),
    ) -> Result<(), Failure> {
        let mut writes = self.scheduler.watch(id);
        loop {
            let execution = self.execution(grants, id).await?;
            changed(&execution);
            if !execution.status.is_active() || Instant::now() >= end {
                return Ok(());
            }
            let interval = Duration::from_millis(limits::PROCEDURE_WATCH_MILLIS_MAX);
            match &mut writes {
                Some(written) => match tokio::time::timeout_at(end, written.changed()).await {
                    Ok(Ok(())) => {}
                    // This Mimo no longer drives it: its last entry is stored.
                    Ok(Err(_)) => writes = None,
                    Err(_) => return Ok(()),
                },
                None => tokio::time::sleep_until(end.min(Instant::now() + interval)).await,
            }
        }
    }

    /// Claims and drives executions without an owner; returns how many.
    pub async fn recover(&self) -> Result<usize, Failure> {
        self.scheduler.recover().await
    }

    pub(crate) fn recover_periodically(&self) {
        self.scheduler.recover_periodically();
    }

    /// Records a call of a skill's tool, given the project of its caller and the
    /// JSON of its arguments, without waiting. It does not keep procedures alive,
    /// which know the skills.
    pub(crate) fn recorder(&self) -> impl Fn(&str, String, &str) + Send + Sync + 'static {
        let recorder = self.recorder.clone();
        move |project, tool, arguments| recorder.record(project, tool, arguments)
    }

    /// Newest first.
    pub(crate) async fn recorded_calls(
        &self,
        grants: &Grants,
        limit: usize,
    ) -> Result<Vec<RecordedCall>, Failure> {
        self.recorder.recent(&grants.reach, limit).await
    }

    /// A definition made of recorded calls, in the order of their ids.
    pub(crate) async fn definition_from_calls(
        &self,
        grants: &Grants,
        ids: Vec<String>,
    ) -> Result<Value, Failure> {
        self.recorder.definition(&grants.reach, ids).await
    }

    /// Begins no further action and waits a moment for those that are running.
    /// The rest continues after the next start.
    pub async fn close(&self) {
        self.engine.stop.cancel();
        self.tasks.close();
        let grace = Duration::from_millis(limits::PROCEDURE_CLOSE_MILLIS_MAX);
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("procedures were stopped in the middle of an action");
        }
    }
}

/// The tools and procedures that a definition may name.
struct VisibleNames<'a> {
    tools: Option<Arc<dyn ToolCaller>>,
    grants: &'a ToolGrants,
    procedures: BTreeSet<String>,
}

impl KnownNames for VisibleNames<'_> {
    fn tool(&self, name: &str) -> Result<(), (String, String)> {
        match &self.tools {
            Some(tools) => tools.check(name, self.grants),
            None => Ok(()),
        }
    }

    fn procedure(&self, name: &str) -> bool {
        self.procedures.contains(name)
    }

    fn arguments(&self, tool: &str) -> Option<Value> {
        self.tools.as_ref()?.arguments(tool)
    }
}
