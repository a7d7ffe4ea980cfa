//! The real binary on PostgreSQL: a client over stdio, two servers over HTTP on one
//! database, the commands for people, and a migration there and back.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::http::{Answer, HttpServer, request};
use crate::support::postgres::{Server as Database, server};
use crate::support::server::{ask, initialize, mimo};

/// A schema of its own, and folders.
pub(super) struct Place {
    folder: tempfile::TempDir,
    pub(super) database: &'static Database,
    schema: String,
}

pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Place {
    pub(super) fn new() -> Place {
        Place::on(server().expect("a server"))
    }

    pub(super) fn on(database: &'static Database) -> Place {
        let place = Place {
            folder: tempfile::tempdir().expect("a folder"),
            database,
            schema: database.new_schema(),
        };
        std::fs::create_dir(place.path().join("config")).expect("a folder");
        place.settings("");
        place
    }

    /// Replaces the settings by those of the store and `more`.
    pub(super) fn settings(&self, more: &str) {
        let config = format!("[store]\nschema = \"{}\"\n{more}", self.schema);
        std::fs::write(self.path().join("config/config.toml"), config).expect("settings");
    }

    /// Makes a key that no load exhausts; its text.
    pub(super) fn key(&self, arguments: &[&str]) -> String {
        let generate = ["keys", "generate", "--name", "load", "--at-once", "64"];
        let many = [
            "--requests-per-minute",
            "1000000",
            "--scopes",
            "read,write,admin",
        ];
        let key = self.run(&[&generate[..], &many, arguments].concat()).good();
        key.trim().to_owned()
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Mimo on the database.
    pub(super) fn mimo(&self) -> Command {
        let mut command = mimo(self.path());
        command.env("MIMO_DATABASE_URL", self.database.url());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.mimo().args(arguments))
    }

    pub(super) fn psql(&self, sql: &str) -> String {
        let sql = format!("SET search_path = {}, public; {sql}", self.schema);
        self.database.psql(&sql).expect("psql")
    }
}

pub(super) fn run(command: &mut Command) -> Ran {
    let done = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("mimo starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: done.status.code(),
        out: text(done.stdout),
        err: text(done.stderr),
    }
}

impl Ran {
    pub(super) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        self.out
    }

    pub(super) fn lines(self) -> Vec<Value> {
        let out = self.good();
        let read = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        out.lines().map(read).collect()
    }
}

#[test]
fn client_stores_searches_asks_and_runs_procedures_on_postgres() {
    skip_unless!(server());
    let place = Place::new();
    let mut client = Server::of(&mut place.mimo());
    assert_eq!(initialize(&mut client)["serverInfo"]["name"], "mimo");
    let stored = json!({"content": "Raj deploys on Mondays", "tags": ["ops"]});
    let stored = ask(&mut client, "memory_store", stored).good();
    assert_eq!(stored["results"][0]["outcome"], "created");
    let found = ask(
        &mut client,
        "memory_search",
        json!({"query": "who deploys?"}),
    )
    .good();
    assert_eq!(found["items"][0]["content"], "Raj deploys on Mondays");
    let told = ask(
        &mut client,
        "ask_mimo",
        json!({"query": "Who deploys on Mondays?"}),
    );
    assert!(told.good().to_string().contains("Raj"));
    let definition = json!({
        "name": "note", "version": "1", "description": "Notes", "initial_state": "put",
        "states": {
            "put": {"action": {"tool": "memory_store", "arguments": {"content": "put {{ context.what }}"}},
                    "next": "done"},
            "done": {"end": true},
        },
    });
    let defined = ask(
        &mut client,
        "procedure_define",
        json!({"definition": definition}),
    );
    defined.good();
    let ran = json!({"name": "note", "context": {"what": "a parcel"}});
    let ran = ask(&mut client, "procedure_run", ran).good();
    assert_eq!(ran["status"], "completed", "{ran}");
    let status = ask(&mut client, "mimo_status", json!({})).good();
    assert_eq!(status["memory"]["active"], 2, "{status}");
    assert!(client.exit().success());
    assert!(
        !place.path().join("data/mimo.db").exists(),
        "no file is made"
    );
    assert_eq!(place.psql("SELECT count(*) FROM memory"), "2");

    let out = place.run(&["search", "parcel"]).good();
    assert!(out.contains("put a parcel"), "{out}");
    let status = place.run(&["status"]).good();
    assert!(
        status.contains(&format!("the schema {}", place.schema)),
        "{status}"
    );
    let whole = place.run(&["verify", "--json"]).lines();
    assert_eq!(whole[0]["ok"], true, "{whole:?}");
    let doctor = place.run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_str(&doctor.out).expect("JSON");
    for name in ["database", "latency", "connections", "clock", "pooler"] {
        let each = doctor["mimo"].as_array().expect("a list").iter();
        let found = each.clone().find(|each| each["name"] == name);
        assert!(
            found.is_some_and(|found| found["state"] != "failed"),
            "{doctor}"
        );
    }
}

#[test]
fn damage_is_named_and_backups_are_the_servers() {
    skip_unless!(server());
    let place = Place::new();
    place.run(&["remember", "The wifi is called Kiosk"]).good();
    let refused = place.run(&["backup", "copy.dump"]);
    assert_ne!(refused.code, Some(0));
    let command = format!("pg_dump --format=custom --schema={}", place.schema);
    assert!(refused.err.contains(&command), "{}", refused.err);
    assert!(
        refused.err.contains("\"$MIMO_DATABASE_URL\""),
        "{}",
        refused.err
    );
    std::fs::write(place.path().join("copy.dump"), "x").expect("written");
    let dump = place.path().join("copy.dump").display().to_string();
    let refused = place.run(&["restore", &dump]);
    assert!(
        refused.err.contains("pg_restore --clean"),
        "{}",
        refused.err
    );

    place.psql("UPDATE memory SET content = 'The wifi is called Shop'");
    place.psql("DELETE FROM posting");
    let damaged = place.run(&["verify"]);
    assert_eq!(damaged.code, Some(1));
    for what in [
        "another text than was stored (1)",
        "not in the keyword index (1)",
    ] {
        assert!(damaged.out.contains(what), "{}", damaged.out);
    }
}

#[test]
fn two_places_at_once_and_lost_urls_are_refused() {
    skip_unless!(server());
    let place = Place::new();
    let both = run(place
        .mimo()
        .env("DB_PATH", place.path().join("other.db"))
        .arg("status"));
    assert_ne!(both.code, Some(0));
    assert!(both.err.contains("DB_PATH"), "{}", both.err);
    let wrong = run(mimo(place.path())
        .env(
            "MIMO_DATABASE_URL",
            "postgresql://me:hunter2@127.0.0.1:1/mimo",
        )
        .args(["search", "x"]));
    assert_ne!(wrong.code, Some(0));
    assert!(!wrong.err.contains("hunter2"), "{}", wrong.err);
    assert!(wrong.err.contains("can be reached"), "{}", wrong.err);
}

#[test]
fn key_revoked_on_one_server_is_refused_by_the_other_within_a_second() {
    skip_unless!(server());
    let place = Place::new();
    let key = place
        .run(&[
            "keys",
            "generate",
            "--name",
            "laptop",
            "--scopes",
            "read,write",
            "--json",
        ])
        .lines();
    let (id, text) = (key[0]["id"].as_str(), key[0]["key"].as_str());
    let (id, text) = (id.expect("an id"), text.expect("a key"));
    let servers = [(); 2].map(|()| HttpServer::of(&mut place.mimo(), &[]));
    let credentials = format!("Bearer {text}");
    let status = |server: &HttpServer, path: &str| {
        let headers = [("Authorization", credentials.as_str())];
        let stream = request(server.address, "GET", path, &headers, b"");
        Answer::read(stream).whole().status
    };
    for server in &servers {
        assert_eq!(status(server, "/v1/mimo/tools"), 200);
    }
    let revoked = place.run(&["keys", "revoke", id]);
    let since = Instant::now();
    revoked.good();
    for server in &servers {
        while status(server, "/v1/mimo/tools") != 401 {
            assert!(
                since.elapsed() < Duration::from_secs(1),
                "it is still let in"
            );
        }
    }
}

const MEMORIES: u16 = 40;

#[test]
fn everything_goes_to_postgres_and_back_unchanged() {
    skip_unless!(server());
    let place = Place::new();
    let file = || mimo(place.path());
    let mut client = Server::of(&mut file());
    initialize(&mut client);
    let memories: Vec<Value> = (0..MEMORIES)
        .map(|nth| {
            json!({"content": format!("Parcel {nth} waits at gate {}", nth % 7),
            "tags": ["parcel"], "topic_key": format!("parcel/{nth}")})
        })
        .collect();
    ask(&mut client, "memory_store", json!({"memories": memories})).good();
    let edit = json!({"action": "update", "ids": [1], "content": "Parcel 0 is gone"});
    ask(&mut client, "memory_edit", edit).good();
    let forget = json!({"action": "forget", "ids": [2]});
    ask(&mut client, "memory_edit", forget).good();
    let facts = json!({"assert": [{"subject": "person:raj", "predicate": "works_at",
        "object": "team:ops"}]});
    ask(&mut client, "graph_update", facts).good();
    let definition = json!({
        "name": "note", "version": "1", "description": "Notes", "initial_state": "put",
        "states": {
            "put": {"action": {"tool": "memory_store", "arguments": {"content": "put it"}},
                    "next": "done"},
            "done": {"end": true},
        },
    });
    ask(
        &mut client,
        "procedure_define",
        json!({"definition": definition}),
    )
    .good();
    ask(&mut client, "procedure_run", json!({"name": "note"})).good();
    assert!(client.exit().success());
    run(file().args(["keys", "generate", "--name", "laptop"])).good();

    let to = ["migrate", "--to", "MIMO_DATABASE_URL", "--json"];
    let dry = run(place.mimo().args(to).arg("--dry-run")).lines();
    assert_eq!(place.run(&to).lines().last().expect("an end")["ok"], true);
    let again = place.run(&to);
    assert_ne!(again.code, Some(0));
    assert!(again.out.contains("replaces nothing"), "{}", again.out);
    let whole = place.run(&["verify", "--json"]).lines();
    assert_eq!(whole[0]["ok"], true, "{whole:?}");

    let back = place.path().join("back.db");
    let target = format!("sqlite:{}", back.display());
    let there = place.run(&["migrate", "--to", &target, "--json"]).lines();
    assert_eq!(there.len(), dry.len());
    for (line, before) in there
        .iter()
        .zip(&dry)
        .filter(|(line, _)| line["table"].is_string())
    {
        assert_eq!(line, before);
    }
    let filled = dry.iter().filter(|line| line["rows"].as_u64() > Some(0));
    assert!(filled.count() > 12, "{dry:?}");
    run(file().args(["verify", &back.display().to_string()])).good();
    // Only now: a search records what it recalls.
    let found = place.run(&["search", "gate", "--json"]).good();
    assert!(found.contains("Parcel"), "{found}");
    // Ids go on behind those that were copied.
    place.run(&["remember", "A parcel more"]).good();
    let last: i64 = place
        .psql("SELECT max(id) FROM memory")
        .parse()
        .expect("an id");
    assert_eq!(
        last,
        i64::from(MEMORIES) + 3,
        "an edit and the procedure took one each"
    );
}
