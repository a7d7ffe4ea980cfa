//! Procedures as resources, `mimo://procedure/{name}`, and as prompts.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::caller::{Caller, Grants};
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::procedure::definition::Definition;
use crate::procedure::{Procedures, view};
use crate::registry::tool_names::SEPARATOR;
use crate::tools::prompts::is_own;
use crate::tools::{Arguments, Document, PromptSource, ResourceSource};

pub(crate) const PREFIX: &str = "mimo://procedure/";

/// How definitions are written. No procedure can have this name.
const LANGUAGE: &str = "_language";

/// Prefix for the prompt of a procedure whose name is that of another prompt. No
/// name of a procedure or of a skill's prompt has a colon.
const PROMPT_PREFIX: &str = "procedure:";

pub(crate) struct ProcedureResources(pub(crate) Procedures);

impl ResourceSource for ProcedureResources {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn template(&self) -> Value {
        json!({
            "uriTemplate": format!("{PREFIX}{{name}}"),
            "name": "procedure",
            "title": "A procedure",
            "description": "A procedure's newest definition, its picture in Mermaid, and its last runs.",
            "mimeType": "application/json",
        })
    }

    fn list<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>> {
        Box::pin(async move {
            let mut listed = vec![json!({
                "uri": format!("{PREFIX}{LANGUAGE}"),
                "name": "procedure language",
                "title": "How a procedure is written",
                "description": "States, actions, events, expressions, and an example.",
                "mimeType": "application/json",
            })];
            listed.extend(resources(&self.0, &caller.grants).await?);
            Ok(listed)
        })
    }

    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, Failure>> {
        let name = uri.strip_prefix(PREFIX).unwrap_or_default();
        if name == LANGUAGE {
            return Box::pin(async { super::find::language() });
        }
        Box::pin(async move { Document::of(&self.0.resource(&caller.grants, name).await?) })
    }
}

async fn resources(procedures: &Procedures, grants: &Grants) -> Result<Vec<Value>, Failure> {
    let found = procedures
        .find(grants, None, limits::PROCEDURES_LISTED_MAX)
        .await?;
    let one = |kept: &crate::procedure::StoredDefinition| {
        json!({
            "uri": format!("{PREFIX}{}", kept.name),
            "name": kept.name,
            "title": format!("Procedure {} {}", kept.name, kept.version),
            "description": kept.description,
            "mimeType": "application/json",
        })
    };
    Ok(found.iter().map(one).collect())
}

/// A prompt for each procedure, under its name.
pub(crate) struct ProcedurePrompts(pub(crate) Procedures);

impl PromptSource for ProcedurePrompts {
    fn list<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Value>, Failure>> {
        Box::pin(list(&self.0, &caller.grants))
    }

    fn get<'a>(
        &'a self,
        name: &'a str,
        arguments: Arguments,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Value>, Failure>> {
        Box::pin(async move { get(&self.0, &caller.grants, name, &arguments).await })
    }
}

fn prompt_name(procedure: &str) -> String {
    match is_own(procedure) || procedure.contains(SEPARATOR) {
        true => format!("{PROMPT_PREFIX}{procedure}"),
        false => procedure.to_owned(),
    }
}

async fn list(procedures: &Procedures, grants: &Grants) -> Result<Vec<Value>, Failure> {
    let mut prompts = Vec::new();
    for kept in procedures
        .find(grants, None, limits::PROMPTS_LISTED_MAX)
        .await?
    {
        let definition = procedures.definition_by_hash(&kept.hash).await?;
        let arguments: Vec<Value> = view::parameters(&definition)
            .into_iter()
            .map(|(name, description, required)| {
                json!({"name": name, "description": description, "required": required})
            })
            .collect();
        prompts.push(json!({
            "name": prompt_name(&kept.name),
            "title": format!("Run {}", kept.name),
            "description": kept.description,
            "arguments": arguments,
        }));
    }
    Ok(prompts)
}

async fn named(
    procedures: &Procedures,
    grants: &Grants,
    prompt: &str,
) -> Result<Option<Arc<Definition>>, Failure> {
    let name = prompt.strip_prefix(PROMPT_PREFIX).unwrap_or(prompt);
    if name == prompt && prompt_name(name) != name {
        return Ok(None);
    }
    match procedures.latest(grants, name).await {
        Ok(definition) => Ok(Some(definition)),
        Err(failure) if failure.kind == Kind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn get(
    procedures: &Procedures,
    grants: &Grants,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<Option<Value>, Failure> {
    let Some(definition) = named(procedures, grants, name).await? else {
        return Ok(None);
    };
    let text = view::prompt(&definition, arguments);
    Ok(Some(json!({
        "description": definition.description,
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
    })))
}

/// The values of a prompt's argument, where the schema lists them. `None` if there
/// is no such procedure.
pub(crate) async fn choices(
    procedures: &Procedures,
    grants: &Grants,
    prompt: &str,
    argument: &str,
) -> Result<Option<Vec<String>>, Failure> {
    let definition = named(procedures, grants, prompt).await?;
    Ok(definition.map(|definition| view::choices(&definition, argument)))
}
