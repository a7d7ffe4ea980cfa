//! Looking things up: definitions by name and hash, executions with their
//! journals, and whether a context fits.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value, json};

use super::check::KnownNames;
use super::definition::{Definition, LATEST, compare_versions};
use super::journal::Entry;
use super::machine::Machine;
use super::{Inner, ToolCaller, view};
use crate::diagnostics::{brief, suggest};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::store::procedure::{Execution, StoredDefinition};

impl Inner {
    pub(super) async fn definition(
        &self,
        name: &str,
        version: &str,
    ) -> Result<StoredDefinition, Failure> {
        let mut versions = self.store.versions(name.to_owned()).await?;
        versions.sort_by(|a, b| compare_versions(&a.version, &b.version));
        let found = match version {
            LATEST => versions.pop(),
            wanted => {
                let at = versions.iter().position(|kept| kept.version == wanted);
                at.map(|at| versions.swap_remove(at))
            }
        };
        if let Some(found) = found {
            return Ok(found);
        }
        if versions.is_empty() {
            let all = self.store.definitions().await?;
            let names = all.iter().map(|kept| kept.name.as_str());
            let names: BTreeSet<&str> = names.collect();
            let hint = match names.is_empty() {
                true => "define one with procedure_define".to_owned(),
                false => suggest(name, names),
            };
            let message = format!("there is no procedure {name:?}");
            return Err(Failure::new(Kind::NotFound, message).at("/name").hint(hint));
        }
        let known: Vec<&str> = versions.iter().map(|kept| kept.version.as_str()).collect();
        let message = format!("{name} has no version {version:?}");
        Err(Failure::new(Kind::NotFound, message)
            .at("/version")
            .hint(format!("there are {}, and latest", known.join(", "))))
    }

    pub(super) async fn kept(&self, hash: &str) -> Result<StoredDefinition, Failure> {
        let kept = self.store.definition(hash.to_owned()).await?;
        kept.ok_or_else(|| Failure::internal(format!("no definition has the hash {hash}")))
    }

    pub(super) async fn by_hash(&self, hash: &str) -> Result<Arc<Definition>, Failure> {
        let ready = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = ready().get(hash) {
            return Ok(found.clone());
        }
        let kept = self.kept(hash).await?;
        let definition: Definition =
            serde_json::from_str(&kept.definition).map_err(Failure::internal)?;
        let definition = Arc::new(definition);
        let mut ready = ready();
        if ready.len() >= limits::PROCEDURES_READY_MAX {
            ready.clear();
        }
        ready.insert(hash.to_owned(), definition.clone());
        Ok(definition)
    }

    pub(super) async fn execution(&self, id: &str) -> Result<Execution, Failure> {
        let found = self.store.execution(id.to_owned()).await?;
        found.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no execution {id:?}"))
                .at("/execution_id")
                .hint("procedure_run gave the id; mimo procedure history lists them")
        })
    }

    pub(super) async fn entries(&self, id: &str) -> Result<Vec<Entry>, Failure> {
        let texts = self.store.journal(id.to_owned()).await?;
        let read = |text: &String| serde_json::from_str(text).map_err(Failure::internal);
        texts.iter().map(read).collect()
    }

    pub(super) async fn machine(&self, id: &str) -> Result<(Execution, Machine), Failure> {
        let execution = self.execution(id).await?;
        let definition = self.by_hash(&execution.hash).await?;
        let journal = self.entries(id).await?;
        let machine = Machine::replay(definition, id, &journal).map_err(|journal_error| {
            Failure::internal(format!("the journal of {id}: {}", journal_error.0))
        })?;
        Ok((execution, machine))
    }
}

/// What an execution begins with: the given context, defaults filled in, if it
/// fits.
pub(super) fn begin_with(
    definition: &Definition,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let mut context = given;
    let bytes = serde_json::to_string(&context).map_or(usize::MAX, |text| text.len());
    if bytes > limits::PROCEDURE_CONTEXT_BYTES_MAX {
        let most = limits::PROCEDURE_CONTEXT_BYTES_MAX;
        let message = format!("the context has {bytes} bytes; at most {most} fit");
        return Err(Failure::new(Kind::LimitExceeded, message).at("/context"));
    }
    let Some(schema) = &definition.context_schema else {
        return Ok(context);
    };
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = part.get("default")
            && !context.contains_key(name)
        {
            context.insert(name.clone(), value.clone());
        }
    }
    let validator =
        jsonschema::validator_for(schema).map_err(|error| Failure::internal(error.to_string()))?;
    let value = Value::Object(context);
    if let Some(error) = validator.iter_errors(&value).next() {
        let path = format!("/context{}", error.instance_path());
        let mut message = error.to_string();
        if view::is_secret_path(definition, &path) {
            message = "this secret does not fit the context_schema".to_owned();
        }
        return Err(Failure::invalid(
            path,
            brief(&json!(message))
                .to_string()
                .trim_matches('"')
                .to_owned(),
        )
        .hint(format!(
            "procedure_find with name {:?} shows the context_schema",
            definition.name
        )));
    }
    match value {
        Value::Object(context) => Ok(context),
        _ => Ok(Map::new()),
    }
}

/// What there is when a definition is checked.
pub(super) struct InstalledNames {
    pub(super) tools: Option<Arc<dyn ToolCaller>>,
    pub(super) procedures: BTreeSet<String>,
}

impl KnownNames for InstalledNames {
    fn tool(&self, name: &str) -> Result<(), (String, String)> {
        self.tools
            .as_ref()
            .map_or(Ok(()), |tools| tools.check(name))
    }

    fn procedure(&self, name: &str) -> bool {
        self.procedures.contains(name)
    }
}
