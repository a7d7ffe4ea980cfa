//! What one key, one address or one page of a browser can take from the others.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Answer, Http, SESSION, Team, bearer, id};
use crate::support::http::HttpServer;
use crate::support::random::{Random, fuzz};
use crate::support::{WATCHDOG, call_of, server};

fn connect(http: &Http) -> TcpStream {
    let stream = TcpStream::connect(http.address).expect("a connection");
    stream.set_read_timeout(Some(WATCHDOG)).expect("a bound");
    stream
}

/// Sends bytes as they are; everything that comes back until the end.
fn raw(http: &Http, request: &str) -> String {
    let mut stream = connect(http);
    // A server that refuses early may have closed already.
    let _ = stream.write_all(request.as_bytes());
    read_all(stream)
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of a request that comes through a proxy.
fn forwarded(http: &Http, from: &str) -> u16 {
    let headers = [("X-Forwarded-For", from)];
    http.send("GET", "/health", &headers, "").status
}

/// Uses up the failures of an address.
fn exhaust(http: &Http, from: &str) {
    let failures = (0..60).map(|_| forwarded(http, from));
    assert!(failures.into_iter().any(|status| status == 429), "{from}");
}

#[test]
fn a_valid_key_gets_in_from_an_address_of_failures() {
    let team = Team::new();
    let key = team.key(&[]);
    let http = team.serve(&[]);
    // A page in this machine's browser, or a client without a key, can do this too.
    exhaust(&http, "");
    assert_eq!(http.get("/health", "nonsense").status, 429);
    assert_eq!(http.get("/health", &key).status, 200);
}

#[test]
fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let team = Team::new();
    team.key(&[]);
    let http = team.serve(&[]);
    exhaust(&http, "192.0.2.1");
    assert_eq!(forwarded(&http, "192.0.2.2"), 429, "the word of a client");
    team.settings("[http]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let http = team.serve(&[]);
    exhaust(&http, "192.0.2.1");
    for same in [
        "192.0.2.2, 192.0.2.1",
        "192.0.2.1, 127.0.0.1",
        "192.0.2.2, 192.0.2.1:4711",
        "192.0.2.2, ::ffff:192.0.2.1",
    ] {
        assert_eq!(forwarded(&http, same), 429, "{same}");
    }
    assert_eq!(forwarded(&http, "192.0.2.2"), 401);
    // Nobody but the proxy itself is known to send this.
    exhaust(&http, "127.0.0.1");
    assert_eq!(forwarded(&http, "192.0.2.3, unknown"), 429);
}

#[test]
fn a_host_is_named_once_and_in_any_case() {
    let team = Team::new();
    let key = bearer(&team.key(&[]));
    let http = team.serve(&[]);
    let status = |path: &str, hosts: &[&str]| {
        let mut request = format!("GET {path} HTTP/1.1\r\nAuthorization: {key}\r\n");
        for host in hosts {
            request += &format!("Host: {host}\r\n");
        }
        let answer = raw(&http, &(request + "Connection: close\r\n\r\n"));
        answer.split(' ').nth(1).map(str::to_owned)
    };
    let refused = Some("403".to_owned());
    assert_eq!(status("/health", &["LocalHost:1"]).as_deref(), Some("200"));
    assert_eq!(
        status("/health", &["localhost", "evil.example.com"]),
        refused
    );
    assert_eq!(
        status("/health", &["evil.example.com", "localhost"]),
        refused
    );
    assert_eq!(status("/health", &[]), refused);
    // Balancers name the address of a machine, and learn no more than its state.
    for page in ["/health/live", "/health/ready"] {
        for address in ["10.1.2.3:8420", "[fd00::1]:8420"] {
            assert_eq!(status(page, &[address]).as_deref(), Some("200"));
        }
        assert_eq!(status(page, &["evil.example.com"]), refused);
    }
}

#[test]
fn refused_hosts_do_not_push_others_out_of_the_audit_log() {
    let team = Team::new();
    team.key(&[]);
    let http = team.serve(&[]);
    let long = "x".repeat(10_000);
    for _ in 0..100 {
        let reply = http.send("GET", "/health", &[("Host", &long)], "");
        assert!(matches!(reply.status, 403 | 429), "{}", reply.body);
    }
    let audit = std::fs::read_to_string(team.folder().join("data/logs/audit.jsonl"));
    let audit = audit.expect("an audit log");
    let refused = audit.matches("host.refused").count();
    assert!(
        (1..50).contains(&refused) && audit.len() < 50_000,
        "{refused}"
    );
}

#[test]
fn connections_beyond_the_bound_are_closed() {
    let team = Team::new();
    team.settings("[http]\nconnections = 2\n");
    team.key(&[]);
    let http = team.serve(&[]);
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = connect(&http);
            stream.write_all(live.as_bytes()).expect("written");
            let mut first = [0; 12];
            stream.read_exact(&mut first).expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
            stream
        })
        .collect();
    assert_eq!(raw(&http, live), "");
    drop(held);
    let once = live.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    while !raw(&http, &once).starts_with("HTTP/1.1 200") {}
}

#[test]
fn one_address_leaves_connections_to_others() {
    let team = Team::new();
    team.settings("[http]\nconnections = 8\n");
    team.key(&[]);
    let http = team.serve(&[]);
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Half a request, so that each stays open without an answer.
    let held: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut stream = connect(&http);
            stream.write_all(&live.as_bytes()[..10]).expect("written");
            stream
        })
        .collect();
    assert_eq!(raw(&http, live), "");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_io().build().expect("a runtime");
    let answer = runtime.block_on(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        let own = SocketAddr::from(([127, 0, 0, 2], 0));
        socket.bind(own).expect("bound");
        let mut stream = socket.connect(http.address).await.expect("connected");
        stream.write_all(live.as_bytes()).await.expect("written");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        first
    });
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(held);
}

#[test]
fn a_body_of_chunks_without_end_is_refused() {
    let team = Team::new();
    team.settings("[http]\nbody_mb = 1\n");
    let key = bearer(&team.key(&[]));
    let http = team.serve(&[]);
    let head = |key: &str| {
        format!(
            "POST /v1/mimo/tool HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for (key, status) in [(&*key, "HTTP/1.1 413"), ("Bearer none", "HTTP/1.1 401")] {
        let answer = raw(&http, &(head(key) + &chunk.repeat(17)));
        // A reset can overtake the answer to one that goes on writing.
        assert!(answer.is_empty() || answer.starts_with(status), "{answer}");
        let mut stream = connect(&http);
        stream.write_all(head(key).as_bytes()).expect("written");
        let chunks = if status.ends_with("413") { 17 } else { 0 };
        for _ in 0..chunks {
            let _ = stream.write_all(chunk.as_bytes());
        }
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, status.as_bytes());
    }
    let mut headers = String::new();
    for number in 0..70 {
        headers += &format!("X-{number}: 1\r\n");
    }
    let many = raw(
        &http,
        &format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"),
    );
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
}

#[test]
fn calls_that_last_count_among_the_open_requests_of_their_key() {
    let team = Team::new();
    let key = team.key(&["--at-once", "1"]);
    let http = team.serve(&["--fixture-tools"]);
    let session = http.initialize(&key);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for session in [None, Some(&*session)] {
        let call = call_of(5, "test_sleep", json!({"ms": 50_000}));
        let mut answer = http.post(&key, session, &call);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        if session.is_some() {
            answer.event().expect("its id");
        }
        let second = http.post(&key, None, &ping);
        assert_eq!(second.status, 429, "the first goes on");
        // Without a session this cancels it.
        drop(answer);
        if session.is_some() {
            break;
        }
        while http.post(&key, None, &ping).status != 200 {}
    }
    let other = team.key(&["--at-once", "1"]);
    for _ in 0..200 {
        let answer = http.post(&other, None, &ping).whole();
        assert_eq!(answer.status, 200, "one after the other: {}", answer.body);
    }
}

#[test]
fn each_request_of_a_batch_counts() {
    let team = Team::new();
    let key = team.key(&["--requests-per-minute", "10"]);
    let http = team.serve(&[]);
    let batch = |count: u32| {
        let ping = |id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        let batch: Vec<Value> = (0..count).map(ping).collect();
        http.post(&key, None, &json!(batch)).whole().status
    };
    assert_eq!(batch(5), 200);
    assert_eq!(batch(20), 429, "more than a minute has");
    assert_eq!(batch(8), 429, "more than are left");
    assert_eq!(batch(3), 200);
}

fn listen(http: &Http, key: &str) -> Answer {
    let params = json!({"notifications": {"toolsListChanged": true}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": params});
    let key = bearer(key);
    let headers = [
        ("Authorization", &*key),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    http.open("POST", "/mcp", &headers, &body.to_string())
}

#[test]
fn a_revoked_key_loses_its_open_streams() {
    let team = Team::new();
    let (key, other) = (team.key(&[]), team.key(&[]));
    let http = team.serve(&[]);
    let open = |key: &str| {
        let session = http.initialize(key);
        let bearer = bearer(key);
        let headers = [
            ("Authorization", &*bearer),
            (SESSION, &*session),
            ("Accept", "text/event-stream"),
        ];
        let mut standing = http.open("GET", "/mcp", &headers, "");
        standing.event().expect("its id");
        let mut listening = listen(&http, key);
        assert_eq!(listening.status, 200);
        listening.event().expect("it has begun");
        (session, standing, listening)
    };
    let (_, mut standing, mut listening) = open(&key);
    let (session, ..) = open(&other);
    assert_eq!(team.run(&["keys", "revoke", id(&key)]).0, Some(0));
    assert_eq!(standing.event(), None, "a session's stream");
    while listening.event().is_some() {}
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(http.post(&other, Some(&session), &ping).status, 200);
}

#[test]
fn the_key_in_the_environment_has_32_characters() {
    let team = Team::new();
    let short = "a".repeat(31);
    let mut command = server::mimo(team.folder());
    command.args(["serve", "--http", "127.0.0.1:0"]);
    command
        .env("MIMO_API_KEY", &short)
        .stderr(std::process::Stdio::piped());
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        err.contains("MIMO_API_KEY") && !err.contains(&short),
        "{err}"
    );
    let long = "b".repeat(32);
    let mut command = server::mimo(team.folder());
    let http = Http::of(HttpServer::of(command.env("MIMO_API_KEY", &long), &[]));
    assert_eq!(http.get("/health", &long).status, 200);
    assert_eq!(http.get("/health", &short).status, 401);
    let reply: Value = http.send("GET", "/health/ready", &[], "").json();
    assert_eq!(reply["status"], "ok");
}

/// Changes, cuts and adds bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    let few = (at + random.below(8)).min(bytes.len());
    match random.below(6) {
        0..3 => bytes[at] = random.next() as u8,
        3 => drop(bytes.drain(at..few)),
        4 => drop(bytes.splice(at..at, (0..few - at).map(|_| random.next() as u8))),
        _ => drop(bytes.drain(at..(at + bytes.len()) / 2)),
    }
}

#[test]
fn damaged_requests_are_refused_and_harm_nobody() {
    let team = Team::new();
    let key = team.key(&[]);
    team.settings("[http]\nrequests_per_minute = 1000000\n");
    let http = team.serve(&[]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let whole = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        bearer(&key),
        body.len()
    );
    let answer = raw(&http, &whole);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    fuzz(|random| {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..=random.below(8) {
            mutate(&mut bytes, random);
        }
        let mut stream = connect(&http);
        let _ = stream.write_all(&bytes);
        // So that the server does not wait for the rest of a body.
        let _ = stream.shutdown(Shutdown::Write);
        let answer = read_all(stream);
        // Damage can make the version an older one, in which the answer may be then.
        let is_older = bytes.windows(9).any(|part| part == b" HTTP/1.0");
        let older = answer.strip_prefix("HTTP/1.0 ").filter(|_| is_older);
        let status = answer.strip_prefix("HTTP/1.1 ").or(older);
        let status = status.and_then(|it| it.get(..1));
        // A client that went away before the end has no answer.
        assert!(
            answer.is_empty() || matches!(status, Some("2" | "4")),
            "{answer}"
        );
    });
    assert_eq!(http.get("/health", &key).status, 200);
    http.signal(Signal::SIGTERM);
    let words = http.last_words();
    assert!(!words.contains("panicked"), "{words}");
}
