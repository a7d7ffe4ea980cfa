//! Who is let in.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Http, Team, bearer, id};
use crate::support::http::{HttpServer, Reply};
use crate::support::{WATCHDOG, server};

/// Every page of the API's description, with its methods and whether it needs a key.
fn pages() -> BTreeMap<String, BTreeMap<String, bool>> {
    let text = include_str!("../../schemas/openapi.json");
    let document: Value = serde_json::from_str(text).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let methods = |page: &Value| {
        let methods = page.as_object().expect("methods").iter();
        let methods = methods.map(|(method, it)| (method.to_uppercase(), it["security"].is_null()));
        methods.collect()
    };
    let pages = paths
        .iter()
        .map(|(path, page)| (path.clone(), methods(page)));
    pages.collect()
}

fn refused(http: &Http, method: &str, path: &str, headers: &[(&str, &str)], reason: &str) {
    let reply = http.send(method, path, headers, "{");
    let case = format!("{method} {path} {headers:?}: {}", reply.body);
    assert_eq!(reply.status, 401, "{case}");
    assert_eq!(reply.json()["reason"], reason, "{case}");
    assert_eq!(reply.headers["connection"], "close", "{case}");
    let challenge = &reply.headers["www-authenticate"];
    assert!(challenge.starts_with("Bearer realm=\"mimo\""), "{case}");
    let has_code = challenge.contains("invalid_token");
    assert_eq!(has_code, reason != "missing_credentials", "{case}");
    assert!(!challenge.contains("resource_metadata"), "{case}");
}

#[test]
fn nobody_gets_in_without_a_usable_key() {
    let team = Team::new();
    let (good, expired) = (team.key(&[]), team.key(&["--expires", "1s"]));
    let revoked = team.key(&[]);
    assert_eq!(team.run(&["keys", "revoke", id(&revoked)]).0, Some(0));
    let http = team.serve(&[]);
    let unknown = format!("mimo_aaaaaaaa_{}", &good["mimo_aaaaaaaa_".len()..]);
    let half = bearer(&good[..good.len() - 1]);
    // Expiry is to the second.
    while http.get("/health", &expired).status != 401 {}
    let mut paths: Vec<String> = pages().into_keys().collect();
    paths.extend([
        "/view".into(),
        "/mcp/".into(),
        "/v1/mimo/none".into(),
        "/..".into(),
    ]);
    // An address has 30 failures a minute, and each server counts for itself.
    for paths in paths.chunks(5) {
        let http = team.serve(&[]);
        for path in paths.iter().filter(|path| !is_open(path)) {
            for method in ["GET", "POST", "DELETE", "PUT"] {
                refused(&http, method, path, &[], "missing_credentials");
            }
        }
    }
    let cases = [
        (half.as_str(), "malformed_credentials"),
        ("Basic YTpi", "malformed_credentials"),
        (&bearer(&unknown), "invalid_credentials"),
        (&bearer(&expired), "invalid_credentials"),
        (&bearer(&revoked), "invalid_credentials"),
    ];
    for (credentials, reason) in cases {
        let headers = [("Authorization", credentials)];
        refused(&http, "GET", "/v1/mimo/tools", &headers, reason);
        refused(&http, "POST", "/mcp", &headers, reason);
    }
    let twice = [
        ("Authorization", &*bearer(&good)),
        ("Authorization", &*bearer(&good)),
    ];
    refused(&http, "GET", "/health", &twice, "malformed_credentials");
    assert_eq!(http.get("/health", &good).status, 200);
}

fn is_open(path: &str) -> bool {
    matches!(path, "/health/live" | "/health/ready")
}

#[test]
fn pages_and_methods_are_those_of_the_description() {
    let team = Team::new();
    let key = team.key(&["--scopes", "admin,metrics"]);
    let http = team.serve(&[]);
    for (path, methods) in pages() {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
            let reply = http.send(method, &path, &[("Authorization", &bearer(&key))], "");
            let session_only = path == "/mcp" && matches!(method, "GET" | "DELETE");
            let case = format!("{method} {path}: {} {}", reply.status, reply.body);
            match methods.contains_key(method) && !session_only {
                true => assert!(!matches!(reply.status, 404 | 405), "{case}"),
                false => assert_eq!(reply.status, 405, "{case}"),
            }
            assert!(reply.headers.contains_key("x-request-id"), "{case}");
            assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{case}");
        }
    }
    assert_eq!(http.get("/nothing", &key).status, 404);
    // Claude Code asks these in this order; it reads an answer that is no JSON as a
    // broken sign-in.
    for (method, probe) in [
        ("GET", "/.well-known/oauth-protected-resource/mcp"),
        ("GET", "/.well-known/oauth-protected-resource"),
        ("GET", "/.well-known/oauth-authorization-server/mcp"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/.well-known/openid-configuration"),
        ("POST", "/register"),
        ("GET", "/authorize"),
        ("POST", "/token"),
    ] {
        let reply = http.send(method, probe, &[("Content-Type", "application/json")], "{}");
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (404, Some("not_found")),
            "{probe}"
        );
        assert_eq!(reply.headers["content-type"], "application/json");
        assert!(!reply.headers.contains_key("www-authenticate"), "{probe}");
    }
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let team = Team::new();
    let key = bearer(&team.key(&[]));
    team.settings(
        "[http]\nhosts = [\"mimo.example.com\"]\norigins = [\"https://chat.example.com\"]\n",
    );
    let http = team.serve(&[]);
    let status = |headers: &[(&str, &str)]| {
        let headers = [&[("Authorization", key.as_str())], headers].concat();
        http.send("GET", "/v1/mimo/tools", &headers, "").status
    };
    assert_eq!(status(&[("Host", "localhost:1")]), 200);
    assert_eq!(status(&[("Host", "mimo.example.com")]), 200);
    for host in [
        "evil.example.com",
        "127.0.0.1.evil.example.com",
        "mimo.example.com.evil",
        "",
    ] {
        assert_eq!(status(&[("Host", host)]), 403, "{host}");
    }
    assert_eq!(status(&[("Origin", "https://chat.example.com")]), 200);
    let own = format!("http://{}", http.address);
    assert_eq!(status(&[("Origin", &own)]), 200);
    for origin in [
        "null",
        "https://evil.example.com",
        "http://chat.example.com",
        "http://127.0.0.1:1",
        "http://localhost",
    ] {
        assert_eq!(status(&[("Origin", origin)]), 403, "{origin}");
    }
}

#[test]
fn browsers_let_pages_of_known_origins_use_it() {
    let team = Team::new();
    let key = bearer(&team.key(&[]));
    team.settings("[http]\norigins = [\"https://chat.example.com\"]\n");
    let http = team.serve(&[]);
    let allowed = |reply: &Reply| reply.headers.get("access-control-allow-origin").cloned();
    let known = ("Origin", "https://chat.example.com");
    let asked = [
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization, content-type, mcp-protocol-version, mcp-session-id",
        ),
    ];
    let preflight = http.send("OPTIONS", "/mcp", &[&[known][..], &asked].concat(), "");
    assert_eq!(preflight.status, 200);
    assert_eq!(allowed(&preflight).as_deref(), Some(known.1));
    let headers = &preflight.headers["access-control-allow-headers"];
    for name in ["authorization", "mcp-session-id", "mcp-protocol-version"] {
        assert!(headers.contains(name), "{headers}");
    }
    let stranger = ("Origin", "https://evil.example.com");
    let preflight = http.send("OPTIONS", "/mcp", &[&[stranger][..], &asked].concat(), "");
    assert_eq!(allowed(&preflight), None);
    for (key, status) in [(key.as_str(), 200), ("Bearer nonsense", 401)] {
        let headers = [known, ("Authorization", key)];
        let reply = http.send("GET", "/v1/mimo/tools", &headers, "");
        assert_eq!(reply.status, status);
        assert_eq!(allowed(&reply).as_deref(), Some(known.1));
        let exposed = &reply.headers["access-control-expose-headers"];
        assert!(exposed.contains("mcp-session-id"), "{exposed}");
    }
}

#[test]
fn bounds_of_a_key_and_of_an_address_answer_429() {
    let team = Team::new();
    let (few, good) = (team.key(&["--requests-per-minute", "3"]), team.key(&[]));
    let http = team.serve(&[]);
    let statuses: Vec<u16> = (0..4).map(|_| http.get("/health", &few).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let reply = http.get("/health", &few);
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(
        http.get("/health", &good).status,
        200,
        "another key has its own"
    );
    let guesses: Vec<u16> = (0..60)
        .map(|_| http.get("/health", "nonsense").status)
        .collect();
    assert_eq!(guesses.last(), Some(&429), "guessing is slowed down");
    let live = http.send("GET", "/health/live", &[], "");
    assert_eq!(live.status, 200);
}

#[test]
fn only_a_trusted_proxy_says_who_is_behind_it() {
    let audited = |settings: &str| {
        let team = Team::new();
        team.key(&[]);
        team.settings(settings);
        let http = team.serve(&[]);
        let forwarded = [("X-Forwarded-For", "203.0.113.9")];
        assert_eq!(http.send("GET", "/health", &forwarded, "").status, 401);
        let log = team.folder().join("data/logs/audit.jsonl");
        std::fs::read_to_string(log).expect("an audit log")
    };
    let trusted = audited("[http]\ntrusted_proxies = [\"localhost\"]\n");
    assert!(trusted.contains("203.0.113.9"), "{trusted}");
    let untrusted = audited("");
    assert!(!untrusted.contains("203.0.113.9"), "{untrusted}");
}

#[test]
fn requests_are_bounded() {
    let team = Team::new();
    let key = bearer(&team.key(&[]));
    team.settings("[http]\nbody_mb = 1\n");
    let http = team.serve(&[]);
    let json = [
        ("Authorization", &*key),
        ("Content-Type", "application/json"),
    ];
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(http.send("POST", "/v1/mimo/tool", &json, &long).status, 413);
    let wide = "y".repeat(20 * 1024);
    let head = [("Authorization", &*key), ("X-Wide", &*wide)];
    assert_eq!(http.send("GET", "/health", &head, "").status, 431);
    let plain = [("Authorization", &*key), ("Content-Type", "text/plain")];
    assert_eq!(http.send("POST", "/mcp", &plain, "{}").status, 415);
    let picky = [json[0], json[1], ("Accept", "text/html")];
    assert_eq!(http.send("POST", "/mcp", &picky, "{}").status, 406);
    // Two lengths could hide a request in a body.
    let mut stream = TcpStream::connect(http.address).expect("a connection");
    stream.set_read_timeout(Some(WATCHDOG)).expect("a bound");
    let smuggled = format!(
        "POST /v1/mimo/tool HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n\
         Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(smuggled.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn revocation_and_rotation_are_seen_by_every_process() {
    let team = Team::new();
    let (first, other) = (team.key(&[]), team.key(&[]));
    let servers = [team.serve(&[]), team.serve(&[]), team.serve(&[])];
    let statuses = |key: &str| {
        servers
            .each_ref()
            .map(|http| http.get("/health", key).status)
    };
    assert_eq!(statuses(&first), [200; 3]);
    let (code, out, _) = team.run(&["keys", "rotate", id(&first), "--overlap", "0s"]);
    assert_eq!(code, Some(0));
    let second = out.trim().to_owned();
    assert_eq!((statuses(&first), statuses(&second)), ([401; 3], [200; 3]));
    assert_eq!(team.run(&["keys", "revoke", id(&second)]).0, Some(0));
    assert_eq!((statuses(&second), statuses(&other)), ([401; 3], [200; 3]));
    assert_eq!(team.run(&["keys", "revoke", "--all"]).0, Some(0));
    assert_eq!(statuses(&other), [401; 3]);
    for http in &servers {
        let ready = http.send("GET", "/health/ready", &[], "");
        assert_eq!(
            (ready.status, ready.json()),
            (503, json!({"status": "keys"}))
        );
    }
}

#[test]
fn a_server_that_would_be_open_does_not_start() {
    let team = Team::new();
    let (code, _, err) = team.run(&["serve", "--http", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("mimo keys generate"), "{err}");
    team.key(&[]);
    let (code, _, err) = team.run(&["serve", "--http", "0.0.0.0:0"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("behind_proxy"), "{err}");
    let (code, _, err) = team.run(&["serve", "--http", "nowhere"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn the_text_of_a_key_is_nowhere() {
    let team = Team::new();
    let key = team.key(&[]);
    let mut command = server::mimo(team.folder());
    let http = Http::of(HttpServer::of(command.env("MIMO_LOG", "trace"), &[]));
    let secret = &key["mimo_aaaaaaaa_".len()..];
    assert_eq!(http.get("/health", &key).status, 200);
    let wrong = format!("{key}x");
    assert_eq!(http.get("/health", &wrong).status, 401);
    let session = http.initialize(&key);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(http.post(&key, Some(&session), &ping).status, 200);
    http.signal(Signal::SIGTERM);
    let errors = http.last_words();
    assert!(
        errors.contains("request") && !errors.contains(secret),
        "{errors}"
    );
    let mut folders = vec![team.folder().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).expect("readable");
            let found = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    assert!(files > 2, "the database, the log and the audit log");
    let audit = std::fs::read_to_string(team.folder().join("data/logs/audit.jsonl"));
    let audit = audit.expect("an audit log");
    for event in ["serve.started", "auth.failed", "serve.stopped"] {
        assert!(audit.contains(event), "{audit}");
    }
}
