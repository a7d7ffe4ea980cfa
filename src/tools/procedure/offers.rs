//! Procedures beside their tools: `mimo://procedure/{name}`, and a prompt for
//! each.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::{Procedures, view};
use crate::tools::{Document, Family, Prompts};

const PREFIX: &str = "mimo://procedure/";

/// Procedures as resources.
pub fn family(procedures: Procedures) -> Family {
    Family {
        prefix: PREFIX,
        template: json!({
            "uriTemplate": format!("{PREFIX}{{name}}"),
            "name": "procedure",
            "title": "A procedure",
            "description": "A procedure's newest definition, its picture in Mermaid, and its last runs.",
            "mimeType": "application/json",
        }),
        read: Arc::new(move |uri| {
            let procedures = procedures.clone();
            Box::pin(async move {
                let name = uri.strip_prefix(PREFIX).unwrap_or_default();
                Document::of(&procedures.resource(name).await?)
            })
        }),
    }
}

/// A prompt for each procedure, under its name.
pub fn prompts(procedures: &Procedures) -> Prompts {
    let (listed, asked) = (procedures.clone(), procedures.clone());
    Prompts {
        list: Arc::new(move || {
            let procedures = listed.clone();
            Box::pin(async move { list(&procedures).await })
        }),
        get: Arc::new(move |name, arguments| {
            let procedures = asked.clone();
            Box::pin(async move { get(&procedures, &name, &arguments).await })
        }),
    }
}

async fn list(procedures: &Procedures) -> Result<Vec<Value>, Failure> {
    let mut prompts = Vec::new();
    for kept in procedures.find(None, limits::PROMPTS_LISTED_MAX).await? {
        let definition = procedures.definition_of(&kept.hash).await?;
        let arguments: Vec<Value> = view::parameters(&definition)
            .into_iter()
            .map(|(name, description, required)| {
                json!({"name": name, "description": description, "required": required})
            })
            .collect();
        prompts.push(json!({
            "name": kept.name,
            "description": kept.description,
            "arguments": arguments,
        }));
    }
    Ok(prompts)
}

/// The prompt of this name; `None` where there is no such procedure.
async fn get(
    procedures: &Procedures,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<Option<Value>, Failure> {
    let definition = match procedures.latest(name).await {
        Ok(definition) => definition,
        Err(failure) if failure.kind == Kind::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let text = view::prompt(&definition, arguments);
    Ok(Some(json!({
        "description": definition.description,
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
    })))
}
