//! `procedure_find`: lists definitions, shows one of them or an execution, or explains
//! the language.

use serde_json::{Value, json};

use crate::caller::Grants;
use crate::failure::Failure;
use crate::limits;
use crate::procedure::definition::LATEST;
use crate::procedure::{Procedures, view};
use crate::tools::arguments::ArgumentReader;
use crate::tools::{Arguments, Context, Document};

pub(super) async fn call(
    procedures: Procedures,
    arguments: Arguments,
    context: Context,
) -> Result<Document, Failure> {
    let (reader, grants) = (ArgumentReader::new(&arguments), &*context.caller.grants);
    if reader.boolean("help")?.unwrap_or(false) {
        return language();
    }
    let limit = reader.limit(10, limits::SEARCH_LIMIT_MAX)?;
    if let Some(id) = reader.name("execution_id")? {
        let (execution, machine) = procedures.snapshot(grants, &id).await?;
        let mut shown = view::execution(&execution, &machine);
        shown["actions"] = last(view::performed(&machine));
        return Document::of(&json!({ "execution": shown }));
    }
    let Some(name) = reader.name("name")? else {
        return list(&procedures, grants, reader.query("query")?, limit).await;
    };
    let version = reader.name("version")?;
    let stored = procedures
        .definition(grants, &name, version.as_deref().unwrap_or(LATEST))
        .await?;
    let definition: Value = serde_json::from_str(&stored.definition).map_err(Failure::internal)?;
    let recent = procedures
        .executions(grants, Some(&name), None, limit)
        .await?;
    Document::of(&json!({
        "definition": definition,
        "hash": stored.hash,
        "executions": recent.iter().map(view::brief).collect::<Vec<_>>(),
    }))
}

/// How a definition is written, for a model.
pub(super) fn language() -> Result<Document, Failure> {
    Document::of(&json!({ "language": include_str!("language.md") }))
}

async fn list(
    procedures: &Procedures,
    grants: &Grants,
    query: Option<&str>,
    limit: usize,
) -> Result<Document, Failure> {
    let found = procedures.find(grants, query, limit).await?;
    let mut document = json!({
        "procedures": found.iter().map(view::listed).collect::<Vec<_>>(),
    });
    if query.is_none_or(|query| query.trim().is_empty()) {
        let recorded = procedures.recorded_calls(grants, limit).await?;
        let shown: Vec<Value> = recorded
            .iter()
            .map(|call| {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
                json!({
                    "execution_id": call.id,
                    "tool": call.tool,
                    "arguments": arguments,
                    "at": call.at.to_iso(),
                })
            })
            .collect();
        if !shown.is_empty() {
            document["recorded"] = json!(shown);
        }
    }
    Document::of(&document)
}

/// The latest `limits::PROCEDURE_SHOWN_MAX` items.
fn last(list: Value) -> Value {
    match list {
        Value::Array(mut items) => {
            let start = items.len().saturating_sub(limits::PROCEDURE_SHOWN_MAX);
            Value::Array(items.split_off(start))
        }
        other => other,
    }
}
