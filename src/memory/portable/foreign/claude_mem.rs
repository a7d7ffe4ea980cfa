//! The JSON export of claude-mem: its observations and its session summaries. The
//! user's prompts are not memories, and are counted.

use serde_json::{Map, Value, json};

use super::{Item, SkippedFields, cut, names_of, not_an_object, text_of, value_of};
use crate::failure::Failure;

pub(super) fn is_export(object: &Map<String, Value>) -> bool {
    let has_list = |key: &str| object.get(key).is_some_and(Value::is_array);
    has_list("observations") && (has_list("summaries") || object.contains_key("exportedAt"))
}

pub(super) fn read(
    object: &Map<String, Value>,
    path: &str,
    items: &mut Vec<Item>,
    left_out: &mut SkippedFields,
) {
    for (list, parts) in [
        ("observations", observation as Parts),
        ("summaries", summary),
    ] {
        let all = object.get(list).and_then(Value::as_array);
        for (nth, each) in all.into_iter().flatten().enumerate() {
            let path = format!("{path}/{list}/{nth}");
            items.push(match each {
                Value::Object(each) => Item {
                    document: memory(each, nth, parts(each)),
                    path,
                },
                other => not_an_object(path, other),
            });
        }
    }
    let prompts = object.get("prompts").and_then(Value::as_array);
    let prompts = prompts.map_or(0, Vec::len);
    if prompts > 0 {
        *left_out.entry("user prompt").or_default() += prompts;
    }
}

type Parts = fn(&Map<String, Value>) -> Vec<String>;

fn observation(object: &Map<String, Value>) -> Vec<String> {
    let title = text_of(object, &["title"]);
    let body = text_of(object, &["narrative", "text", "subtitle"]);
    let mut parts: Vec<String> = [title, body]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    parts.extend(facts(object).into_iter().map(|fact| format!("- {fact}")));
    parts
}

/// The facts as written: a comma in one does not separate.
fn facts(object: &Map<String, Value>) -> Vec<String> {
    let text = object.get("facts").and_then(Value::as_str);
    let parsed = text.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
    let list = object.get("facts").and_then(Value::as_array).map(|list| {
        let texts = list.iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    });
    parsed.or(list).unwrap_or_default()
}

fn summary(object: &Map<String, Value>) -> Vec<String> {
    let keys = [
        "request",
        "investigated",
        "learned",
        "completed",
        "next_steps",
        "notes",
    ];
    let parts = keys.iter().filter_map(|key| {
        let text = text_of(object, &[key])?;
        Some(format!("{}: {text}", key.replace('_', " ")))
    });
    parts.collect()
}

fn memory(object: &Map<String, Value>, nth: usize, parts: Vec<String>) -> Result<Value, Failure> {
    if parts.is_empty() {
        return Err(Failure::invalid("", "this has no text"));
    }
    let kind = text_of(object, &["type"]).unwrap_or("summary");
    let category = match kind {
        "decision" => "decision",
        "bugfix" | "feature" | "refactor" | "change" => "action",
        _ => "observation",
    };
    let mut tags = vec![cut(kind)];
    tags.extend(names_of(object.get("concepts")));
    let session = ["memory_session_id", "sdk_session_id", "session_id"];
    let session = text_of(object, &session).unwrap_or("export");
    let number = object.get("id").and_then(Value::as_u64);
    let mut memory = json!({
        "content": parts.join("\n"),
        "category": category,
        "tags": tags,
        "thread": cut(&format!("claude-mem/{session}")),
        "position": number.filter(|id| *id > 0).unwrap_or(nth as u64 + 1),
    });
    if let Some(time) = value_of(object, &["created_at_epoch", "created_at"]) {
        memory["created_at"] = time.clone();
    }
    if let Some(project) = text_of(object, &["project"]) {
        memory["project"] = json!(cut(project));
    }
    Ok(memory)
}
