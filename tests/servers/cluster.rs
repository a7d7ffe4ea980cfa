//! Three servers on one database behind the HAProxy of `install/compose`, under load: one
//! is killed, one is cut off from the database, all are replaced one after the other, and
//! the database fails over to its standby. Nothing that was acknowledged may be lost, and
//! nothing may be done twice without its journal saying so.

#![allow(clippy::print_stdout, reason = "it tells how long calls took")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::listening::{free_address, wait_until_listening};
use super::postgres::Place;
use crate::support::http::HttpServer;
use crate::support::machine::{self, Found, Program};
use crate::support::postgres::{Server as Database, server};
use crate::support::relay::Relay;
use crate::support::{WATCHDOG, fixture};

/// Acknowledged calls before, during and after each fault. `MIMO_TEST_CLUSTER_CALLS` asks
/// for a longer run.
const CALLS: u64 = 30;
const CLIENTS: usize = 6;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Appends a line for each call, so that what was done twice can be seen.
const SKILL: &str = r#"
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    method, result = request.get("method"), {}
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "effects", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        with open(sys.argv[1], "a") as effects:
            effects.write(request["params"]["arguments"]["what"] + "\n")
        result = {"content": [{"type": "text", "text": "added"}]}
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"#;

fn haproxy() -> Found<Program> {
    machine::debian("haproxy", "haproxy")
}

/// The servers, each with its own way to the database.
struct Cluster {
    place: Place,
    relays: Vec<Relay>,
    servers: Vec<HttpServer>,
    keys: Vec<String>,
    front: SocketAddr,
    proxy: Child,
    effects: PathBuf,
    _trusted: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Cluster {
    fn start(database: &'static Database, haproxy: &Program) -> Cluster {
        let place = Place::on(database);
        let trusted = fixture::trusted_dir();
        let (script, folder) = (
            trusted.path().join("add.py"),
            trusted.path().join("effects"),
        );
        fs::write(&script, SKILL).expect("written");
        fs::create_dir(&folder).expect("made");
        let effects = folder.join("effects.txt");
        fs::write(&effects, "").expect("written");
        place.settings("[skills]\ncommands = [\"python3\"]\n");
        let manifest = json!({"skills": {"effects": {
            "command": "python3", "args": [script, effects],
            "sandbox": {"fs": {"write": [folder]}},
        }}});
        let file = place.path().join("config/skills.json");
        fs::write(&file, manifest.to_string()).expect("written");
        fixture::mode(&file, 0o600);
        // Several, because a key's calls go to one server while that one is ready.
        let keys: Vec<String> = (0..CLIENTS).map(|_| place.key(&[])).collect();
        let socket = database.socket();
        let relays: Vec<Relay> = (0..3).map(|_| Relay::to(&socket)).collect();
        let mut servers = Vec::new();
        for relay in &relays {
            servers.push(serve(&place, relay, "127.0.0.1:0"));
        }
        let (proxy, front) = balance(&place, haproxy, &servers);
        Cluster {
            place,
            relays,
            servers,
            keys,
            front,
            proxy,
            effects,
            _trusted: trusted,
        }
    }

    /// Starts a server again on the address that it had.
    fn replace(&mut self, nth: usize, signal: Signal) {
        let address = self.servers[nth].address.to_string();
        self.servers[nth].signal(signal);
        self.servers[nth].wait();
        self.servers[nth] = serve(&self.place, &self.relays[nth], &address);
    }

    fn is_ready(&self, nth: usize) -> bool {
        let asked = exchange(
            self.servers[nth].address,
            "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        );
        asked.is_ok_and(|(status, _)| status == 200)
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        while !(0..self.servers.len()).all(|nth| self.is_ready(nth)) {
            assert!(began.elapsed() < WATCHDOG, "a server is not ready");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn serve(place: &Place, relay: &Relay, address: &str) -> HttpServer {
    let url = format!("postgresql://mimo@{}/postgres", relay.address);
    let mut command = place.mimo();
    HttpServer::at(address, command.env("MIMO_DATABASE_URL", url), &[])
}

/// The balancer with the file that the guide recommends, on ports of this machine.
fn balance(place: &Place, program: &Program, servers: &[HttpServer]) -> (Child, SocketAddr) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("install/compose/haproxy.cfg")).expect("the file");
    let front = free_address();
    let tls = text.lines().find(|line| line.trim().starts_with("bind "));
    let mut text = text.replace(tls.expect("a port").trim(), &format!("bind {front}"));
    for (nth, server) in servers.iter().enumerate() {
        let name = format!("mimo{0}:8420", nth + 1);
        assert!(text.contains(&name), "{text}");
        text = text.replace(&name, &server.address.to_string());
    }
    let file = place.path().join("haproxy.cfg");
    fs::write(&file, text).expect("written");
    let mut child = program
        .command()
        .args(["-db", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy starts");
    wait_until_listening(&mut child, front, || "haproxy".to_owned());
    (child, front)
}

/// The status and the body of the answer to one request.
fn exchange(address: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// What the clients were told.
struct Load {
    front: SocketAddr,
    done: AtomicBool,
    count: AtomicU64,
    phase: Mutex<&'static str>,
    stored: Mutex<Vec<String>>,
    completed: Mutex<Vec<String>>,
    seconds: Mutex<BTreeMap<&'static str, Vec<f64>>>,
    errors: Mutex<BTreeMap<(&'static str, String), u64>>,
}

impl Load {
    fn new(front: SocketAddr) -> Load {
        Load {
            front,
            done: AtomicBool::new(false),
            count: AtomicU64::new(0),
            phase: Mutex::new("0 start"),
            stored: Mutex::default(),
            completed: Mutex::default(),
            seconds: Mutex::default(),
            errors: Mutex::default(),
        }
    }

    /// Stores and runs until the load is done. What fails is tried again, as a careful
    /// client does: an equal text and an equal key are one.
    fn client(&self, number: usize, key: &str) {
        for nth in 0.. {
            let name = format!("c{number} n{nth}");
            let is_run = nth % 4 == 3;
            let (tool, arguments) = match is_run {
                false => ("memory_store", json!({"content": format!("parcel {name}")})),
                true => (
                    "procedure_run",
                    json!({"name": "add", "context": {"what": name}, "idempotency_key": name}),
                ),
            };
            let body = json!({"tool": tool, "arguments": arguments}).to_string();
            let Some(answer) = self.persist(key, &body) else {
                return;
            };
            self.count.fetch_add(1, Ordering::Relaxed);
            if !is_run {
                let content = format!("parcel {name}");
                self.stored.lock().expect("no panic").push(content);
            } else if answer["status"] == "completed" {
                self.completed.lock().expect("no panic").push(name);
            }
        }
    }

    /// The answer, from whichever attempt; none once the load is done.
    fn persist(&self, key: &str, body: &str) -> Option<Value> {
        let request = format!(
            "POST /v1/mimo/tool HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        while !self.done.load(Ordering::Relaxed) {
            let phase = *self.phase.lock().expect("no panic");
            let began = Instant::now();
            let error = match exchange(self.front, &request) {
                Ok((200, answer)) => {
                    let mut seconds = self.seconds.lock().expect("no panic");
                    let all = seconds.entry(phase).or_default();
                    all.push(began.elapsed().as_secs_f64());
                    return Some(serde_json::from_str(&answer).expect("JSON"));
                }
                Ok((status, answer)) => {
                    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
                    format!("{status} {}", answer["error"]["kind"])
                }
                Err(error) => error.kind().to_string(),
            };
            let mut errors = self.errors.lock().expect("no panic");
            *errors.entry((phase, error)).or_default() += 1;
            drop(errors);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        None
    }

    fn phase(&self, name: &'static str) {
        *self.phase.lock().expect("no panic") = name;
        self.more_calls();
    }

    /// Waits for so many calls more.
    fn more_calls(&self) {
        let asked = std::env::var("MIMO_TEST_CLUSTER_CALLS");
        let calls = asked.map_or(CALLS, |text| text.parse().expect("a number"));
        let goal = self.count.load(Ordering::Relaxed) + calls;
        let (began, most) = (Instant::now(), WATCHDOG + Duration::from_millis(calls * 50));
        while self.count.load(Ordering::Relaxed) < goal {
            assert!(began.elapsed() < most, "no calls: {:?}", self.errors.lock());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn print(&self) {
        for (phase, seconds) in &mut *self.seconds.lock().expect("no panic") {
            seconds.sort_by(f64::total_cmp);
            let at = |part: f64| seconds[(seconds.len() as f64 * part) as usize] * 1e3;
            println!(
                "{phase}: {} calls, median {:.0} ms, p99 {:.0} ms",
                seconds.len(),
                at(0.5),
                at(0.99)
            );
        }
        for ((phase, error), count) in &*self.errors.lock().expect("no panic") {
            println!("{phase}: {count} x {error}, tried again");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_servers_die_or_are_replaced() {
    skip_unless!(server());
    skip_unless!(python);
    skip_unless!(haproxy());
    let database = server().expect("checked before");
    let mut cluster = Cluster::start(database, &haproxy().expect("checked before"));
    define(&cluster);
    cluster.wait_until_ready();
    let load = Load::new(cluster.front);
    std::thread::scope(|scope| {
        let _end = End(&load);
        for (number, key) in cluster.keys.clone().into_iter().enumerate() {
            let load = &load;
            scope.spawn(move || load.client(number, &key));
        }
        load.phase("1 all three serve");
        cluster.servers[0].signal(Signal::SIGKILL);
        load.phase("2 one was killed");
        cluster.replace(0, Signal::SIGKILL);

        cluster.relays[1].cut();
        load.phase("3 one is cut off");
        cluster.relays[1].heal(&database.socket());
        load.phase("4 all three serve again");
        cluster.wait_until_ready();

        for nth in 0..3 {
            cluster.replace(nth, Signal::SIGTERM);
            load.phase("5 each is replaced");
        }
    });
    load.print();
    settle(&cluster, &load);
}

/// For as long as the test process, with which it ends.
fn leaked(server: Found<Database>) -> &'static Database {
    Box::leak(Box::new(server.expect("a server")))
}

/// Ends the clients, also where the test fails.
struct End<'a>(&'a Load);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

fn define(cluster: &Cluster) {
    let definition = json!({
        "name": "add", "version": "1", "description": "Adds a line", "initial_state": "add",
        "states": {
            "add": {"action": {"tool": "effects__add", "arguments": {"what": "{{ context.what }}"}},
                    "next": "done"},
            "done": {"end": true},
        },
    });
    let file = cluster.place.path().join("add.json");
    fs::write(&file, definition.to_string()).expect("written");
    let file = file.display().to_string();
    cluster.place.run(&["procedure", "add", &file]).good();
}

/// Everything that was acknowledged is there once, and every effect belongs to a run
/// whose journal knows of it.
fn settle(cluster: &Cluster, load: &Load) {
    let place = &cluster.place;
    let began = Instant::now();
    while place.psql("SELECT count(*) FROM execution WHERE active") != "0" {
        assert!(began.elapsed() < WATCHDOG, "an execution is not taken up");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let rows = place.psql("SELECT content || '|' || count(*) FROM memory GROUP BY content");
    let kept: BTreeMap<&str, &str> = rows
        .lines()
        .filter_map(|row| row.rsplit_once('|'))
        .collect();
    let stored = load.stored.lock().expect("no panic");
    for content in &*stored {
        assert_eq!(kept.get(content.as_str()), Some(&"1"), "{content}");
    }
    assert!(kept.values().all(|count| *count == "1"), "stored twice");

    let mut effects: BTreeMap<String, u64> = BTreeMap::new();
    for line in fs::read_to_string(&cluster.effects)
        .expect("a file")
        .lines()
    {
        *effects.entry(line.to_owned()).or_default() += 1;
    }
    let rows = place.psql(
        "SELECT e.idempotency_key, e.status, EXISTS (SELECT FROM journal j \
         WHERE j.execution = e.number AND j.entry LIKE '%interrupted%') FROM execution e",
    );
    let mut runs = BTreeMap::new();
    for row in rows.lines() {
        let columns: Vec<&str> = row.split('|').collect();
        let earlier = runs.insert(columns[0].to_owned(), (columns[1], columns[2] == "t"));
        assert!(earlier.is_none(), "begun twice: {row}");
        let done = effects.remove(columns[0]).unwrap_or_default();
        match columns[1] {
            "completed" => assert_eq!(done, 1, "{row}"),
            // Nobody knows whether it took effect, and the journal says so.
            _ => assert!(done <= 1 && columns[2] == "t", "{done} times: {row}"),
        }
    }
    assert!(effects.is_empty(), "without a run: {effects:?}");
    let completed = load.completed.lock().expect("no panic");
    for name in &*completed {
        assert_eq!(runs.get(name).map(|run| run.0), Some("completed"), "{name}");
    }
    let interrupted = runs.values().filter(|run| run.1).count();
    println!(
        "{} memories and {} runs acknowledged, {interrupted} runs interrupted",
        stored.len(),
        completed.len()
    );
    let whole = place.run(&["verify", "--json"]).lines();
    assert_eq!(whole[0]["ok"], true, "{whole:?}");
}

#[test]
fn servers_go_on_with_the_standby_that_is_promoted() {
    skip_unless!(server());
    skip_unless!(python);
    skip_unless!(haproxy());
    // Of its own, because it dies. A commit is answered once the standby has it too.
    let settings = ["synchronous_standby_names=*", "synchronous_commit=local"];
    let primary = leaked(Database::start(&settings));
    let standby = leaked(primary.standby());
    primary
        .psql("ALTER ROLE mimo SET synchronous_commit = on")
        .expect("altered");
    let mut cluster = Cluster::start(primary, &haproxy().expect("checked before"));
    define(&cluster);
    cluster.wait_until_ready();
    let load = Load::new(cluster.front);
    std::thread::scope(|scope| {
        let _end = End(&load);
        for (number, key) in cluster.keys.iter().enumerate() {
            let load = &load;
            scope.spawn(move || load.client(number, key));
        }
        load.phase("1 the primary serves");
        primary.stop_at_once();
        let began = Instant::now();
        standby.promote().expect("promoted");
        for relay in &cluster.relays {
            relay.cut();
            relay.heal(&standby.socket());
        }
        load.phase("2 the standby serves");
        println!("failover: {:.1} s", began.elapsed().as_secs_f64());
    });
    load.print();
    cluster.place.database = standby;
    settle(&cluster, &load);
}
