//! The dependencies of driving executions (store, clock and tools), with the
//! look-ups over them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::definition::{Definition, LATEST, compare_versions};
use super::journal::{ActionError, Entry, SideEffects};
use super::machine::Machine;
use crate::caller::{Caller, Grants, PROJECT_SHARED, Reach, ToolGrants};
use crate::clock::Clock;
use crate::diagnostics::suggest;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::Store;
use crate::store::procedure::{
    AppendOutcome, BeginOutcome, Execution, ExecutionUpdate, NewExecution, StoredDefinition,
};

/// The tools that procedures call.
pub trait ToolCaller: Send + Sync {
    /// Whether someone with these grants may name the tool in a definition.
    /// Fails with the reason and the fix.
    fn check(&self, name: &str, grants: &ToolGrants) -> Result<(), (String, String)>;

    fn side_effects(&self, name: &str) -> SideEffects;

    /// The JSON Schema of a tool's arguments, where it is known.
    fn arguments(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Calls a tool as `caller`. A cancelled call ends soon and still reports
    /// its result.
    fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: Caller,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Value, ActionError>>;
}

/// Called before and after every write to a journal. Tests kill the process there.
pub type JournalHook = Arc<dyn Fn(JournalWrite) + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalWrite {
    Before,
    /// The entries are durable.
    After,
}

pub(super) struct Engine {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    /// Set after the construction, because tools call procedures too.
    pub(super) tools: OnceLock<Arc<dyn ToolCaller>>,
    /// Once cancelled, no further action begins.
    pub(super) stop: CancellationToken,
    /// Definitions by hash: they never change.
    definitions: Mutex<HashMap<String, Arc<Definition>>>,
    hook: Option<JournalHook>,
}

impl Engine {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        hook: Option<JournalHook>,
    ) -> Engine {
        Engine {
            store,
            clock,
            tools: OnceLock::new(),
            stop: CancellationToken::new(),
            definitions: Mutex::default(),
            hook,
        }
    }

    /// Calls the hook before and after a write to a journal.
    async fn with_hook<T>(&self, write: impl Future<Output = T>) -> T {
        let call = |moment| self.hook.iter().for_each(|hook| hook(moment));
        call(JournalWrite::Before);
        let done = write.await;
        call(JournalWrite::After);
        done
    }

    /// Creates an execution and deletes some that ended long ago.
    pub(super) async fn begin(&self, new: NewExecution) -> Result<BeginOutcome, Failure> {
        let now = self.clock.now();
        let forget_before = now.plus_seconds(-limits::EXECUTION_DAYS_MAX * 24 * 60 * 60);
        let write = self.store.begin(new, forget_before, now);
        Ok(self.with_hook(write).await?)
    }

    pub(super) async fn append(
        &self,
        id: &str,
        length: u64,
        entries: Vec<String>,
        update: ExecutionUpdate,
    ) -> Result<AppendOutcome, Failure> {
        let now = self.clock.now();
        let write = self
            .store
            .append(id.to_owned(), length, entries, update, now);
        Ok(self.with_hook(write).await?)
    }

    pub(super) async fn decide(
        &self,
        reach: &Reach,
        execution: Execution,
        entry: &Entry,
        ancestors: Vec<String>,
    ) -> Result<AppendOutcome, Failure> {
        let (text, now) = (entry.to_json()?, self.clock.now());
        let write = self.store.decide(
            reach.clone(),
            execution.id,
            execution.entries,
            text,
            ancestors,
            now,
        );
        Ok(self.with_hook(write).await?)
    }

    /// The definition of `name` in `version` or, of [`LATEST`], in its highest
    /// version. Of several projects' definitions the caller's own comes first,
    /// then the shared one, then the newest.
    pub(super) async fn definition(
        &self,
        grants: &Grants,
        name: &str,
        version: &str,
    ) -> Result<StoredDefinition, Failure> {
        let versions = self
            .store
            .definitions(grants.reach.clone(), Some(name.to_owned()))
            .await?;
        if versions.is_empty() {
            return Err(self.no_procedure(grants, name).await?);
        }
        let known: Vec<String> = versions.iter().map(|each| each.version.clone()).collect();
        let wanted = versions
            .into_iter()
            .filter(|each| version == LATEST || each.version == version);
        wanted
            .reduce(|a, b| preferred(grants, a, b))
            .ok_or_else(|| {
                let message = format!("{name} has no version {version:?}");
                Failure::new(Kind::NotFound, message)
                    .at("/version")
                    .hint(format!("there are {}, and latest", known.join(", ")))
            })
    }

    async fn no_procedure(&self, grants: &Grants, name: &str) -> Result<Failure, Failure> {
        let all = self.store.definitions(grants.reach.clone(), None).await?;
        let mut names: Vec<&str> = all.iter().map(|each| each.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let hint = match names.is_empty() {
            true => "define one with procedure_define".to_owned(),
            false => suggest(name, names),
        };
        let message = format!("there is no procedure {name:?}");
        Ok(Failure::new(Kind::NotFound, message).at("/name").hint(hint))
    }

    /// The text of a definition that an execution or a name in reach leads to.
    pub(super) async fn definition_text(&self, hash: &str) -> Result<String, Failure> {
        let text = self.store.definition(hash.to_owned()).await?;
        text.ok_or_else(|| Failure::internal(format!("no definition has the hash {hash}")))
    }

    pub(super) async fn definition_by_hash(&self, hash: &str) -> Result<Arc<Definition>, Failure> {
        let cache = || {
            let locked = self.definitions.lock();
            locked.unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(found) = cache().get(hash) {
            return Ok(found.clone());
        }
        let text = self.definition_text(hash).await?;
        let definition: Definition = serde_json::from_str(&text).map_err(Failure::internal)?;
        let definition = Arc::new(definition);
        let mut cache = cache();
        if cache.len() >= limits::PROCEDURES_READY_MAX {
            cache.clear();
        }
        cache.insert(hash.to_owned(), definition.clone());
        Ok(definition)
    }

    pub(super) async fn execution(&self, reach: &Reach, id: &str) -> Result<Execution, Failure> {
        let found = self.store.execution(reach.clone(), id.to_owned()).await?;
        found.ok_or_else(|| no_execution(id))
    }

    pub(super) async fn journal(
        &self,
        reach: &Reach,
        id: &str,
    ) -> Result<(Execution, Vec<Entry>), Failure> {
        let found = self.store.journal(reach.clone(), id.to_owned()).await?;
        let (execution, texts) = found.ok_or_else(|| no_execution(id))?;
        let read = |text: &String| serde_json::from_str(text).map_err(Failure::internal);
        let entries = texts.iter().map(read).collect::<Result<_, _>>()?;
        Ok((execution, entries))
    }

    /// An execution and its replayed journal.
    pub(super) async fn machine(
        &self,
        reach: &Reach,
        id: &str,
    ) -> Result<(Execution, Machine), Failure> {
        let (execution, journal) = self.journal(reach, id).await?;
        let definition = self.definition_by_hash(&execution.hash).await?;
        let machine = Machine::replay(definition, id, &journal)
            .map_err(|error| Failure::internal(format!("the journal of {id}: {}", error.0)))?;
        Ok((execution, machine))
    }
}

/// Which of two definitions of one name a caller means; `a` if they rank equal.
pub(super) fn preferred(
    grants: &Grants,
    a: StoredDefinition,
    b: StoredDefinition,
) -> StoredDefinition {
    let rank = |each: &StoredDefinition| match each.project.as_str() {
        own if own == grants.project => 2,
        PROJECT_SHARED => 1,
        _ => 0,
    };
    let order = compare_versions(&a.version, &b.version).then(rank(&a).cmp(&rank(&b)));
    if order.is_lt() { b } else { a }
}

fn no_execution(id: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no execution {id:?}"))
        .at("/execution_id")
        .hint("procedure_run returned the id; mimo procedure history lists executions")
}
