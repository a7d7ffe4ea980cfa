//! `mimo procedure run | history | approve`: executions, as a person starts,
//! follows and decides them.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Read};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::caller::Grants;
use crate::cli::output::{Exit, Output, truncate};
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::platform;
use crate::printable;
use crate::procedure::definition::LATEST;
use crate::procedure::journal::Decision;
use crate::procedure::{Execution, ExecutionStatus, Procedures, Start, view};

/// What to run.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo procedure run release '{\"version\":\"1.2.0\"}'
  mimo procedure run release '{\"version\":\"1.2.0\"}' --dry-run
  jq '{files: .}' list.json | mimo procedure run tidy -

The exit code is 0 where it was completed. Ctrl-C leaves it at its journal: the
next Mimo that serves goes on with it.")]
pub(super) struct RunArguments {
    /// The procedure's name
    name: String,
    /// The initial context as a JSON object, or - to read it from stdin
    #[arg(value_name = "JSON|-")]
    context: Option<String>,
    /// Its version
    #[arg(long, default_value = LATEST)]
    version: String,
    /// Show what would be done; call nothing
    #[arg(long)]
    dry_run: bool,
    /// The time after which it is rolled back
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=limits::PROCEDURE_MILLIS_MAX))]
    timeout_ms: Option<u64>,
    /// Starts with the same key are one execution
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Whose history.
#[derive(clap::Args)]
pub(super) struct HistoryArguments {
    /// An execution; without it the newest ones are listed
    execution: Option<String>,
    /// Only executions of this procedure
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only executions with this status, such as waiting_approval
    #[arg(long)]
    status: Option<ExecutionStatus>,
    /// How many are listed
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// What is decided.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo procedure approve 5f0c2d7a91b3e846
  mimo procedure approve 5f0c2d7a91b3e846 --reject --note 'not on a Friday'
  mimo procedure approve 5f0c2d7a91b3e846 --outcome done    an interrupted action did happen

It needs a terminal: a person decides, not a program.")]
pub(super) struct ApproveArguments {
    /// The execution
    execution: String,
    /// Refuse instead
    #[arg(long, conflicts_with = "outcome")]
    reject: bool,
    /// The outcome of an interrupted action: done, again (it did not happen: do
    /// it) or failed
    #[arg(long, value_parser = ["done", "again", "failed"])]
    outcome: Option<String>,
    /// The reason, kept in the history
    #[arg(long, default_value = "")]
    note: String,
}

pub(super) async fn run(
    procedures: &Procedures,
    grants: &Grants,
    arguments: RunArguments,
    output: &Output,
) -> Result<()> {
    let start = Start {
        name: arguments.name,
        version: arguments.version,
        context: context(arguments.context.as_deref())?,
        timeout_ms: arguments.timeout_ms,
        is_async: false,
        idempotency_key: arguments.idempotency_key,
    };
    if arguments.dry_run {
        return output.document(&procedures.plan(grants, &start).await?);
    }
    let (id, new) = procedures.start(grants, start).await?;
    if !new {
        procedures.resume(grants, &id).await?;
    }
    follow(procedures, grants, &id, output).await
}

/// Shows how an execution goes until it ends or waits for a person.
async fn follow(procedures: &Procedures, grants: &Grants, id: &str, output: &Output) -> Result<()> {
    let is_watched = output.is_watched();
    let started = Instant::now();
    let mut last = String::new();
    // One wait is bounded; the user may want to follow for longer.
    loop {
        let end = Instant::now() + Duration::from_secs(limits::PROCEDURE_WAIT_SECONDS_MAX);
        let report = |execution: &Execution| {
            let now = format!("{:12} {}", execution.status, execution.state);
            if is_watched && now != last {
                let seconds = started.elapsed().as_secs_f64();
                let line = truncate(&format!("{seconds:7.2} s  {now}"), output.columns);
                output.print_error(format!("{line}\n"));
                last = now;
            }
        };
        procedures.wait(grants, id, end, report).await?;
        if !procedures.execution(grants, id).await?.status.is_active() {
            break;
        }
    }
    let (execution, machine) = procedures.snapshot(grants, id).await?;
    let mut document = view::execution(&execution, &machine);
    if let Some(waits) = document.get("waits_for") {
        document["next_step"] = json!(procedures.decision_commands(&execution.id, waits));
    }
    match output.json || !output.terminal {
        true => output.document(&document)?,
        false => output.print(summary(procedures, &document))?,
    }
    match document["status"].as_str() {
        Some("completed") => Ok(()),
        _ => Err(Exit(1).into()),
    }
}

/// The outcome, for a person.
fn summary(procedures: &Procedures, document: &Value) -> String {
    let text = |value: &Value| printable::line(value.as_str().unwrap_or_default()).into_owned();
    let id = text(&document["execution_id"]);
    let mut shown = format!(
        "{} {}: {}\n",
        text(&document["procedure"]),
        id,
        text(&document["status"])
    );
    if let Some(error) = document.get("error") {
        let _ = writeln!(
            shown,
            "  {} ({})",
            text(&error["message"]),
            text(&error["kind"])
        );
    }
    for state in document["compensated"].as_array().into_iter().flatten() {
        let _ = writeln!(shown, "  undone: {}", text(state));
    }
    for each in document["remains"].as_array().into_iter().flatten() {
        let _ = writeln!(
            shown,
            "  remains: {}: {}",
            text(&each["state"]),
            text(&each["why"])
        );
    }
    if let Some(waits) = document.get("waits_for") {
        let next = procedures.decision_commands(&id, waits);
        let message = waits["message"].as_str().unwrap_or_default();
        let _ = writeln!(shown, "  {}", printable::quoted(message));
        let _ = writeln!(shown, "  next: {next}");
    }
    if let Some(output) = document.get("output").filter(|output| !output.is_null()) {
        let _ = writeln!(shown, "{}", printable::json(&format!("{output:#}")));
    }
    shown
}

fn context(given: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let mut text = given.unwrap_or("{}").to_owned();
    if text == "-" {
        text.clear();
        let most = limits::PROCEDURE_CONTEXT_BYTES_MAX as u64;
        let read = io::stdin().lock().take(most + 1).read_to_string(&mut text);
        read.map_err(|error| Failure::invalid("", format!("stdin cannot be read: {error}")))?;
    }
    let example =
        "quote a JSON object for the shell: mimo procedure run NAME '{\"version\":\"1.2.0\"}'";
    match serde_json::from_str(&text) {
        Ok(Value::Object(context)) => Ok(context),
        Ok(_) => Err(Failure::invalid("", "the context is not a JSON object").hint(example)),
        Err(error) => {
            Err(Failure::invalid("", format!("the context is not JSON: {error}")).hint(example))
        }
    }
}

pub(super) async fn history(
    procedures: &Procedures,
    grants: &Grants,
    arguments: HistoryArguments,
    output: &Output,
) -> Result<()> {
    let Some(id) = arguments.execution else {
        let (name, status) = (arguments.name.as_deref(), arguments.status);
        let found = procedures
            .executions(grants, name, status, arguments.limit)
            .await?;
        if output.json {
            let listed: Vec<Value> = found.iter().map(view::brief).collect();
            return output.document(&json!({ "executions": listed }));
        }
        let row = |each: &Execution| {
            let procedure = format!("{} {}", each.name, each.version);
            let (id, status) = (each.id.clone(), each.status.to_string());
            [
                id,
                each.created_at.to_iso(),
                status,
                procedure,
                each.state.clone(),
            ]
        };
        return output.print(output.table(found.iter().map(row)));
    };
    let (execution, machine) = procedures.snapshot(grants, &id).await?;
    let mut document = view::execution(&execution, &machine);
    document["actions"] = view::performed(&machine);
    document["decisions"] = view::decisions(&procedures.journal(grants, &id).await?);
    if output.json || !output.terminal {
        return output.document(&document);
    }
    let mut text = String::new();
    for each in document["history"].as_array().into_iter().flatten() {
        let of = |key: &str| printable::line(each[key].as_str().unwrap_or("·"));
        let ms = each["ms"].as_f64().unwrap_or(0.0);
        let _ = writeln!(
            text,
            "{}  {} -> {}  {}  {ms:.1} ms",
            of("at"),
            of("from"),
            of("to"),
            of("event")
        );
    }
    for each in document["actions"].as_array().into_iter().flatten() {
        let of = |key: &str| each[key].as_str().unwrap_or_default().to_owned();
        let how = match each.get("error") {
            Some(error) => format!("{}: {}", error["kind"], error["message"]),
            None => match each["result_bytes"].as_u64() {
                Some(bytes) => counted(bytes, "byte", "bytes"),
                None => "no result yet".to_owned(),
            },
        };
        let line = format!(
            "{:>4} {}  {} {}  {how}",
            each["step"],
            of("state"),
            of("action"),
            each["arguments"]
        );
        let _ = writeln!(text, "{}", truncate(&line, output.columns));
    }
    output.print(text + &summary(procedures, &document))
}

pub(super) async fn approve(
    procedures: &Procedures,
    grants: &Grants,
    arguments: ApproveArguments,
    output: &Output,
) -> Result<()> {
    let decision = match (arguments.reject, arguments.outcome.as_deref()) {
        (true, _) => Decision::Rejected,
        (false, None) => Decision::Approved,
        (false, Some(word)) => {
            let mut all = Decision::ALL.into_iter();
            all.find(|each| each.name() == word)
                .unwrap_or(Decision::Failed)
        }
    };
    let id = &arguments.execution;
    let (execution, machine) = procedures.snapshot(grants, id).await?;
    if !io::stdin().is_terminal() {
        let message = "a person decides this, and stdin is not a terminal";
        return Err(Failure::new(Kind::Refused, message)
            .hint("run mimo procedure approve by hand, in a terminal")
            .into());
    }
    let shown = summary(procedures, &view::execution(&execution, &machine));
    output.print_error(format!("{shown}Type yes for \"{}\": ", decision.name()));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        return Err(Failure::new(Kind::Cancelled, "nothing was decided").into());
    }
    procedures
        .decide(
            grants,
            id,
            decision,
            &platform::user_name(),
            &arguments.note,
        )
        .await?;
    let root = procedures.root_of(grants, id).await?;
    procedures.resume(grants, &root).await?;
    follow(procedures, grants, &root, output).await
}
