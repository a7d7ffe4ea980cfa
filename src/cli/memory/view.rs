//! Memories as a person sees them: which ones are chosen, and one line for each.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::call;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;

/// Which memories.
#[derive(clap::Args)]
pub(in crate::cli) struct Filter {
    /// Only those with this tag; with several, those with all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only this kind: fact, decision, preference, action, observation or plan
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only those since a day or a span: 2026-11-20, 2026-11, 7d, yesterday, "last week"
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only those until a day, likewise
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// In every project
    #[arg(long)]
    everywhere: bool,
    /// How many at most
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    limit: u32,
}

impl Filter {
    /// The arguments of memory_search that say the same.
    pub(in crate::cli) fn arguments(self) -> Value {
        json!({
            "tags": self.tag,
            "category": self.category,
            "since": self.since,
            "until": self.until,
            "project": self.everywhere.then_some("*"),
            "limit": self.limit,
            "max_tokens": WHOLE_TOKENS,
        })
    }
}

/// Suggests where else to look if `given` found nothing.
pub(in crate::cli) fn elsewhere(
    mut given: Value,
    answer: &Value,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> anyhow::Result<&'static str> {
    let is_empty = |answer: &Value| answer["items"].as_array().is_none_or(Vec::is_empty);
    if output.json || !is_empty(answer) || !given["project"].is_null() {
        return Ok("");
    }
    given["project"] = "*".into();
    given["limit"] = 1.into();
    let others = call::own_tool("memory_search", given, config, clock)?;
    Ok(match is_empty(&others) {
        true => "",
        false => "; other projects have some: add --everywhere, or --project NAME",
    })
}

/// A person's terminal scrolls, so a result is bounded by its number alone.
pub(super) const WHOLE_TOKENS: u32 = 1_000_000;

/// Prints the results of memory_search, or `none` if there are none.
pub(in crate::cli) fn print(answer: &Value, none: &str, output: &Output) -> anyhow::Result<()> {
    if output.json {
        return output.document(answer);
    }
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        output.print_error(format!("{none}\n"));
    }
    if let Some(degraded) = answer["degraded"].as_str() {
        output.print_error(format!("note: {degraded}\n"));
    }
    output.print(output.table(items.iter().map(row)))
}

fn row(item: &Value) -> [String; 3] {
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    let time = item["said_at"].as_str().unwrap_or(text("created_at"));
    let day = time.split('T').next().unwrap_or_default();
    let tags = item["tags"].as_array().into_iter().flatten();
    let tags = tags
        .filter_map(Value::as_str)
        .map(|tag| format!("  #{tag}"));
    let content = text("content").split_whitespace();
    let content = content.collect::<Vec<_>>().join(" ");
    [
        item["id"].to_string(),
        day.to_owned(),
        content + &tags.collect::<String>(),
    ]
}
