//! Completes what a person types into a prompt's argument or a resource template with
//! existing names.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::procedure::offers as procedures;
use super::{graph, memory, prompts};
use crate::caller::{Caller, with_shared};
use crate::failure::Failure;
use crate::limits;
use crate::procedure::Procedures;
use crate::store::memory::Category;
use crate::store::names::{NameKind, NameStore, Names, NamesQuery};

/// The parameters of `completion/complete`.
#[derive(Clone, Debug)]
pub(crate) struct CompletionRequest {
    pub(crate) target: CompletionTarget,
    pub(crate) argument: String,
    /// What was typed so far.
    pub(crate) value: String,
    /// The other arguments, as far as they are known.
    pub(crate) others: Map<String, Value>,
}

/// The prompt or resource that has the argument.
#[derive(Clone, Debug)]
pub(crate) enum CompletionTarget {
    /// By name.
    Prompt(String),
    /// By the URI of its template.
    Resource(String),
}

/// Answers `completion/complete` for Mimo's own prompts and resources.
pub(crate) struct Completer {
    pub(crate) names: Arc<dyn NameStore>,
    pub(crate) procedures: Procedures,
}

impl Completer {
    /// The result, or `None` for what is not Mimo's own.
    pub(crate) async fn complete(
        &self,
        request: &CompletionRequest,
        caller: &Caller,
    ) -> Result<Option<Value>, Failure> {
        let found = match &request.target {
            CompletionTarget::Prompt(name) if prompts::is_own(name) => {
                self.prompt_argument(request, caller).await?
            }
            CompletionTarget::Prompt(name) => {
                let argument = &request.argument;
                let grants = &caller.grants;
                match procedures::choices(&self.procedures, grants, name, argument).await? {
                    Some(choices) => beginning_with(choices.into_iter(), &request.value),
                    None => return Ok(None),
                }
            }
            CompletionTarget::Resource(uri) if uri.starts_with(memory::resource::PREFIX) => {
                self.gather(&[NameKind::Memory], request, caller).await?
            }
            CompletionTarget::Resource(uri) if uri.starts_with(graph::resource::PREFIX) => {
                self.gather(&[NameKind::EntityKey], request, caller).await?
            }
            CompletionTarget::Resource(uri) if uri.starts_with(procedures::PREFIX) => {
                let all = self
                    .procedures
                    .find(&caller.grants, None, usize::MAX)
                    .await?;
                let names = all.into_iter().map(|kept| kept.name);
                beginning_with(names, &request.value)
            }
            CompletionTarget::Resource(_) => return Ok(None),
        };
        Ok(Some(document(found)))
    }

    /// Completes an argument of one of Mimo's own prompts.
    async fn prompt_argument(
        &self,
        request: &CompletionRequest,
        caller: &Caller,
    ) -> Result<Names, Failure> {
        Ok(match request.argument.as_str() {
            "topic" | "focus" => {
                let kinds = [NameKind::TopicKey, NameKind::Tag, NameKind::EntityName];
                self.gather(&kinds, request, caller).await?
            }
            "tag" => self.gather(&[NameKind::Tag], request, caller).await?,
            "project" => {
                let mut names = self.gather(&[NameKind::Project], request, caller).await?;
                // These can be named even if nothing is in them yet.
                let fixed = with_shared(caller.project()).into_iter();
                let fixed = beginning_with(fixed, &request.value);
                names.names.splice(0..0, fixed.names);
                remove_duplicates(&mut names.names);
                names
            }
            "category" => {
                let names = Category::ALL.into_iter().map(|each| each.name().to_owned());
                beginning_with(names, &request.value)
            }
            _ => Names::default(),
        })
    }

    /// Names of these kinds, one kind after the other, each once.
    async fn gather(
        &self,
        kinds: &[NameKind],
        request: &CompletionRequest,
        caller: &Caller,
    ) -> Result<Names, Failure> {
        let projects = match request.others.get("project").and_then(Value::as_str) {
            Some("*") => Vec::new(),
            Some(project) if !project.trim().is_empty() => vec![project.trim().to_owned()],
            _ => with_shared(caller.project()),
        };
        let mut all = Names::default();
        for kind in kinds {
            let query = NamesQuery {
                kind: *kind,
                reach: caller.reach().clone(),
                projects: projects.clone(),
                prefix: request.value.clone(),
                limit: limits::NAMES_GATHERED_MAX,
            };
            let found = self.names.names(query).await?;
            all.names.extend(found.names);
            all.more |= found.more;
        }
        remove_duplicates(&mut all.names);
        Ok(all)
    }
}

/// The names that begin with `prefix`, whatever its case.
fn beginning_with(names: impl Iterator<Item = String>, prefix: &str) -> Names {
    let prefix = prefix.trim().to_lowercase();
    let begins = |name: &String| name.to_lowercase().starts_with(&prefix);
    Names {
        names: names.filter(begins).collect(),
        more: false,
    }
}

/// Keeps the first of names that differ in case only.
fn remove_duplicates(names: &mut Vec<String>) {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.to_lowercase()));
}

/// The result of `completion/complete`; without a total where it is unknown.
fn document(found: Names) -> Value {
    let shown = &found.names[..found.names.len().min(limits::COMPLETION_VALUES_MAX)];
    let mut completion = json!({
        "values": shown,
        "hasMore": found.more || shown.len() < found.names.len(),
    });
    if !found.more {
        completion["total"] = json!(found.names.len());
    }
    json!({ "completion": completion })
}
