//! Resources of Mimo's own: documents, a family of them under each prefix.

use serde_json::{Value, json};

use super::{Answer, Catalog, raw};
use crate::failure::Failure;
use crate::registry::CallError;
use crate::tools::Family;

impl Catalog {
    /// The templates of our own families, as they are listed.
    pub(super) fn own_templates(&self) -> Vec<String> {
        let templates = self.own.families.iter();
        templates
            .map(|family| family.template.to_string())
            .collect()
    }

    /// Our own resources, as they are listed. A family that cannot be listed is
    /// left out.
    pub(super) async fn own_resources(&self) -> Vec<String> {
        let mut shown = Vec::new();
        for family in &self.own.families {
            match (family.list)().await {
                Ok(items) => shown.extend(items.iter().map(Value::to_string)),
                Err(failure) => {
                    tracing::warn!(prefix = family.prefix, %failure, "left out of the list");
                }
            }
        }
        shown
    }

    /// Our own prompts, as they are listed; what cannot be listed is left out.
    pub(super) async fn own_prompts(&self) -> Vec<String> {
        let mut shown = Vec::new();
        for prompts in &self.own.prompts {
            match (prompts.list)().await {
                Ok(items) => shown.extend(items.iter().map(Value::to_string)),
                Err(failure) => tracing::warn!(%failure, "some of our own prompts are left out"),
            }
        }
        shown
    }

    /// The family of a resource of ours; `None` if it is none.
    pub(super) fn family(&self, uri: &str) -> Option<&Family> {
        let mut families = self.own.families.iter();
        families.find(|family| uri.starts_with(family.prefix))
    }

    /// The contents of a resource of ours; `None` if it is none.
    pub(super) async fn own(&self, uri: &str) -> Option<Answer> {
        let family = self.family(uri)?;
        Some(match (family.read)(uri.to_owned()).await {
            Ok(document) => {
                (family.given)(uri);
                raw(&contents(uri, &document.0))
            }
            Err(failure) => Err(CallError::Gateway(about_uri(failure))),
        })
    }
}

/// A failure of a reader whose only argument was the URI.
pub(super) fn about_uri(mut failure: Failure) -> Failure {
    failure.path = None;
    failure
}

fn contents(uri: &str, document: &str) -> Value {
    json!({"contents": [{"uri": uri, "mimeType": "application/json", "text": document}]})
}
