//! Mimo's own prompts, which a person picks from a menu: `recall`, `remember` and
//! `handoff`. Each becomes a message of that person, with stored texts quoted in
//! it as data.

mod handoff;
mod quoted;
mod recall;
mod remember;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::arguments::ArgumentReader;
use super::{Arguments, PromptSource};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits;
use crate::memory::{Memories, Mode, Search};
use crate::procedure::Procedures;
use crate::store::memory::{Category, Filter, Memory, MemoryId};
use crate::store::names::{NameKind, NameStore, NamesQuery};

/// No other prompt is listed under one of these names.
const NAMES: [&str; 3] = ["recall", "remember", "handoff"];

/// Whether this names one of Mimo's own prompts.
pub(crate) fn is_own(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Composes prompts from what is stored.
pub(crate) struct Composer {
    pub(crate) memories: Arc<Memories>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) procedures: Procedures,
    pub(crate) names: Arc<dyn NameStore>,
    /// Whether the client has the graph's tools, so that a prompt may name them.
    pub(crate) has_graph_tools: bool,
}

impl PromptSource for Composer {
    fn list<'a>(&'a self, _caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>> {
        Box::pin(async { Ok(listed()) })
    }

    fn get<'a>(
        &'a self,
        name: &'a str,
        arguments: Arguments,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Value>, Failure>> {
        Box::pin(async move {
            let given = |known| PromptArguments::of(known, arguments);
            let (description, text) = match name {
                "recall" => recall::message(self, &given(&recall::ARGUMENTS)?, caller).await?,
                "remember" => {
                    remember::message(self, &given(&remember::ARGUMENTS)?, caller).await?
                }
                "handoff" => handoff::message(self, &given(&handoff::ARGUMENTS)?, caller).await?,
                _ => return Ok(None),
            };
            Ok(Some(json!({
                "description": description,
                "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
            })))
        })
    }
}

fn listed() -> Vec<Value> {
    vec![
        prompt(
            "recall",
            "Recall what is known about a topic",
            "Brings what Mimo remembers about a topic into the conversation, each piece with its source.",
            &recall::ARGUMENTS,
        ),
        prompt(
            "remember",
            "Remember this",
            "Has what is worth keeping of the conversation, or what you name, stored in Mimo.",
            &remember::ARGUMENTS,
        ),
        prompt(
            "handoff",
            "Hand this work over",
            "Has a note written and stored from which the next session, or another client, can go on; a newer note replaces it.",
            &handoff::ARGUMENTS,
        ),
    ]
}

fn prompt(name: &str, title: &str, description: &str, arguments: &[Argument]) -> Value {
    let arguments = arguments.iter().map(|each| {
        json!({
            "name": each.name,
            "description": each.description,
            "required": each.required,
        })
    });
    json!({
        "name": name,
        "title": title,
        "description": description,
        "arguments": arguments.collect::<Vec<_>>(),
    })
}

/// An argument in the protocol's form.
struct Argument {
    name: &'static str,
    description: &'static str,
    required: bool,
}

/// Checked arguments. A blank one counts as absent.
struct PromptArguments(Arguments);

impl PromptArguments {
    fn of(known: &[Argument], mut given: Arguments) -> Result<PromptArguments, Failure> {
        given.retain(|_, value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
        let names: Vec<&str> = known.iter().map(|each| each.name).collect();
        let reader = ArgumentReader::new(&given);
        reader.only(&names)?;
        for each in known {
            let text = reader.text(each.name)?;
            let path = reader.path(each.name);
            match text {
                None if each.required => {
                    let message = format!("{} is missing", each.name);
                    return Err(Failure::invalid(path, message).hint(each.description));
                }
                Some(text) if text.len() > limits::PROMPT_ARGUMENT_BYTES_MAX => {
                    let most = limits::PROMPT_ARGUMENT_BYTES_MAX;
                    let message = format!(
                        "{} bytes are too many; at most {most} are allowed",
                        text.len()
                    );
                    let hint = "name it in a sentence, and give the rest in the conversation";
                    return Err(Failure::invalid(path, message).hint(hint));
                }
                _ => {}
            }
        }
        Ok(PromptArguments(given))
    }

    fn reader(&self) -> ArgumentReader<'_> {
        ArgumentReader::new(&self.0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).map(str::trim)
    }
}

impl Composer {
    /// Selects memories of these projects that are valid now.
    fn filter(
        &self,
        caller: &Caller,
        projects: &[String],
        category: Option<Category>,
        tag: Option<Vec<String>>,
    ) -> Filter {
        Filter {
            category,
            tags: tag.into_iter().collect(),
            ..Filter::within(caller.reach(), projects.to_vec(), self.memories.now())
        }
    }

    /// The best results of a search, and why the search was degraded, if it was.
    async fn search(
        &self,
        query: &str,
        filter: Filter,
        threshold: f32,
    ) -> Result<(Vec<Memory>, Option<String>), Failure> {
        let search = Search {
            query: query.to_owned(),
            vector: None,
            filter,
            mode: Mode::Hybrid,
            threshold: Some(threshold),
            explains_empty: false,
            explains: false,
            offset: 0,
            limit: limits::PROMPT_MEMORIES_MAX,
            ends_early: false,
        };
        let page = self.memories.search(search).await?;
        let memories = page.items.into_iter().map(|(memory, _)| memory);
        Ok((memories.collect(), page.degraded))
    }

    /// The memories with `name` as their topic key or tag that match `filter`.
    async fn by_name(&self, name: &str, filter: &Filter) -> Result<Vec<Memory>, Failure> {
        let (projects, most) = (filter.projects.clone(), limits::PROMPT_MEMORIES_MAX);
        let by_name = self
            .names
            .memories_by_name(&filter.reach, projects, name.to_owned(), most);
        let ids = by_name.await?;
        self.active(ids, filter).await
    }

    async fn latest(&self, filter: &Filter) -> Result<Vec<Memory>, Failure> {
        let latest = NamesQuery {
            kind: NameKind::Memory,
            reach: filter.reach.clone(),
            projects: filter.projects.clone(),
            prefix: String::new(),
            limit: limits::PROMPT_LATEST_MAX,
        };
        let ids = self.names.names(latest).await?.names;
        let ids = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.active(ids, filter).await
    }

    /// The active memories with these ids that match `filter`.
    async fn active(&self, ids: Vec<MemoryId>, filter: &Filter) -> Result<Vec<Memory>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self
            .memories
            .by_ids(&filter.reach, ids)
            .await?
            .items
            .into_iter();
        let counts = |memory: &Memory| {
            let is_valid = memory.fields.valid_until.is_none_or(|end| end > filter.now);
            let of_category = filter
                .category
                .is_none_or(|wanted| memory.fields.category == wanted);
            is_valid
                && of_category
                && filter
                    .tags
                    .iter()
                    .all(|tag| tag.iter().any(|tag| memory.fields.tags.contains(tag)))
        };
        Ok(found.map(|(memory, _)| memory).filter(counts).collect())
    }
}

/// The start of a text, for a title.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(limits::TITLE_CHARS_MAX);
    end.map_or(text, |(end, _)| &text[..end])
}

/// The searched projects, for a sentence.
fn places(projects: &[String]) -> String {
    match projects {
        [] => "all projects".to_owned(),
        [one] => format!("the project {one:?}"),
        more => {
            let names: Vec<String> = more.iter().map(|name| format!("{name:?}")).collect();
            format!("the projects {}", names.join(" and "))
        }
    }
}
