//! The database as its keeper sets it up: roles, a pooler in front, an old extension, and a
//! migration that is cut off.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::listening::{free_address, wait_until_listening};
use super::postgres::{Place, run};
use crate::support::WATCHDOG;
use crate::support::machine::{self, Found, Program};
use crate::support::postgres::server;
use crate::support::server::mimo;

fn pgbouncer() -> Found<Program> {
    machine::debian("pgbouncer", "pgbouncer")
}

/// Killed when this is dropped.
struct Pooler {
    child: Child,
    url: String,
}

impl Pooler {
    fn start(place: &Place, mode: &str) -> Pooler {
        let address = free_address();
        let socket = place.database.socket();
        let folder = socket.parent().expect("a folder").display();
        let text = format!(
            "[databases]\npostgres = host={folder} port=5432 user=mimo\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\n",
            address.port()
        );
        let file = place.path().join("pgbouncer.ini");
        std::fs::write(&file, text).expect("written");
        // It refuses to run as root, and reads the file before it changes its user.
        let user: &[&str] = match nix::unistd::geteuid().is_root() {
            true => &["-u", "nobody"],
            false => &[],
        };
        let mut child = pgbouncer()
            .expect("checked before")
            .command()
            .args(user)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer starts");
        wait_until_listening(&mut child, address, || "pgbouncer".to_owned());
        Pooler {
            child,
            url: format!("postgresql://mimo@{address}/postgres"),
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pooler_by_transaction_is_refused_and_one_by_session_works() {
    skip_unless!(server());
    skip_unless!(pgbouncer());
    let place = Place::new();
    let at = |pooler: &Pooler, arguments: &[&str]| {
        run(place
            .mimo()
            .env("MIMO_DATABASE_URL", &pooler.url)
            .args(arguments))
    };
    let pooler = Pooler::start(&place, "transaction");
    let refused = at(&pooler, &["remember", "A note"]);
    assert_ne!(refused.code, Some(0));
    for part in [
        "shares its connections by transaction",
        "pool_mode = session",
    ] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    let doctor = at(&pooler, &["doctor"]);
    assert!(doctor.out.contains("by transaction"), "{}", doctor.out);
    drop(pooler);

    let pooler = Pooler::start(&place, "session");
    at(&pooler, &["remember", "A note"]).good();
    let found = at(&pooler, &["search", "note"]).good();
    assert!(found.contains("A note"), "{found}");
}

/// Mimo with the role `user` on a database of its own.
fn as_role(place: &Place, database: &str, user: &str) -> Command {
    let mut command = mimo(place.path());
    let url = place.database.url_of(user, database);
    command.env("MIMO_DATABASE_URL", url);
    command
}

#[test]
fn roles_of_the_guide_suffice_to_migrate_and_to_run() {
    skip_unless!(server());
    let place = Place::new();
    let guide = include_str!("../../install/guide/postgres.md");
    let sql = guide.split("```sql\n").nth(1).expect("the roles");
    let sql = sql.split("```").next().expect("its end");
    place
        .database
        .script("postgres", sql)
        .expect("the guide's SQL");
    let settings = "[store]\nmigrate = false\n";
    std::fs::write(place.path().join("config/config.toml"), settings).expect("written");
    let app = |arguments: &[&str]| run(as_role(&place, "mimo", "mimo_app").args(arguments));

    let early = app(&["remember", "A note"]);
    assert!(early.err.contains("mimo migrate --schema"), "{}", early.err);
    run(as_role(&place, "mimo", "mimo_owner").args(["migrate", "--schema"])).good();
    let definition = json!({
        "name": "note", "version": "1", "description": "Notes", "initial_state": "put",
        "states": {
            "put": {"action": {"tool": "memory_store", "arguments": {"content": "put it"}},
                    "next": "done"},
            "done": {"end": true},
        },
    });
    let file = place.path().join("note.json");
    std::fs::write(&file, definition.to_string()).expect("written");
    let triple = json!({"assert": [{"subject": "person:raj", "predicate": "works_at",
        "object": "team:ops"}]});
    for arguments in [
        &["remember", "A note of the app"][..],
        &["search", "note"],
        &["call", "graph_update", &triple.to_string()],
        &["procedure", "add", &file.display().to_string()],
        &["procedure", "run", "note"],
        &["keys", "generate", "--name", "laptop"],
        &["memory", "cleanup"],
        &["status"],
        &["skill", "reload"],
        &["verify"],
        &["export", "-"],
    ] {
        app(arguments).good();
    }
    let mut client = crate::support::Server::of(&mut as_role(&place, "mimo", "mimo_app"));
    crate::support::server::initialize(&mut client);
    let status = crate::support::server::ask(&mut client, "mimo_status", json!({}));
    assert_eq!(status.good()["memory"]["active"], 2);
    assert!(client.exit().success());

    // What needs the owner says so, and where to read on.
    let refused = app(&["memory", "erase", "1", "--yes"]);
    assert_ne!(refused.code, Some(0), "{}", refused.out);
    assert!(
        refused.err.contains("mimo memory erase --compact"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("postgres.md"), "{}", refused.err);
    let compact = ["memory", "erase", "--compact"];
    run(as_role(&place, "mimo", "mimo_owner").args(compact)).good();
}

#[test]
fn old_extension_is_refused_with_the_next_step() {
    skip_unless!(server());
    let place = Place::new();
    let database = place.database;
    database.psql("CREATE DATABASE aged").expect("made");
    let old = "CREATE EXTENSION vector; UPDATE pg_extension SET extversion = '0.7.4' \
               WHERE extname = 'vector';";
    database.script("aged", old).expect("aged");
    let refused = run(as_role(&place, "aged", "mimo").args(["remember", "A note"]));
    assert_ne!(refused.code, Some(0));
    for part in [
        "pgvector 0.7.4",
        "0.8 or later",
        "ALTER EXTENSION vector UPDATE",
    ] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
}

#[test]
fn long_forms_of_names_are_refused_alike_on_both_rooms() {
    skip_unless!(server());
    let place = Place::new();
    // Each of these characters is written out with several.
    let name = |count: u32| -> String {
        let all = (0x3300..0x3357).cycle().take(count as usize);
        all.filter_map(char::from_u32).collect()
    };
    let call = |command: &mut Command, name: &str| {
        let fact = json!({"assert": [{"subject": name, "predicate": "is", "object": "Long"}]});
        run(command.args(["call", "graph_update", &fact.to_string()]))
    };
    for command in [
        |place: &Place| place.mimo(),
        |place: &Place| mimo(place.path()),
    ] {
        call(&mut command(&place), &name(80)).good();
        let refused = call(&mut command(&place), &name(170));
        assert_ne!(refused.code, Some(0));
        let said = refused.out + &refused.err;
        assert!(said.contains("the limit is 2048"), "{said}");
    }
}

#[test]
fn migration_that_was_killed_is_resumed() {
    skip_unless!(server());
    let place = Place::new();
    let file = || mimo(place.path());
    for nth in 0..5 {
        run(file().args(["remember", &format!("Parcel {nth} waits")])).good();
    }
    run(file().args(["keys", "generate", "--name", "laptop"])).good();
    place.run(&["migrate", "--schema"]).good();
    // The server does not come to an end with the keys.
    place.psql(
        "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(1000); RETURN NEW; END'; \
         CREATE TRIGGER stall BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION stall()",
    );
    let to = ["migrate", "--to", "MIMO_DATABASE_URL", "--json"];
    let mut killed = place
        .mimo()
        .args(to)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(killed.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"recorded_call\"")));
    let asleep = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let began = Instant::now();
    while place.psql(&format!("SELECT count(*) {asleep}")) == "0" {
        assert!(began.elapsed() < WATCHDOG, "it does not come to the keys");
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    place.psql(&format!("SELECT pg_terminate_backend(pid, 10000) {asleep}"));
    place.psql("DROP TRIGGER stall ON api_key; DROP FUNCTION stall");

    let unfinished = place.run(&["search", "parcel"]);
    assert!(unfinished.err.contains("--resume"), "{}", unfinished.err);
    let again = place.run(&to);
    assert!(again.out.contains("--resume"), "{}", again.out);
    let resumed = place.run(&[&to[..], &["--resume"]].concat()).lines();
    assert_eq!(resumed.last().expect("an end")["ok"], true);
    let was_done = |line: &&Value| line["resumed"] == true;
    assert!(resumed.iter().filter(was_done).count() > 12, "{resumed:?}");

    let back = format!("sqlite:{}", place.path().join("back.db").display());
    let there = place.run(&["migrate", "--to", &back, "--json"]).lines();
    for (line, before) in there.iter().zip(&resumed) {
        for column in ["table", "rows", "sha256"] {
            assert_eq!(line[column], before[column]);
        }
    }
    let whole = place.run(&["verify", "--json"]).lines();
    assert_eq!(whole[0]["ok"], true, "{whole:?}");
}
