//! Mimo's own resources and prompts.

use serde_json::{Value, json};

use super::View;
use crate::failure::Failure;
use crate::tools::{Reply, ResourceSource};

impl View {
    /// The templates of Mimo's own resources, as they are listed.
    pub(super) fn own_templates(&self) -> Vec<String> {
        let sources = self.catalog.own.resources.iter();
        sources
            .map(|source| source.template().to_string())
            .collect()
    }

    /// Mimo's own resources, as they are listed. A source that cannot be listed is
    /// left out.
    pub(super) async fn own_resources(&self) -> Vec<String> {
        let mut items = Vec::new();
        for source in &self.catalog.own.resources {
            match source.list(&self.caller).await {
                Ok(listed) => items.extend(listed.iter().map(Value::to_string)),
                Err(failure) => {
                    tracing::warn!(prefix = source.prefix(), %failure, "left out of the list");
                }
            }
        }
        items
    }

    /// Mimo's own prompts, as they are listed. A source that cannot be listed is
    /// left out.
    pub(super) async fn own_prompts(&self) -> Vec<String> {
        let mut items = Vec::new();
        for source in &self.catalog.own.prompts {
            match source.list(&self.caller).await {
                Ok(listed) => items.extend(listed.iter().map(Value::to_string)),
                Err(failure) => tracing::warn!(%failure, "prompts are left out of the list"),
            }
        }
        items
    }

    /// The source of one of Mimo's own resources.
    pub(super) fn own_source(&self, uri: &str) -> Option<&dyn ResourceSource> {
        let mut sources = self.catalog.own.resources.iter();
        let source = sources.find(|source| uri.starts_with(source.prefix()))?;
        Some(&**source)
    }

    /// The contents of one of Mimo's own resources; `None` if `uri` is none.
    pub(super) async fn read_own(&self, uri: &str) -> Option<Result<Reply, Failure>> {
        let source = self.own_source(uri)?;
        let document = match source.read(uri, &self.caller).await {
            Ok(document) => document.0,
            Err(failure) => return Some(Err(without_path(failure))),
        };
        source.note_read(uri);
        let contents = json!({"uri": uri, "mimeType": "application/json", "text": document});
        Some(Ok(Reply::Object(json!({ "contents": [contents] }))))
    }
}

/// A failure about a URI, which is no argument of a tool and has no path.
pub(super) fn without_path(mut failure: Failure) -> Failure {
    failure.path = None;
    failure
}
