//! Memories of other programs: the official memory server's file, and the JSON
//! export of mcp-memory-service. Data without a matching field is dropped.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checked;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::rules::import::ImportRecord;
use crate::store::memory::{Category, MemoryFields};
use crate::text;

/// The memories of one document.
#[derive(Default)]
pub(super) struct ForeignMemories {
    pub(crate) memories: Vec<ImportRecord<String>>,
    /// Whether the document is the whole file.
    pub(crate) is_whole: bool,
    /// Memories whose metadata is left out.
    pub(crate) metadata: usize,
}

/// Whether a document is the official memory server's: it has relations too,
/// which are the graph's.
pub(crate) fn is_servers(document: &Value) -> bool {
    document["entityType"].is_string()
        || document["relationType"].is_string()
        || (document["entities"].is_array() && document["relations"].is_array())
}

/// The memories of `document`; `None` if its format is unknown.
pub(super) fn read(document: &Value, project: &str) -> Result<Option<ForeignMemories>, Failure> {
    let mut others = ForeignMemories::default();
    if is_servers(document) {
        if let Some(entities) = document["entities"].as_array() {
            others.is_whole = true;
            for (nth, entity) in entities.iter().enumerate() {
                let of = observations(entity, project, &mut others.memories);
                of.map_err(|failure| within(format!("/entities/{nth}"), failure))?;
            }
        } else if document["entityType"].is_string() {
            observations(document, project, &mut others.memories)?;
        }
        return Ok(Some(others));
    }
    if let Some(memories) = document["memories"].as_array() {
        others.is_whole = true;
        for (nth, memory) in memories.iter().enumerate() {
            let memory = of_service(memory, project, &mut others.metadata)
                .map_err(|failure| within(format!("/memories/{nth}"), failure))?;
            others.memories.push(memory);
        }
        return Ok(Some(others));
    }
    Ok(None)
}

fn within(above: String, mut failure: Failure) -> Failure {
    failure.path = Some(format!("{above}{}", failure.path.unwrap_or_default()));
    failure
}

/// The memory server's observations of one entity. Each names the entity, by
/// which it is linked to it.
fn observations(
    entity: &Value,
    project: &str,
    memories: &mut Vec<ImportRecord<String>>,
) -> Result<(), Failure> {
    let name = text_of(entity, "name")?;
    let name_words = format!(" {} ", text::words(name));
    let kind = entity["entityType"].as_str().unwrap_or_default();
    let tags: BTreeSet<String> = [kind.trim().to_owned()]
        .into_iter()
        .filter(|tag| is_name(tag))
        .collect();
    let none = Vec::new();
    let observations = entity["observations"].as_array().unwrap_or(&none);
    for (nth, observation) in observations.iter().enumerate() {
        let path = format!("/observations/{nth}");
        let said = observation
            .as_str()
            .ok_or_else(|| Failure::invalid(&path, "this is not a string"))?;
        let names_it = format!(" {} ", text::words(said)).contains(&name_words);
        let content = match names_it {
            true => said.to_owned(),
            false => format!("{name}: {said}"),
        };
        let position = i64::try_from(nth).unwrap_or(0) + 1;
        let thread = cut(&format!("server-memory/{name}"));
        let fields = MemoryFields {
            category: Category::Observation,
            tags: tags.clone(),
            ..MemoryFields::new(project, thread)
        };
        let memory = ImportRecord::new(fields, content, position);
        memories.push(checked(memory).map_err(|failure| within(path, failure))?);
    }
    Ok(())
}

/// A memory of mcp-memory-service: its type stays as a tag.
fn of_service(
    memory: &Value,
    project: &str,
    metadata: &mut usize,
) -> Result<ImportRecord<String>, Failure> {
    let content = text_of(memory, "content")?;
    // Older exports may have no hash.
    let name = match memory["content_hash"].as_str() {
        Some(hash) => hash.to_owned(),
        None => super::own_thread(content),
    };
    let thread = cut(&format!("mcp-memory-service/{name}"));
    let kind = memory["memory_type"].as_str().unwrap_or_default().trim();
    let category = match kind {
        "observation" => Category::Observation,
        "action" | "code_edit" | "command" | "tool_outcome" => Category::Action,
        "plan" | "planning" | "task" | "todo" => Category::Plan,
        _ => Category::Fact,
    };
    let tags = match &memory["tags"] {
        Value::String(tags) => tags.split(',').map(str::to_owned).collect(),
        Value::Array(tags) => tags
            .iter()
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    let tags = tags.iter().map(String::as_str).chain([kind]);
    let tags = tags
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| is_name(tag));
    let fields = MemoryFields {
        category,
        tags: tags.take(limits::MEMORY_TAGS_MAX).collect(),
        ..MemoryFields::new(project, thread)
    };
    if memory["metadata"]
        .as_object()
        .is_some_and(|kept| !kept.is_empty())
    {
        *metadata += 1;
    }
    checked(ImportRecord {
        created_at: seconds(memory, "created_at")?,
        ..ImportRecord::new(fields, content.to_owned(), 1)
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX && !name.contains('\0')
}

/// Cuts a name to the length that names may have.
fn cut(name: &str) -> String {
    let mut name = name.replace('\0', " ");
    while name.len() > limits::NAME_BYTES_MAX {
        name.pop();
    }
    name
}

fn text_of<'a>(object: &'a Value, key: &str) -> Result<&'a str, Failure> {
    object[key]
        .as_str()
        .ok_or_else(|| Failure::invalid(format!("/{key}"), format!("{key} is not a text")))
}

/// A moment in seconds since 1970, whole or not.
fn seconds(memory: &Value, key: &str) -> Result<Option<Timestamp>, Failure> {
    let value = &memory[key];
    if value.is_null() {
        return Ok(None);
    }
    let micros = value.as_f64().map(|seconds| (seconds * 1e6).round());
    let micros = micros.filter(|micros| micros.abs() < 9e18);
    micros
        .map(|micros| Some(Timestamp(micros as i64)))
        .ok_or_else(|| {
            let why = format!("{value} is not a moment in seconds since 1970");
            Failure::invalid(format!("/{key}"), why)
        })
}
