//! Prompts of Mimo's own, which a person picks from a menu: `recall`,
//! `remember` and `handoff`. Each becomes a message of that person, with what is
//! stored quoted in it as data.

mod handoff;
mod quoted;
mod recall;
mod remember;

use std::sync::Arc;

use serde_json::{Value, json};

use super::arguments::Reader;
use super::{Arguments, Prompts};
use crate::caller::Reach;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits;
use crate::memory::{Memories, Mode, Search};
use crate::procedure::Procedures;
use crate::store::memory::{Category, Filter, Memory, MemoryId};
use crate::store::names::{Kind, NameStore, NamesQuery};

/// Their names: no other prompt is listed under one of these.
const NAMES: [&str; 3] = ["recall", "remember", "handoff"];

/// Whether a prompt of this name is one of ours.
pub fn is_own(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What the prompts are made of.
pub struct Desk {
    /// The memories.
    pub memories: Arc<Memories>,
    /// The graph.
    pub graph: Arc<Graph>,
    /// The procedures.
    pub procedures: Procedures,
    /// The names in use.
    pub names: Arc<dyn NameStore>,
    /// The project of this workspace.
    pub project: String,
    /// Whether the client has the graph's tools.
    pub relates: bool,
}

/// The three.
pub fn prompts(desk: Desk) -> Prompts {
    let desk = Arc::new(desk);
    Prompts {
        list: Arc::new(|| Box::pin(async { Ok(listed()) })),
        get: Arc::new(move |name, arguments| {
            let desk = desk.clone();
            Box::pin(async move { get(&desk, &name, arguments).await })
        }),
    }
}

async fn get(desk: &Desk, name: &str, arguments: Arguments) -> Result<Option<Value>, Failure> {
    let (description, text) = match name {
        "recall" => recall::message(desk, &Given::of(&recall::ARGUMENTS, arguments)?).await?,
        "remember" => remember::message(desk, &Given::of(&remember::ARGUMENTS, arguments)?).await?,
        "handoff" => handoff::message(desk, &Given::of(&handoff::ARGUMENTS, arguments)?).await?,
        _ => return Ok(None),
    };
    Ok(Some(json!({
        "description": description,
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
    })))
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

/// An argument, as clients see it.
struct Argument {
    name: &'static str,
    description: &'static str,
    required: bool,
}

/// The arguments that were given, checked. What was left blank was not given.
struct Given(Arguments);

impl Given {
    fn of(known: &[Argument], mut given: Arguments) -> Result<Given, Failure> {
        given.retain(|_, value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
        let names: Vec<&str> = known.iter().map(|each| each.name).collect();
        let reader = Reader::new(&given);
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
                    let message = format!("{} bytes are too many; at most {most} fit", text.len());
                    let hint = "name it in a sentence, and give the rest in the conversation";
                    return Err(Failure::invalid(path, message).hint(hint));
                }
                _ => {}
            }
        }
        Ok(Given(given))
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).map(str::trim)
    }
}

impl Desk {
    /// Which memories of these projects count now.
    fn filter(
        &self,
        projects: &[String],
        category: Option<Category>,
        tag: Option<String>,
    ) -> Filter {
        Filter {
            category,
            tags: tag.into_iter().collect(),
            ..Filter::within(&Reach::Everything, projects.to_vec(), self.memories.now())
        }
    }

    /// The best of a search, and what could not be used for it.
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
            threshold,
            offset: 0,
            limit: limits::PROMPT_MEMORIES_MAX,
        };
        let page = self.memories.search(search).await?;
        let memories = page.items.into_iter().map(|(memory, _)| memory);
        Ok((memories.collect(), page.degraded))
    }

    /// The memories that have `name` as their topic key or tag, of those that
    /// `filter` lets through.
    async fn called(&self, name: &str, filter: &Filter) -> Result<Vec<Memory>, Failure> {
        let (projects, most) = (filter.projects.clone(), limits::PROMPT_MEMORIES_MAX);
        let called = self
            .names
            .called(&filter.reach, projects, name.to_owned(), most);
        let ids = called.await?;
        self.those(ids, filter).await
    }

    /// The latest memories of those that `filter` lets through.
    async fn latest(&self, filter: &Filter) -> Result<Vec<Memory>, Failure> {
        let latest = NamesQuery {
            kind: Kind::Memory,
            reach: filter.reach.clone(),
            projects: filter.projects.clone(),
            prefix: String::new(),
            limit: limits::PROMPT_LATEST_MAX,
        };
        let ids = self.names.names(latest).await?.names;
        let ids = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.those(ids, filter).await
    }

    /// The active memories with these ids, of those that `filter` lets through.
    async fn those(&self, ids: Vec<MemoryId>, filter: &Filter) -> Result<Vec<Memory>, Failure> {
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
            let lives = memory.valid_until.is_none_or(|end| end > filter.now);
            let of_category = filter
                .category
                .is_none_or(|wanted| memory.category == wanted);
            lives && of_category && filter.tags.iter().all(|tag| memory.tags.contains(tag))
        };
        Ok(found.map(|(memory, _)| memory).filter(counts).collect())
    }
}

/// The beginning of a text, for a title.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(limits::TITLE_CHARS_MAX);
    end.map_or(text, |(end, _)| &text[..end])
}

/// Where was looked, in words.
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
