//! `mimo status`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::call;
use super::output::{Exit, Output, Text};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::Failure;
use crate::printable;
use crate::registry;
use crate::store::NodeStore;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo status
  mimo status --json | jq .memory")]
pub(super) struct Arguments {}

const GREEN: u8 = 32;
const YELLOW: u8 = 33;

pub(super) fn run(config: &Config, clock: Arc<dyn Clock>, output: &Output) -> Result<()> {
    let mut status = call::own_tool("mimo_status", json!({}), config, clock)?;
    if config.store.url.is_some() {
        let store = app::store_as_it_is(config)?;
        let format = store.format();
        status["store"] = json!({
            "kind": format.kind,
            "schema": format.schema,
            "place": store.place(),
        });
        if let Some(nodes) = store.nodes() {
            status["nodes"] = app::run(nodes_document(&*nodes))?;
        }
    }
    match output.json {
        true => output.document(&status)?,
        false => output.print(page(&status, output))?,
    }
    let is_usable = |part: &&str| matches!(state(&status, part), "ok" | "read_only");
    match PARTS.iter().all(is_usable) {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

/// The parts that are in the database.
const PARTS: [&str; 3] = ["memory", "graph", "procedures"];

fn state<'a>(status: &'a Value, part: &str) -> &'a str {
    status[part]["state"].as_str().unwrap_or("ok")
}

fn page(status: &Value, output: &Output) -> Text {
    let mut page = output.text();
    let number = |part: &str, name: &str| status[part][name].as_u64().unwrap_or_default() as usize;
    page.push(&format!(
        "Mimo {}, project {}\n\n",
        status["version"].as_str().unwrap_or_default(),
        status["project"].as_str().unwrap_or_default(),
    ));
    if let Some(place) = status["store"]["place"].as_str() {
        page.push(&format!("stored in {place}\n\n"));
    }
    if let Some(nodes) = status["nodes"]["serving"].as_array() {
        push_nodes(&mut page, nodes, &status["nodes"]["reload"]);
    }
    let memories = format!(
        "{}, {} superseded, {} archived",
        counted(number("memory", "active"), "memory", "memories"),
        number("memory", "superseded"),
        number("memory", "archived"),
    );
    let graph = format!(
        "{}, {}",
        counted(number("graph", "entities"), "entity", "entities"),
        counted(number("graph", "triples"), "triple", "triples"),
    );
    let definitions = number("procedures", "definitions");
    let waiting = status["procedures"]["waiting"].as_array();
    let waiting = waiting.map_or(&[][..], Vec::as_slice);
    let procedures = format!(
        "{}, {} waiting for a person",
        counted(definitions, "definition", "definitions"),
        waiting.len(),
    );
    // All parts fail with the same error of the database.
    let mut told = None;
    for (part, text) in [
        ("memory", memories),
        ("graph", graph),
        ("procedures", procedures),
    ] {
        let said = |name: &str| status[part][name].as_str();
        let state = state(status, part);
        let problem = said("problem").filter(|_| state != "read_only");
        match problem {
            // A failed count is not zero.
            Some(problem) if told == Some(problem) => {
                line(&mut page, part, state, "for the same reason");
                continue;
            }
            Some(problem) => line(&mut page, part, state, &printable::line(problem)),
            None => line(&mut page, part, state, &text),
        }
        told = told.or(problem);
        if let Some(next) = said("next_step") {
            page.push(&format!("  next: {}\n", printable::line(next)));
        }
    }
    for run in waiting {
        page.push(&waiting_run(run));
    }
    for skill in status["skills"].as_array().into_iter().flatten() {
        let state = skill["state"].as_str().unwrap_or_default();
        let text = match skill["tools"].as_u64() {
            Some(tools) => counted(tools as usize, "tool", "tools"),
            None => skill["why"].as_str().unwrap_or_default().to_owned(),
        };
        let name = format!("skill {}", skill["name"].as_str().unwrap_or_default());
        line(&mut page, &name, state, &text);
    }
    let pending = status["pending"].as_array().map_or(0, Vec::len);
    if pending > 0 {
        let tools = counted(pending, "tool waits", "tools wait");
        page.push(&format!(
            "\n{tools} for approval: `mimo skill approve` shows them\n"
        ));
    }
    page
}

async fn nodes_document(nodes: &dyn NodeStore) -> Result<Value, Failure> {
    let serving = nodes.nodes().await?.into_iter().map(|node| {
        json!({
            "node": node.label.name,
            "host": node.label.host,
            "pid": node.label.pid,
            "version": node.label.version,
            "since": node.joined_at.to_iso(),
        })
    });
    let serving: Vec<Value> = serving.collect();
    let reload = nodes.last_reload().await?;
    Ok(json!({
        "serving": serving,
        "reload": reload.as_ref().map(registry::nodes::document),
    }))
}

/// The Mimos that serve from the database, and the last reload of their skills.
fn push_nodes(page: &mut Text, nodes: &[Value], reload: &Value) {
    let text = |value: &Value| -> String {
        printable::line(value.as_str().unwrap_or_default()).into_owned()
    };
    for node in nodes {
        page.push(&format!(
            "serves: {} (process {}), version {}, since {}\n",
            text(&node["host"]),
            node["pid"],
            text(&node["version"]),
            text(&node["since"]),
        ));
    }
    if reload.is_object() {
        page.push(&format!(
            "last reload of skills: {}, begun {} by {}\n",
            text(&reload["state"]),
            text(&reload["begun_at"]),
            text(&reload["by"]),
        ));
    }
    page.push("\n");
}

/// What an execution waits for, and the command that decides it.
fn waiting_run(run: &Value) -> String {
    let text = |value: &Value| -> String {
        let text = value.as_str().unwrap_or_default();
        printable::line(text).into_owned()
    };
    let waits = &run["waits_for"];
    let mut shown = format!(
        "  {} {} (execution {}) waits in its state {}\n",
        text(&run["procedure"]),
        text(&run["version"]),
        text(&run["execution_id"]),
        text(&run["state"]),
    );
    if let Some(message) = waits["message"].as_str() {
        shown.push_str(&format!("  | {}\n", printable::quoted(message)));
    }
    if run["next_step"].is_string() {
        shown.push_str(&format!("  next: {}\n", text(&run["next_step"])));
    }
    shown
}

fn line(page: &mut Text, name: &str, state: &str, text: &str) {
    page.push(&format!("{name:<24}"));
    let color = match state {
        "ok" | "ready" | "running" | "idle" => GREEN,
        _ => YELLOW,
    };
    page.paint(color, &format!("{state:<12}"));
    page.push(&format!("{text}\n"));
}
