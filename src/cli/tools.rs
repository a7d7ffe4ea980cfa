//! `mimo tools`: the result of `tools/list`, as a table or as JSON.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::Output;
use crate::app::{self, App};
use crate::caller::ToolGrants;
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::Failure;
use crate::tools::skills::AutoChoice;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo tools
  mimo tools --json | jq '.tools[] | select(.name == \"memory_search\").inputSchema'")]
pub(super) struct Arguments {}

pub(super) fn run(config: &Config, clock: Arc<dyn Clock>, output: &Output) -> Result<()> {
    let definitions = definitions(config, clock)?;
    match output.json {
        true => output.document(&json!({ "tools": definitions })),
        false => output.print(table(&definitions, output)),
    }
}

/// The result of `tools/list` for a client.
pub(super) fn definitions(config: &Config, clock: Arc<dyn Clock>) -> Result<Vec<Value>, Failure> {
    app::run(async {
        let app = App::build(config, clock)?;
        let exposed = app.dispatch().skills().map(|skills| skills.exposed());
        let mut choice = AutoChoice::Open;
        let listed = app
            .dispatch()
            .definitions(exposed.as_deref(), &mut choice, &ToolGrants::All);
        let definitions: Result<Vec<Value>, Failure> = listed
            .iter()
            .map(|definition| serde_json::from_str(definition.get()).map_err(Failure::internal))
            .collect();
        app.close().await;
        definitions
    })
}

fn table(definitions: &[Value], output: &Output) -> String {
    let text =
        |definition: &Value, field: &str| definition[field].as_str().unwrap_or_default().to_owned();
    output.table(definitions.iter().map(|each| {
        let does = first_sentence(&text(each, "description"));
        [text(each, "name"), class(each).to_owned(), does]
    }))
}

/// The effects of calling it, by which clients decide whether to ask first.
fn class(definition: &Value) -> &'static str {
    let hint = |name: &str| definition["annotations"][name] == true;
    match (hint("readOnlyHint"), hint("destructiveHint")) {
        (true, _) => "reads",
        (false, false) => "writes",
        (false, true) => "destructive",
    }
}

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_a_terminal_and_is_whole_in_a_pipe() {
        let definitions = [
            json!({"name": "a", "description": "Reads one thing. And more.",
                   "annotations": {"readOnlyHint": true}}),
            json!({"name": "longer", "description": "Takes away",
                   "annotations": {"readOnlyHint": false, "destructiveHint": true}}),
        ];
        let mut output = Output {
            json: false,
            terminal: false,
            color: false,
            columns: 30,
        };
        assert_eq!(
            table(&definitions, &output),
            "a       reads        Reads one thing.\nlonger  destructive  Takes away\n"
        );
        output.terminal = true;
        assert_eq!(
            table(&definitions, &output),
            "a       reads        Reads on…\nlonger  destructive  Takes…\n"
        );
    }
}
