//! `memory_store`: one memory, or several of which all are stored or none.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{content, cut};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::moment::{Edge, Here, SpanDirection, within_years};
use crate::memory::{Draft, Memories, Remembered};
use crate::store::memory::{Category, ExplicitFields, MemoryFields, MemoryId};
use crate::tools::arguments::{ArgumentReader, moment};
use crate::tools::schema::shape;
use crate::tools::scope::one_project;
use crate::tools::{Arguments, Context, Document};

const FIELDS: [&str; 10] = [
    "content",
    "category",
    "importance",
    "tags",
    "topic_key",
    "supersedes_id",
    "valid_until",
    "said_at",
    "project",
    "thread",
];

pub(crate) async fn call(
    memories: Arc<Memories>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let drafts = drafts(&memories, &arguments, &context)?;
    let progress = context.progress.clone();
    let several = drafts.len() > 1;
    let report = move |done: usize, total: usize| {
        if several {
            progress.report(done as f64, Some(total as f64), None);
        }
    };
    let stored = memories
        .remember(context.caller.reach(), drafts, &context.cancel, report)
        .await?;
    let results: Vec<Value> = stored.iter().map(result).collect();
    Document::of(&json!({ "results": results }))
}

fn result(stored: &Remembered) -> Value {
    let mut result = json!({
        "id": stored.id,
        "outcome": stored.outcome.name(),
        "project": stored.project,
    });
    let shown = |memories: &[(MemoryId, String)]| -> Vec<Value> {
        let shown = |(id, text): &(MemoryId, String)| json!({"id": id, "content": excerpt(text)});
        memories.iter().map(shown).collect()
    };
    if stored.text_updated {
        result["text"] = json!("updated");
    }
    if let Some(older) = stored.supersedes {
        result["supersedes"] = json!(older);
    }
    if let Some(text) = &stored.held_more {
        result["replaced_text"] = json!(excerpt(text));
        result["note"] = json!("the replaced text held more; store again what still holds of it");
    }
    if !stored.similar.is_empty() {
        let ids: Vec<MemoryId> = stored.similar.iter().map(|(id, _)| *id).collect();
        result["similar"] = json!(ids);
        result["similar_texts"] = json!(shown(&stored.similar));
    }
    if !stored.contradicts.is_empty() {
        result["contradicts"] = json!(shown(&stored.contradicts));
    }
    if let Some(warning) = &stored.warning {
        result["warning"] = json!(warning);
    }
    result
}

/// The beginning of another memory's text.
fn excerpt(text: &str) -> &str {
    cut(text, limits::EXCERPT_BYTES_MAX)
}

/// The memories of a call: the call's own fields, or those of `memories`, for
/// which the call's own are the defaults.
fn drafts(
    memories: &Memories,
    arguments: &Arguments,
    context: &Context,
) -> Result<Vec<Draft>, Failure> {
    let outer = ArgumentReader::new(arguments);
    let here = memories.here();
    let Some(items) = outer.list("memories")? else {
        if outer.value("content").is_none() {
            return Err(missing_content(&outer).example(shape(super::STORE, arguments)));
        }
        return Ok(vec![draft(&outer, None, context, here)?]);
    };
    for alone in ["content", "topic_key", "supersedes_id"] {
        if outer.value(alone).is_some() {
            return Err(Failure::invalid(
                outer.path(alone),
                format!("{alone} belongs to one memory, but memories lists several"),
            )
            .hint(format!("move {alone} into the items of memories")));
        }
    }
    if items.is_empty() || items.len() > limits::MEMORY_BATCH_MAX {
        return Err(Failure::invalid(
            outer.path("memories"),
            format!(
                "{} memories cannot be stored at once; 1 to {} can",
                items.len(),
                limits::MEMORY_BATCH_MAX
            ),
        ));
    }
    let item = |(nth, item): (usize, &Value)| {
        let path = format!("/memories/{nth}");
        let item = item
            .as_object()
            .ok_or_else(|| Failure::invalid(&path, "this must be an object with content"))?;
        let item = ArgumentReader::at(item, path);
        item.only(&FIELDS)?;
        draft(&item, Some(&outer), context, here)
    };
    items.iter().enumerate().map(item).collect()
}

fn missing_content(reader: &ArgumentReader<'_>) -> Failure {
    Failure::invalid(reader.path("content"), "content is missing")
        .hint("give the text to remember as content")
}

fn draft(
    own: &ArgumentReader<'_>,
    outer: Option<&ArgumentReader<'_>>,
    context: &Context,
    here: Here,
) -> Result<Draft, Failure> {
    // Each field from the memory itself, else from the call around it.
    let from = |key: &str| match outer {
        Some(outer) if own.value(key).is_none() => outer,
        _ => own,
    };
    let text = own.text("content")?.ok_or_else(|| missing_content(own))?;
    let fields = MemoryFields {
        project: one_project(from("project"))?
            .unwrap_or_else(|| context.caller.project().to_owned()),
        category: category(from("category"))?.unwrap_or_default(),
        importance: from("importance").share("importance")?.unwrap_or(0.5),
        tags: from("tags")
            .names("tags", limits::MEMORY_TAGS_MAX)?
            .unwrap_or_default()
            .into_iter()
            .collect(),
        topic_key: own.name("topic_key")?,
        thread: from("thread")
            .name("thread")?
            .unwrap_or_else(|| context.caller.session.to_string()),
        valid_until: moment(
            from("valid_until"),
            "valid_until",
            Edge::End,
            SpanDirection::Future,
            here,
        )?,
        said_at: said_at(from("said_at"), here)?,
    };
    let is_given = |key: &str| from(key).value(key).is_some();
    Ok(Draft {
        fields,
        explicit: ExplicitFields {
            project: is_given("project"),
            category: is_given("category"),
            importance: is_given("importance"),
            thread: is_given("thread"),
        },
        text: content(text, own.path("content"))?,
        supersedes: own.integer("supersedes_id")?,
    })
}

/// When a memory was said or happened.
pub(super) fn said_at(
    reader: &ArgumentReader<'_>,
    here: Here,
) -> Result<Option<Timestamp>, Failure> {
    let read = moment(reader, "said_at", Edge::Start, SpanDirection::Past, here)?;
    let shown = reader.text("said_at")?.unwrap_or_default();
    let path = reader.path("said_at");
    read.map(|time| within_years(time, &format!("{shown:?}"), &path))
        .transpose()
}

pub(crate) fn category(reader: &ArgumentReader<'_>) -> Result<Option<Category>, Failure> {
    let name = reader.text("category")?;
    name.map(|name| named_category(name, &reader.path("category")))
        .transpose()
}

/// The category that a caller named at `path`.
pub(crate) fn named_category(name: &str, path: &str) -> Result<Category, Failure> {
    Category::from_name(name).ok_or_else(|| {
        Failure::invalid(path, format!("there is no category {name:?}"))
            .hint("use fact, decision, preference, action, observation or plan")
    })
}
