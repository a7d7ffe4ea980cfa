//! Memories as lines of JSON: exported without loss, imported without duplicates. The
//! first line names the format, each other line is a memory.

pub(crate) mod foreign;
mod import;
mod times;

use std::collections::BTreeSet;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Memories;
use super::rules::import::ImportRecord;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::store::ProjectSet;
use crate::store::memory::{Category, Memory, MemoryFields, MemoryState};
use crate::text;

pub use import::{Counts, Importer};

const FORMAT: &str = "mimo-memories";
/// The version that this Mimo writes; it reads this and all earlier ones.
const VERSION: u64 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u64,
    exported_at: String,
    /// How many lines follow.
    memories: u64,
}

/// A memory. Missing fields get the defaults of a new memory, so that a line can be
/// written by hand: only `content` is required.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    importance: Option<f64>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    tags: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    protected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supersedes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said_at: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Value>,
    /// When it was first recorded, where edits of its text came later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded_at: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recalled_at: Option<Value>,
    #[serde(default, skip_serializing_if = "is_zero")]
    recall_count: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ExportLine {
    fn of(memory: Memory) -> ExportLine {
        let written = Timestamp::to_iso_micros;
        let time = |time: Timestamp| json!(written(time));
        let fields = memory.fields;
        let tags = Some(fields.tags).filter(|tags| !tags.is_empty());
        ExportLine {
            id: Some(memory.id),
            content: memory.content,
            category: Some(fields.category.name().to_owned()),
            importance: Some(fields.importance),
            tags: tags.map_or(Value::Null, |tags| json!(tags)),
            project: Some(fields.project),
            thread: Some(fields.thread),
            position: Some(memory.position),
            topic_key: fields.topic_key,
            state: Some(memory.state.name().to_owned()),
            protected: memory.protected,
            supersedes: memory.supersedes,
            valid_until: fields.valid_until.map(written),
            said_at: fields.said_at.map(time),
            created_at: Some(time(memory.created_at)),
            recorded_at: memory.recorded_at.map(time),
            updated_at: Some(time(memory.updated_at)),
            retired_at: memory.retired_at.map(time),
            recalled_at: memory.recalled_at.map(time),
            recall_count: memory.recall_count,
        }
    }

    /// The memory of this line, of `project` where it names none, and whether it had
    /// more tags than fit.
    fn read(self, project: &str) -> Result<(ImportRecord<String>, bool), Failure> {
        let mut tags = read_tags(&self.tags)?;
        let is_cut = tags.len() > limits::MEMORY_TAGS_MAX;
        tags.truncate(limits::MEMORY_TAGS_MAX);
        let category = self.category.as_deref();
        let state = self.state.as_deref();
        let record = ImportRecord {
            id: self.id,
            fields: MemoryFields {
                project: self.project.unwrap_or_else(|| project.to_owned()),
                category: named(category, Category::from_name, "/category")?,
                importance: self.importance.unwrap_or(0.5),
                tags: tags.into_iter().collect(),
                topic_key: self.topic_key,
                thread: self.thread.unwrap_or_else(|| own_thread(&self.content)),
                valid_until: moment(self.valid_until.as_deref(), "/valid_until")?,
                said_at: times::past(self.said_at.as_ref(), "/said_at")?,
            },
            position: self.position.unwrap_or(1),
            state: named(state, MemoryState::from_name, "/state")?,
            protected: self.protected,
            created_at: times::past(self.created_at.as_ref(), "/created_at")?,
            recorded_at: times::past(self.recorded_at.as_ref(), "/recorded_at")?,
            updated_at: times::past(self.updated_at.as_ref(), "/updated_at")?,
            retired_at: times::past(self.retired_at.as_ref(), "/retired_at")?,
            recalled_at: times::past(self.recalled_at.as_ref(), "/recalled_at")?,
            recall_count: self.recall_count,
            text: self.content,
        };
        Ok((checked(record)?, is_cut))
    }
}

impl Memories {
    /// Hands the lines of every memory of `projects` to `take`, as they are at
    /// one moment.
    pub async fn export(
        &self,
        projects: ProjectSet,
        mut take: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let exported_at = self.clock.now().to_iso_micros();
        let mut header = Some(exported_at);
        let mut pages = self.store.export(projects);
        while let Some(page) = pages.next().await {
            let page = page?;
            if let Some(exported_at) = header.take() {
                let header = Header {
                    format: FORMAT.to_owned(),
                    version: VERSION,
                    exported_at,
                    memories: page.total,
                };
                take(&serde_json::to_string(&header).map_err(Failure::internal)?)?;
            }
            for memory in page.memories {
                let line = serde_json::to_string(&ExportLine::of(memory));
                take(&line.map_err(Failure::internal)?)?;
            }
        }
        Ok(())
    }
}

/// The thread of a memory without one: derived from its text's key, so that another
/// import recognizes the memory.
fn own_thread(content: &str) -> String {
    let key = text::key(content);
    format!("import/{}", base16ct::lower::encode_string(&key[..8]))
}

fn named<T: Default>(
    name: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
    path: &str,
) -> Result<T, Failure> {
    let Some(name) = name else {
        return Ok(T::default());
    };
    read(name).ok_or_else(|| Failure::invalid(path, format!("there is no {} {name:?}", &path[1..])))
}

fn moment(text: Option<&str>, path: &str) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let why = || format!("{text:?} is not a moment like 2026-11-22T17:36:00Z");
    let time = Timestamp::from_iso(text);
    time.map(Some).ok_or_else(|| Failure::invalid(path, why()))
}

/// The tags of a list, or of a text with commas; each once, in their order.
fn read_tags(tags: &Value) -> Result<Vec<String>, Failure> {
    let list = match tags {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        Value::String(_) => return Ok(foreign::names_of(Some(tags))),
        _ => {
            return Err(Failure::invalid(
                "/tags",
                "the tags are neither a list nor a text",
            ));
        }
    };
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (nth, tag) in list.iter().enumerate() {
        let Some(tag) = tag.as_str() else {
            return Err(Failure::invalid(
                format!("/tags/{nth}"),
                "this tag is not a text",
            ));
        };
        if seen.insert(tag) {
            names.push(tag.to_owned());
        }
    }
    Ok(names)
}

/// Applies the bounds of the tools to an imported memory.
fn checked(new: ImportRecord<String>) -> Result<ImportRecord<String>, Failure> {
    let refuse = |path: &str, why: String| Err(Failure::invalid(path, why));
    let fields = &new.fields;
    let (bytes, most) = (new.text.len(), limits::MEMORY_CONTENT_BYTES_MAX);
    if new.text.trim().is_empty() {
        return refuse("/content", "the content is blank".to_owned());
    }
    if bytes > most {
        return refuse(
            "/content",
            format!("the content has {bytes} bytes; at most {most} fit"),
        );
    }
    if new.text.contains('\0') {
        return refuse("/content", "the content holds a NUL character".to_owned());
    }
    if !(0.0..=1.0).contains(&fields.importance) {
        let why = format!("{} is not between 0 and 1", fields.importance);
        return refuse("/importance", why);
    }
    let names = fields.tags.iter().map(|tag| ("/tags", tag));
    let others = [("/project", &fields.project), ("/thread", &fields.thread)];
    let topic = fields.topic_key.iter().map(|topic| ("/topic_key", topic));
    for (path, name) in names.chain(others).chain(topic) {
        let most = limits::NAME_BYTES_MAX;
        if name.trim().is_empty() || name.len() > most || name.contains('\0') {
            let why = format!("a name has 1 to {most} bytes, is not blank and holds no NUL");
            return refuse(path, why);
        }
    }
    if fields.project == "*" {
        return refuse("/project", "* stands for all projects".to_owned());
    }
    if new.position < 1 {
        return refuse("/position", format!("{} is less than 1", new.position));
    }
    if new.state == MemoryState::Active && new.retired_at.is_some() {
        let why = "an active memory was not retired".to_owned();
        return refuse("/retired_at", why);
    }
    Ok(new)
}
