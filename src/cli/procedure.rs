//! `mimo procedure VERB`: the verbs, and those that work on definitions. `procedure`
//! decides what a definition may contain.

mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::Output;
use crate::app::{self, App};
use crate::caller::Grants;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::{Diagnostic, counted};
use crate::failure::{Failure, Kind};
use crate::limits::PROCEDURE_BYTES_MAX;
use crate::procedure::definition::LATEST;
use crate::procedure::draw::{self, ExecutionPath};
use crate::procedure::{Procedures, StoredDefinition, view};

/// What to do with procedures.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo procedure check release.json          every mistake, with its place and fix
  mimo procedure add release.json
  mimo procedure run release '{\"version\":\"1.2.0\"}'
  mimo procedure approve 5f0c2d7a91b3e846    a person decides; it goes on then
  mimo procedure show release --svg > release.svg")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the procedures there are
    List,
    /// Check a definition as a whole, without keeping it
    Check(File),
    /// Check a definition and keep it
    Add(File),
    /// Remove a procedure; its executions stay
    Remove(Remove),
    /// Run a procedure and show how it goes
    Run(run::RunArguments),
    /// Show a definition, or draw it
    Show(Show),
    /// List executions, or show what one of them did
    History(run::HistoryArguments),
    /// Decide what an execution waits for; asks you to confirm
    Approve(run::ApproveArguments),
}

/// A file with a definition.
#[derive(clap::Args)]
struct File {
    /// The file; JSON
    file: PathBuf,
}

/// Which procedure.
#[derive(clap::Args)]
struct Remove {
    /// The procedure's name
    name: String,
    /// Only this version
    #[arg(long)]
    version: Option<String>,
}

/// What to show.
#[derive(clap::Args)]
struct Show {
    /// The procedure's name
    name: String,
    /// Its version
    #[arg(long, default_value = LATEST)]
    version: String,
    /// Draw it as an SVG image
    #[arg(long, conflicts_with = "definition")]
    svg: bool,
    /// Print the definition instead of drawing it (as Mermaid)
    #[arg(long)]
    definition: bool,
    /// Mark the path of this execution
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
}

pub(super) fn run(
    arguments: Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    app::run(async {
        let app = App::build(config, clock)?;
        let (procedures, grants) = (app.procedures().clone(), app.grants());
        let done = match arguments.verb {
            Verb::List => list(&procedures, &grants, output).await,
            Verb::Check(file) => define(&procedures, &grants, &file.file, true, output).await,
            Verb::Add(file) => define(&procedures, &grants, &file.file, false, output).await,
            Verb::Remove(which) => remove(&procedures, &grants, &which, output).await,
            Verb::Run(arguments) => run::run(&procedures, &grants, arguments, output).await,
            Verb::Show(show) => self::show(&procedures, &grants, show, output).await,
            Verb::History(arguments) => run::history(&procedures, &grants, arguments, output).await,
            Verb::Approve(arguments) => run::approve(&procedures, &grants, arguments, output).await,
        };
        app.close().await;
        Ok(done)
    })?
}

async fn list(procedures: &Procedures, grants: &Grants, output: &Output) -> Result<()> {
    let found = procedures.find(grants, None, usize::MAX).await?;
    if output.json {
        let listed: Vec<Value> = found.iter().map(view::listed).collect();
        return output.document(&json!({ "procedures": listed }));
    }
    if found.is_empty() {
        return output.print("There are no procedures; `mimo procedure add FILE` keeps one.\n");
    }
    let row =
        |kept: &StoredDefinition| [&kept.name, &kept.version, &kept.description].map(String::clone);
    output.print(output.table(found.iter().map(row)))
}

async fn define(
    procedures: &Procedures,
    grants: &Grants,
    file: &Path,
    dry_run: bool,
    output: &Output,
) -> Result<()> {
    let given = read(file)?;
    let defined = match procedures.define(grants, &given, dry_run).await? {
        Ok(defined) => defined,
        Err(mistakes) => {
            return Err(output.report_diagnostics(file, &mistakes, Diagnostic::document));
        }
    };
    let definition = &defined.checked.definition;
    let outcome = defined.outcome.map_or("valid", |outcome| outcome.name());
    if output.json {
        return output.document(&json!({
            "ok": true,
            "name": definition.name,
            "version": definition.version,
            "hash": defined.checked.hash,
            "outcome": outcome,
        }));
    }
    output.print(format!(
        "{} {}: {outcome}\n",
        definition.name, definition.version
    ))
}

async fn remove(
    procedures: &Procedures,
    grants: &Grants,
    which: &Remove,
    output: &Output,
) -> Result<()> {
    let version = which.version.as_deref();
    let removed = procedures.remove(grants, &which.name, version).await?;
    match output.json {
        true => output.document(&json!({"ok": true, "name": which.name, "versions": removed})),
        false => output.print(format!(
            "removed {} in {}\n",
            which.name,
            counted(removed, "version", "versions")
        )),
    }
}

fn read(file: &Path) -> Result<Value, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(
            Kind::NotFound,
            format!("{} cannot be read: {error}", file.display()),
        )
        .hint("name a file that holds one definition as JSON")
    };
    let size = std::fs::metadata(file)
        .map_err(|error| unreadable(&error))?
        .len();
    // White space does not matter in a definition, but a file of it is not one.
    if size > 4 * PROCEDURE_BYTES_MAX as u64 {
        return Err(unreadable(&format!("its {size} bytes are too many")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
    serde_json::from_str(&text).map_err(|error| unreadable(&error))
}

async fn show(procedures: &Procedures, grants: &Grants, show: Show, output: &Output) -> Result<()> {
    let (hash, passed) = match &show.execution {
        Some(id) => {
            let (execution, machine) = procedures.snapshot(grants, id).await?;
            (execution.hash, ExecutionPath::of(&machine))
        }
        None => {
            let kept = procedures
                .definition(grants, &show.name, &show.version)
                .await?;
            (kept.hash, ExecutionPath::default())
        }
    };
    let definition = procedures.definition_by_hash(&hash).await?;
    if definition.name != show.name {
        let message = format!("that execution ran {}, not {}", definition.name, show.name);
        return Err(Failure::invalid("", message)
            .hint("name that procedure")
            .into());
    }
    if show.definition || output.json {
        let text = procedures.definition_text(&hash).await?;
        let value: Value = serde_json::from_str(&text).map_err(Failure::internal)?;
        let (name, version) = (&definition.name, &definition.version);
        let mut document =
            json!({"name": name, "version": version, "hash": hash, "definition": value});
        if !show.definition {
            document["mermaid"] = json!(draw::mermaid(&definition, &passed));
        }
        return output.document(&document);
    }
    output.print(match show.svg {
        true => draw::svg(&definition, &passed),
        false => draw::mermaid(&definition, &passed),
    })
}
