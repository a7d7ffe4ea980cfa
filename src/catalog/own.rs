//! Resources of Mimo's own: documents, a family of them under each prefix.

use serde_json::{Value, json};

use super::{Answer, Catalog, raw};
use crate::registry::Miss;

impl Catalog {
    /// The templates of our own families, as they are listed.
    pub(super) fn own_templates(&self) -> Vec<String> {
        let templates = self.families.iter();
        templates
            .map(|family| family.template.to_string())
            .collect()
    }

    /// The contents of a resource of ours; `None` if it is none.
    pub(super) async fn own(&self, uri: &str) -> Option<Answer> {
        let mut families = self.families.iter();
        let family = families.find(|family| uri.starts_with(family.prefix))?;
        Some(match (family.read)(uri.to_owned()).await {
            Ok(document) => raw(&contents(uri, &document.0)),
            Err(failure) => Err(Miss::Ours(failure)),
        })
    }
}

fn contents(uri: &str, document: &str) -> Value {
    json!({"contents": [{"uri": uri, "mimeType": "application/json", "text": document}]})
}
