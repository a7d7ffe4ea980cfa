//! `mimo memory show`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::view::WHOLE_TOKENS;
use crate::cli::call;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::memory::inventory::MemoryId;
use crate::printable;

/// Which ones.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo memory show 12
  mimo memory show 12 15 --json")]
pub(super) struct Arguments {
    /// Their ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<MemoryId>,
}

/// The fields in the order in which people read them; the text is last.
const FIELDS: [&str; 8] = [
    "project",
    "category",
    "importance",
    "tags",
    "created_at",
    "said_at",
    "state",
    "superseded_by",
];

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let given = json!({"ids": arguments.ids, "max_tokens": WHOLE_TOKENS});
    let answer = call::own_tool("memory_search", given, config, clock)?;
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    match output.json {
        true => output.document(&answer)?,
        false => output.print(items.iter().map(page).collect::<Vec<_>>().join("\n"))?,
    }
    match items.len() == arguments.ids.len() {
        true => Ok(()),
        false => Err(Failure::new(Kind::NotFound, "not all of these ids exist")
            .hint("list them with `mimo memory list --everywhere`")
            .into()),
    }
}

fn page(item: &Value) -> String {
    let mut page = format!("memory {}\n", item["id"]);
    for name in FIELDS {
        let value = match &item[name] {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(each) => {
                let each = each.iter().filter_map(Value::as_str);
                each.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        page.push_str(&format!("{name:<14}{}\n", printable::line(&value)));
    }
    let content = item["content"].as_str().unwrap_or_default();
    page.push_str(&format!("\n  | {}\n", printable::quoted(content)));
    page
}
