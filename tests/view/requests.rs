//! Requests to the page's addresses that its own browser would not send.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{View, store_some};
use crate::support::fixture::{mode, trusted_dir};
use crate::support::http::{Answer, HttpServer, Reply, request};
use crate::support::server::mimo;
use crate::support::{WATCHDOG, lines_of, wait};

fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    Answer::read(request(address, method, path, headers, body.as_bytes())).whole()
}

/// Signs in with a key; the session's cookie, and its half for the page.
fn sign_in(address: SocketAddr, key: &str) -> Result<[String; 2], u16> {
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", &*bearer)];
    let reply = send(address, "POST", "/view/session", &headers, "");
    if reply.status != 200 {
        return Err(reply.status);
    }
    let cookie = &reply.headers["set-cookie"];
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/view/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let page = reply.json()["page"].as_str().expect("a half").to_owned();
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    assert!(page.len() > 40 && !cookie.contains(&page), "{cookie}");
    Ok([cookie, page])
}

/// A call of the page with its own origin, and without arguments.
fn page_call(address: SocketAddr, session: &[String; 2], tool: &str) -> Reply {
    page_call_with(address, session, tool, &json!({}))
}

fn page_call_with(
    address: SocketAddr,
    [cookie, page]: &[String; 2],
    tool: &str,
    arguments: &Value,
) -> Reply {
    let origin = format!("http://{address}");
    let headers = [
        ("Origin", &*origin),
        ("Cookie", cookie),
        ("Mimo-Page", page),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"tool": tool, "arguments": arguments}).to_string();
    send(address, "POST", "/view/call", &headers, &body)
}

#[test]
fn link_signs_in_once_and_only_the_page_makes_calls() {
    let folder = trusted_dir();
    store_some(folder.path());
    let view = View::start(folder.path());
    let address = view.address();

    let page = send(address, "GET", "/", &[], "");
    assert_eq!(page.status, 200);
    let policy = &page.headers["content-security-policy"];
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(send(address, "GET", "/view/main.js", &[], "").status, 200);
    for name in ["nothing.js", "../Cargo.toml", "%2e%2e/Cargo.toml"] {
        let path = format!("/view/{name}");
        assert_eq!(send(address, "GET", &path, &[], "").status, 404, "{name}");
    }

    let wrong = format!("{}x", &view.key()[..view.key().len() - 1]);
    assert_eq!(sign_in(address, &wrong), Err(401));
    let session = sign_in(address, view.key()).expect("signed in");
    assert_eq!(sign_in(address, view.key()), Err(401), "a second time");

    let found = page_call(address, &session, "memory_search");
    assert_eq!(found.status, 200, "{}", found.body);
    assert_eq!(found.headers["cache-control"], "no-store");
    assert_eq!(page_call(address, &session, "view_nothing").status, 404);

    let own = format!("http://{address}");
    let other = format!("http://127.0.0.1:{}", address.port() ^ 1);
    let json = ("Content-Type", "application/json");
    let (cookie, page) = (("Cookie", &*session[0]), ("Mimo-Page", &*session[1]));
    let body = r#"{"tool":"memory_search"}"#;
    for (headers, status) in [
        (vec![("Origin", &*own), json], 401),
        (
            vec![("Origin", &*own), ("Cookie", "mimo_view=x"), page, json],
            401,
        ),
        // What listens on another port of this machine gets the cookie.
        (vec![("Origin", &*own), cookie, json], 401),
        (vec![("Origin", &*own), page, json], 401),
        (vec![cookie, page, json], 403),
        (vec![("Origin", &*other), cookie, page, json], 403),
        (
            vec![("Origin", "http://example.org"), cookie, page, json],
            403,
        ),
        (vec![("Origin", "null"), cookie, page, json], 403),
        (
            vec![
                ("Origin", &*own),
                ("Host", "example.org"),
                cookie,
                page,
                json,
            ],
            403,
        ),
        (
            vec![
                ("Origin", &*own),
                cookie,
                page,
                ("Content-Type", "text/plain"),
            ],
            415,
        ),
        (vec![("Origin", &*own), cookie, page, json], 200),
    ] {
        let reply = send(address, "POST", "/view/call", &headers, body);
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
    }
    // A cookie is for the page's calls alone, and nothing else is served here.
    for path in ["/mcp", "/v1/mimo/tool", "/health", "/metrics"] {
        let headers = [("Origin", &*own), cookie, page, json];
        assert_eq!(
            send(address, "POST", path, &headers, body).status,
            401,
            "{path}"
        );
    }

    let headers = [("Origin", &*own), cookie, page];
    assert_eq!(
        send(address, "DELETE", "/view/session", &headers, "").status,
        200
    );
    assert_eq!(page_call(address, &session, "memory_search").status, 401);
}

#[test]
fn key_grants_on_the_page_what_it_grants_elsewhere_until_it_is_revoked() {
    let folder = trusted_dir();
    store_some(folder.path());
    let keys = |arguments: &[&str]| {
        let output = mimo(folder.path()).arg("keys").args(arguments).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    };
    let reader = keys(&["generate", "--name", "reader", "--scopes", "read"]);
    let metrics = keys(&["generate", "--name", "metrics", "--scopes", "metrics"]);
    let http = HttpServer::of(&mut mimo(folder.path()), &[]);
    let address = http.address;
    assert_eq!(sign_in(address, &metrics), Err(403));
    let session = sign_in(address, &reader).expect("signed in");
    assert_eq!(page_call(address, &session, "memory_search").status, 200);
    for refused in ["memory_edit", "memory_store", "procedure_run"] {
        assert_eq!(
            page_call(address, &session, refused).status,
            403,
            "{refused}"
        );
    }
    let pending = page_call(address, &session, "view_pending");
    assert_eq!(pending.json()["can_decide"], false, "{}", pending.body);
    let decided = page_call(address, &session, "view_decide");
    let error = &decided.json()["error"];
    assert_eq!(error["kind"], "refused", "{}", decided.body);
    let logs = page_call(address, &session, "view_logs");
    assert_ne!(logs.status, 200, "{}", logs.body);

    // What all clients call is not for everyone; what the key can read is.
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let figures = page_call_with(address, &session, "view_figures", &since);
    let figures = figures.json();
    assert_eq!(figures["runs"], json!(vec![0; 30]), "{figures}");
    assert_eq!(figures["calls"], json!(null), "{figures}");
    assert_eq!(page_call(address, &session, "view_figures").status, 400);

    let id = reader.split('_').nth(1).expect("an id");
    keys(&["revoke", id]);
    assert_eq!(page_call(address, &session, "memory_search").status, 401);
}

/// Starts `mimo view` on a desktop whose `xdg-open` copies what it is to open; what it
/// prints up to the link.
fn on_desktop(folder: &Path, arguments: &[&str]) -> (Child, String) {
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).expect("made");
    let opener = programs.join("xdg-open");
    let script = "#!/bin/sh\nls -l \"$1\" > \"$HOME/mode\"\ncp \"$1\" \"$HOME/part\"\nmv \"$HOME/part\" \"$HOME/opened\"\n";
    fs::write(&opener, script).expect("written");
    mode(&opener, 0o755);
    let mut child = mimo(folder)
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("DISPLAY", ":7")
        .arg("view")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = lines_of(child.stdout.take().expect("its output"));
    let mut said = String::new();
    while !said.contains("#key=") {
        said += &lines.recv_timeout(WATCHDOG).expect("a line");
    }
    (child, said)
}

#[test]
#[cfg(target_os = "linux")]
fn browser_is_opened_with_a_private_file_that_leads_to_the_link() {
    let folder = trusted_dir();
    let folder = folder.path();
    // What is opened is opened before the link is printed.
    let (mut child, said) = on_desktop(folder, &["--no-open"]);
    assert!(said.contains("Open this in a browser"), "{said}");
    assert!(!folder.join("data/view.html").exists());
    child.kill().expect("it runs");
    wait(&mut child);

    let (mut child, said) = on_desktop(folder, &[]);
    let link = said.split_once("  ").expect("a link").1.trim();
    let start = Instant::now();
    while !folder.join("opened").exists() {
        assert!(start.elapsed() < WATCHDOG, "nothing was opened");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let opened = fs::read_to_string(folder.join("opened")).expect("a document");
    assert!(opened.contains(&format!("url={link}\"")), "{opened}");
    let mode = fs::read_to_string(folder.join("mode")).expect("a mode");
    assert!(mode.starts_with("-rw-------"), "{mode}");
    let pid = i32::try_from(child.id()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it runs");
    assert!(wait(&mut child).success());
    assert!(!folder.join("data/view.html").exists());
}
