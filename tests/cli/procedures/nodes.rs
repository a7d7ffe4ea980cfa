//! Two Mimos on one PostgreSQL. One is killed just before and just after every journal
//! write, and the other, which runs all the time, takes the execution over.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use mimo::procedure::journal::Decision;
use mimo::secret::Secret;
use mimo::store::Store;
use mimo::store::postgres::{PostgresSettings, PostgresStore};
use nix::sys::signal::Signal;
use serde_json::json;

use super::crash::{check_counts, decide, definition, kill_at_any_journal_write, tool};
use super::workspace::{Mimo, Workspace};
use crate::support::Server;
use crate::support::postgres::{self, server};

#[test]
fn another_node_takes_over_after_a_kill_at_any_journal_write() {
    skip_unless!(node);
    skip_unless!(server());
    kill_at_any_journal_write(killed_at);
}

/// The folder of two nodes, and the schema that they share.
struct Nodes {
    workspace: Workspace,
    server: &'static postgres::Server,
    schema: String,
}

impl Nodes {
    fn new() -> Nodes {
        let workspace = Workspace::counting();
        let server = server().expect("a server");
        let schema = server.new_schema();
        let settings = workspace.path("config/config.toml");
        let mut settings = OpenOptions::new().append(true).open(settings);
        let settings = settings.as_mut().expect("the settings");
        writeln!(settings, "[store]\nschema = {schema:?}").expect("written");
        Nodes {
            workspace,
            server,
            schema,
        }
    }

    /// A Mimo with a data folder of its own: nothing of one reaches the other but
    /// through the database.
    fn start(&self, name: &str, arguments: &[&str]) -> Mimo {
        let mut all = vec!["serve"];
        all.extend(arguments);
        let mut command = self.workspace.command(&all);
        command
            .env("MIMO_DATA_DIR", self.workspace.path(name))
            .env("MIMO_DATABASE_URL", self.server.url());
        Mimo::of(Server::of(&mut command))
    }

    fn store(&self) -> Arc<dyn Store> {
        let mut settings = PostgresSettings::new(Secret::new(self.server.url()));
        settings.schema = self.schema.clone();
        Arc::new(PostgresStore::start(settings).expect("a store"))
    }
}

/// One run; how often a person had to decide.
fn killed_at(moment: u64) -> u64 {
    let nodes = Nodes::new();
    let start = json!({"name": "twelve", "idempotency_key": "k", "timeout_ms": 600_000});
    let mut survivor = nodes.start("survivor", &[]);
    survivor.good("procedure_define", json!({"definition": definition()}));
    let mut victim = nodes.start("victim", &["--die-at-journal", &moment.to_string()]);
    assert_eq!(
        victim.ask("procedure_run", start.clone()),
        None,
        "it dies at {moment}"
    );
    let end = victim.server.exit_by_itself();
    assert_eq!(end.signal(), Some(Signal::SIGKILL as i32), "at {moment}");

    let mut asked = 0;
    let mut document = survivor.good("procedure_run", start);
    let id = document["execution_id"].as_str().expect("an id").to_owned();
    while document["status"] != "completed" {
        let place = format!("at {moment}: {document}");
        assert_eq!(document["status"], "waiting_approval", "{place}");
        assert_eq!(document["waits_for"]["kind"], "unknown_outcome", "{place}");
        let state = document["state"].as_str().expect("a state");
        let step: u64 = state[1..].parse().expect("a number");
        assert_eq!(tool(step), "once", "{place}");
        let line = format!("once {step}");
        let calls = nodes.workspace.calls();
        let decision = match calls.iter().filter(|call| **call == line).count() {
            0 => Decision::Again,
            1 => Decision::Done,
            _ => panic!("at {moment}: {line} was done twice"),
        };
        decide(nodes.store(), &id, decision);
        asked += 1;
        document = survivor.good("procedure_run", json!({"execution_id": id}));
    }
    assert!(survivor.server.exit().success());
    check_counts(&nodes.workspace, moment);
    asked
}
