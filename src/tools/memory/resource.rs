//! `mimo://memory/{id}`: one memory with its whole text; the latest are listed.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::row;
use crate::caller::{Caller, with_shared};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::memory::Memories;
use crate::store::memory::{self, MemoryId};
use crate::store::names::{self, NameStore, NamesQuery};
use crate::tools::{Document, ResourceSource};

pub(crate) const PREFIX: &str = "mimo://memory/";

/// Memories as resources; `names` tells which are the latest.
pub struct MemoryResources {
    pub memories: Arc<Memories>,
    pub names: Arc<dyn NameStore>,
}

impl ResourceSource for MemoryResources {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn template(&self) -> Value {
        json!({
            "uriTemplate": format!("{PREFIX}{{id}}"),
            "name": "memory",
            "title": "A memory",
            "description": "One memory with its whole text, its tags and the entities it names, by its id.",
            "mimeType": "application/json",
        })
    }

    fn list<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>> {
        Box::pin(self.latest(caller))
    }

    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, Failure>> {
        Box::pin(self.document(uri, caller))
    }

    fn note_read(&self, uri: &str) {
        self.memories.count_recall(id_of(uri).into_iter().collect());
    }
}

impl MemoryResources {
    async fn document(&self, uri: &str, caller: &Caller) -> Result<Document, Failure> {
        let unknown = || {
            Failure::new(Kind::NotFound, format!("there is no memory {uri}"))
                .hint(format!("write {PREFIX} and the id that memory_search gave"))
        };
        let id = id_of(uri).ok_or_else(unknown)?;
        let found = match self.memories.by_ids(caller.reach(), vec![id]).await {
            Err(failure) if failure.kind == Kind::NotFound => return Err(unknown()),
            found => found?,
        };
        let (found, _) = found.items.first().ok_or_else(unknown)?;
        Document::of(&row(found, None, &found.content, 0, caller.project()))
    }

    /// The latest memories of the caller's project and the shared one.
    async fn latest(&self, caller: &Caller) -> Result<Vec<Value>, Failure> {
        let latest = NamesQuery {
            kind: names::NameKind::Memory,
            reach: caller.reach().clone(),
            projects: with_shared(caller.project()),
            prefix: String::new(),
            limit: limits::MEMORIES_LISTED_MAX,
        };
        let latest = self.names.names(latest).await?.names;
        let ids: Vec<MemoryId> = latest.iter().filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let page = self.memories.by_ids(caller.reach(), ids).await?;
        Ok(page.items.iter().map(|(each, _)| listed(each)).collect())
    }
}

fn id_of(uri: &str) -> Option<MemoryId> {
    uri.strip_prefix(PREFIX)?.parse().ok()
}

fn listed(memory: &memory::Memory) -> Value {
    let id = memory.id;
    let mut description = format!(
        "{}, {}",
        memory.fields.category.name(),
        memory.date().to_iso()
    );
    if !memory.fields.tags.is_empty() {
        let tags: Vec<&str> = memory.fields.tags.iter().map(String::as_str).collect();
        description = format!("{description}, tags: {}", tags.join(", "));
    }
    json!({
        "uri": format!("{PREFIX}{id}"),
        "name": format!("memory {id}"),
        "title": title(&memory.content),
        "description": description,
        "mimeType": "application/json",
        "annotations": {
            "lastModified": memory.updated_at.to_iso(),
            "priority": memory.fields.importance,
        },
    })
}

/// The beginning of a text on one line.
fn title(content: &str) -> String {
    let words: Vec<&str> = content.split_whitespace().collect();
    let line = words.join(" ");
    let most = limits::TITLE_CHARS_MAX;
    if line.chars().count() <= most {
        return line;
    }
    let beginning: String = line.chars().take(most - 1).collect();
    format!("{}…", beginning.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_is_one_short_line() {
        assert_eq!(title(" two\n lines "), "two lines");
        let long = "wörter ".repeat(40);
        assert_eq!(title(&long).chars().count(), limits::TITLE_CHARS_MAX);
        assert!(title(&long).ends_with("wörter wö…"), "{}", title(&long));
    }
}
