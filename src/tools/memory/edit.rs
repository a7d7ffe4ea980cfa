//! `memory_edit`: update, forget, restore, protect, unprotect, undo.

use std::sync::Arc;

use serde_json::json;

use super::content;
use super::store::said_at;
use crate::failure::Failure;
use crate::limits;
use crate::memory::moment::Here;
use crate::memory::{Action, Memories};
use crate::tools::arguments::ArgumentReader;
use crate::tools::schema::shape;
use crate::tools::scope::one_project;
use crate::tools::{Arguments, Context, Document};

pub(crate) async fn call(
    memories: Arc<Memories>,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let reader = ArgumentReader::new(&arguments);
    let name = reader.text("action")?.unwrap_or_default();
    let dry_run = reader.boolean("dry_run")?.unwrap_or(false);
    refuse_unused(&reader, name)?;
    let reach = context.caller.reach();
    let edited = if name == "undo" {
        let undo_id = reader.name("undo_id")?.ok_or_else(|| {
            Failure::invalid("/undo_id", "undo needs the undo_id of the edit to undo")
                .hint("every edit answers with its undo_id")
                .example(shape(super::EDIT, &arguments))
        })?;
        memories
            .undo(reach, undo_id, dry_run, &context.cancel)
            .await?
    } else {
        let with_shape = |refused: Failure| match refused.hint {
            None => refused.example(shape(super::EDIT, &arguments)),
            Some(_) => refused,
        };
        let ids = ids(&reader, name).map_err(with_shape)?;
        let here = memories.here();
        let action = action(&reader, name, ids.len(), here).map_err(with_shape)?;
        let reason = reason(&reader)?;
        memories
            .edit(reach, ids, action, reason, dry_run, &context.cancel)
            .await?
    };
    let mut document = json!({ "changed": edited.changed, "dry_run": dry_run });
    let mut projects = edited.projects.into_iter();
    match (projects.next(), projects.len()) {
        (Some(project), 0) => document["project"] = json!(project),
        (Some(first), _) => {
            let all: Vec<String> = std::iter::once(first).chain(projects).collect();
            document["projects"] = json!(all);
        }
        (None, _) => {}
    }
    if let Some(undo_id) = edited.undo_id {
        document["undo_id"] = json!(undo_id);
    }
    Document::of(&document)
}

/// Refuses a field that the action would ignore.
fn refuse_unused(reader: &ArgumentReader<'_>, action: &str) -> Result<(), Failure> {
    let unused: &[&str] = match action {
        "update" => &["undo_id"],
        "undo" => &["ids", "content", "importance", "tags", "said_at", "project"],
        _ => &[
            "content",
            "importance",
            "tags",
            "said_at",
            "project",
            "undo_id",
        ],
    };
    // Some clients always send an empty list of ids.
    let says_something = |key: &&&str| {
        reader
            .value(key)
            .is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    };
    match unused.iter().find(says_something) {
        Some(key) => Err(Failure::invalid(
            reader.path(key),
            format!("{action} does not use {key}"),
        )
        .hint(format!("leave {key} out, or choose another action"))),
        None => Ok(()),
    }
}

fn ids(reader: &ArgumentReader<'_>, action: &str) -> Result<Vec<i64>, Failure> {
    let mut ids = reader
        .ids("ids", limits::MEMORY_EDIT_IDS_MAX)?
        .unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    if ids.is_empty() {
        let why = format!("{action} needs at least one id");
        return Err(Failure::invalid("/ids", why));
    }
    Ok(ids)
}

fn action(
    reader: &ArgumentReader<'_>,
    name: &str,
    count: usize,
    here: Here,
) -> Result<Action, Failure> {
    match name {
        "update" => update(reader, count, here),
        "forget" => Ok(Action::Forget),
        "restore" => Ok(Action::Restore),
        "protect" => Ok(Action::Protect(true)),
        "unprotect" => Ok(Action::Protect(false)),
        other => Err(
            Failure::invalid("/action", format!("there is no action {other:?}"))
                .hint("use update, forget, restore, protect, unprotect or undo"),
        ),
    }
}

fn update(reader: &ArgumentReader<'_>, count: usize, here: Here) -> Result<Action, Failure> {
    let text = reader.text("content")?;
    if text.is_some() && count > 1 {
        return Err(Failure::invalid(
            "/content",
            format!("{count} memories cannot all have the same content"),
        )
        .hint("update the content of one id at a time"));
    }
    let content = text
        .map(|text| content(text, reader.path("content")))
        .transpose()?;
    let importance = reader.share("importance")?;
    let tags = reader
        .names("tags", limits::MEMORY_TAGS_MAX)?
        .map(|tags| tags.into_iter().collect());
    let project = one_project(reader)?;
    let said_at = said_at(reader, here)?;
    let is_given = [
        content.is_some(),
        importance.is_some(),
        tags.is_some(),
        said_at.is_some(),
        project.is_some(),
    ];
    if !is_given.contains(&true) {
        let why = "update needs content, importance, tags, said_at or project";
        return Err(Failure::invalid("", why));
    }
    Ok(Action::Update {
        content,
        importance,
        tags,
        said_at,
        project,
    })
}

fn reason(reader: &ArgumentReader<'_>) -> Result<Option<String>, Failure> {
    let reason = reader.text("reason")?;
    match reason {
        Some(text) if text.len() > limits::REASON_BYTES_MAX => Err(Failure::invalid(
            "/reason",
            format!(
                "{} bytes are too many; at most {} fit",
                text.len(),
                limits::REASON_BYTES_MAX
            ),
        )),
        reason => Ok(reason.map(str::to_owned)),
    }
}
