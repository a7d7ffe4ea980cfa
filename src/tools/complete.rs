//! Completing what a person types into a prompt's argument or a resource's
//! template: the names in use that begin so.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::arguments::visible_to;
use super::procedure::offers as procedures;
use super::{graph, memory, prompts};
use crate::caller::Reach;
use crate::failure::Failure;
use crate::limits;
use crate::procedure::Procedures;
use crate::store::memory::Category;
use crate::store::names::{Kind, NameStore, Names, NamesQuery};

/// What is to be completed.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose argument it is.
    pub of: Of,
    /// The argument.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
    /// The other arguments, as far as they are known.
    pub others: Map<String, Value>,
}

/// What has arguments.
#[derive(Clone, Debug)]
pub enum Of {
    /// The prompt of this name.
    Prompt(String),
    /// The resource template with this URI.
    Resource(String),
}

/// Answers `completion/complete` for what is Mimo's own; `None` for anything
/// else.
pub type Complete =
    Arc<dyn Fn(Asked) -> BoxFuture<'static, Result<Option<Value>, Failure>> + Send + Sync>;

/// What is completed from.
pub struct Completer {
    /// The names in use.
    pub names: Arc<dyn NameStore>,
    /// The procedures.
    pub procedures: Procedures,
    /// The project of this workspace.
    pub project: String,
}

impl Completer {
    /// It as a function.
    pub fn into_complete(self) -> Complete {
        let completer = Arc::new(self);
        Arc::new(move |asked| {
            let completer = completer.clone();
            Box::pin(async move { completer.complete(asked).await })
        })
    }

    async fn complete(&self, asked: Asked) -> Result<Option<Value>, Failure> {
        let found = match &asked.of {
            Of::Prompt(name) if prompts::is_own(name) => self.argument(&asked).await?,
            Of::Prompt(name) => match procedures::choices(&self.procedures, name, &asked).await? {
                Some(names) => names,
                None => return Ok(None),
            },
            Of::Resource(uri) if uri.starts_with(memory::resource::PREFIX) => {
                self.gather(&[Kind::Memory], &asked).await?
            }
            Of::Resource(uri) if uri.starts_with(graph::resource::PREFIX) => {
                self.gather(&[Kind::EntityKey], &asked).await?
            }
            Of::Resource(uri) if uri.starts_with(procedures::PREFIX) => {
                let all = self.procedures.find(None, usize::MAX).await?;
                let names = all.into_iter().map(|kept| kept.name);
                beginning_so(names, &asked.value)
            }
            Of::Resource(_) => return Ok(None),
        };
        Ok(Some(document(found)))
    }

    /// Of a prompt of our own.
    async fn argument(&self, asked: &Asked) -> Result<Names, Failure> {
        Ok(match asked.argument.as_str() {
            "topic" | "focus" => {
                let kinds = [Kind::TopicKey, Kind::Tag, Kind::EntityName];
                self.gather(&kinds, asked).await?
            }
            "tag" => self.gather(&[Kind::Tag], asked).await?,
            "project" => {
                let mut names = self.gather(&[Kind::Project], asked).await?;
                // These can be named although nothing is in them yet.
                let fixed = visible_to(&self.project).into_iter();
                let fixed = beginning_so(fixed, &asked.value);
                names.names.splice(0..0, fixed.names);
                once(&mut names.names);
                names
            }
            "category" => {
                let names = Category::ALL.into_iter().map(|each| each.name().to_owned());
                beginning_so(names, &asked.value)
            }
            _ => Names::default(),
        })
    }

    /// Names of these kinds, one kind after the other, each once.
    async fn gather(&self, kinds: &[Kind], asked: &Asked) -> Result<Names, Failure> {
        let projects = match asked.others.get("project").and_then(Value::as_str) {
            Some("*") => Vec::new(),
            Some(project) if !project.trim().is_empty() => vec![project.trim().to_owned()],
            _ => visible_to(&self.project),
        };
        let mut all = Names::default();
        for kind in kinds {
            let query = NamesQuery {
                kind: *kind,
                reach: Reach::Everything,
                projects: projects.clone(),
                prefix: asked.value.clone(),
                limit: limits::NAMES_GATHERED_MAX,
            };
            let found = self.names.names(query).await?;
            all.names.extend(found.names);
            all.more |= found.more;
        }
        once(&mut all.names);
        Ok(all)
    }
}

/// Those of a few names that begin so, in whatever case.
pub fn beginning_so(names: impl Iterator<Item = String>, prefix: &str) -> Names {
    let prefix = prefix.trim().to_lowercase();
    let begins = |name: &String| name.to_lowercase().starts_with(&prefix);
    Names {
        names: names.filter(begins).collect(),
        more: false,
    }
}

/// Leaves each name once, whatever its case.
fn once(names: &mut Vec<String>) {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.to_lowercase()));
}

/// The result. A total is given only where it is known.
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
