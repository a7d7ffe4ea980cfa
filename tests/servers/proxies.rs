//! The guide's examples of proxies, run as they are but for their addresses and their
//! certificates: what clients send and what Mimo answers goes through.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tempfile::TempDir;

use super::listening::{free_address, wait_until_listening};
use crate::support::http::{Answer, HttpServer, send};
use crate::support::machine::{self, Found, Program};
use crate::support::{WATCHDOG, call_of, server};

/// The name in the examples.
const NAME: &str = "mimo.example.org";
/// Where they expect Mimo.
const MIMO: &str = "127.0.0.1:8420";
/// A client's word about where it is.
const FORGED: &str = "203.0.113.9";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("install")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The example of this name, which the guide links to.
fn example(name: &str) -> String {
    let link = format!("(../proxy/{name})");
    assert!(read("guide/http.md").contains(&link), "{link}");
    read(&format!("proxy/{name}"))
}

/// `text` with `new` in place of `old`, which has to be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in {text}");
    text.replace(old, new)
}

/// The settings that the guide says belong to the examples.
fn settings() -> String {
    let guide = read("guide/http.md");
    let after = guide
        .split_once("With them belongs")
        .expect("the settings")
        .1;
    let block = after.split_once("```toml\n").expect("a block").1;
    block.split_once("```").expect("its end").0.to_owned()
}

struct Place {
    folder: TempDir,
    mimo: HttpServer,
    key: String,
    /// Where the proxy listens.
    address: SocketAddr,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("config");
        fs::create_dir(&config).expect("made");
        fs::write(config.join("config.toml"), settings()).expect("written");
        let made = server::mimo(folder.path())
            .args(["keys", "generate", "--name", "a key"])
            .output()
            .expect("it runs");
        let key = String::from_utf8(made.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned();
        let mimo = HttpServer::of(&mut server::mimo(folder.path()), &["--fixture-tools"]);
        let certificate = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=mimo.example.org"])
            .args(["-addext", "subjectAltName=DNS:mimo.example.org"])
            // One that an authority has signed, not the authority's own.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "privkey.pem", "-out", "fullchain.pem"])
            .current_dir(folder.path())
            .output();
        let certificate = certificate.expect("openssl starts");
        assert!(certificate.status.success(), "{certificate:?}");
        let place = Place {
            address: free_address(),
            folder,
            mimo,
            key,
        };
        let both = [place.text("fullchain.pem"), place.text("privkey.pem")].concat();
        place.write("mimo.pem", &both);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("readable")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// The example with the address of this Mimo.
    fn example(&self, name: &str) -> String {
        with(&example(name), MIMO, &self.mimo.address.to_string())
    }

    /// Runs the proxy until what it returns is dropped.
    fn run(&self, program: &Program, arguments: &[&str]) -> Running {
        let child = program
            .command()
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("proxy.log")).expect("a log"))
            .spawn();
        let mut running = Running(child.expect("the proxy starts"));
        wait_until_listening(&mut running.0, self.address, || self.text("proxy.log"));
        running
    }

    fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.path("fullchain.pem"));
        roots
            .add(certificate.expect("a certificate"))
            .expect("added");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(WATCHDOG)).expect("a bound");
        let stream = StreamOwned::new(session, stream);
        let mut headers = vec![("Host", NAME), ("X-Forwarded-For", FORGED)];
        headers.extend(more);
        Answer::read(send(stream, method, path, &headers, body.as_bytes()))
    }

    fn post(&self, key: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let authorization = format!("Bearer {key}");
        let mut headers = vec![
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(more);
        self.send("POST", "/mcp", &headers, body)
    }

    /// A POST, a stream of events and a refused key go through; metrics do not.
    fn check(&self) {
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let reply = self.post(&self.key, &[], &ping).whole();
        assert_eq!((reply.status, &reply.json()["result"]), (200, &json!({})));

        let client = json!({"name": "test", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let initialize =
            json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": params});
        let reply = self.post(&self.key, &[], &initialize.to_string()).whole();
        let session = reply.headers["mcp-session-id"].clone();
        let mut call = call_of(3, "test_sleep", json!({"ms": 50_000}));
        call["params"]["_meta"] = json!({"progressToken": "p"});
        let headers = [("Mcp-Session-Id", session.as_str())];
        let mut stream = self.post(&self.key, &headers, &call.to_string());
        assert_eq!(stream.headers["content-type"], "text/event-stream");
        // Long before the call ends.
        let progress = |(_, data): &(String, String)| data.contains("notifications/progress");
        let mut events = std::iter::from_fn(|| stream.event());
        assert!(events.any(|event| progress(&event)));
        let params = json!({"requestId": 3});
        let cancel =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        let cancelled = self.post(&self.key, &headers, &cancel.to_string());
        assert_eq!(cancelled.status, 202);
        assert!(events.all(|event| progress(&event)), "it ends unanswered");

        let refused = self.post("mimo_aaaaaaaa_wrong", &[], &ping).whole();
        assert_eq!(refused.status, 401);
        assert_eq!(refused.json()["error"], "Authentication required");
        assert!(refused.headers["www-authenticate"].starts_with("Bearer realm=\"mimo\""));
        let authorization = format!("Bearer {}", self.key);
        let headers = [("Authorization", authorization.as_str())];
        assert_eq!(self.send("GET", "/metrics", &headers, "").status, 404);

        let audit = self.text("data/logs/audit.jsonl");
        assert!(
            audit.contains("auth.failed") && !audit.contains(FORGED),
            "{audit}"
        );
    }
}

/// A proxy of the test; killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn proxy(name: &str) -> Found<Program> {
    let version = Command::new("openssl").arg("version").output();
    if !version.is_ok_and(|ran| ran.status.success()) {
        return Err("openssl is missing; install it".to_owned());
    }
    machine::debian(name, name)
}

#[test]
fn clients_reach_mimo_through_caddy() {
    let found = proxy("caddy");
    skip_unless!(found.as_ref().map_err(Clone::clone));
    let place = Place::new();
    let (chain, key) = (place.shown("fullchain.pem"), place.shown("privkey.pem"));
    let site = format!(
        "https://{NAME}:{} {{\n\ttls {chain} {key}\n",
        place.address.port()
    );
    let text = with(
        &place.example("Caddyfile"),
        &format!("\n{NAME} {{\n"),
        &format!("\n{site}"),
    );
    let text = format!("{{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}}\n{text}");
    place.write("Caddyfile", &text);
    let _running = place.run(&found.expect("checked"), &["run", "--config", "Caddyfile"]);
    place.check();
}

#[test]
fn clients_reach_mimo_through_nginx() {
    let found = proxy("nginx");
    skip_unless!(found.as_ref().map_err(Clone::clone));
    let place = Place::new();
    let listen = format!("listen {} ssl;", place.address);
    let text = with(&place.example("nginx.conf"), "listen 443 ssl;", &listen);
    let text = with(&text, "/etc/ssl/mimo", &place.shown(""));
    // The frame of /etc/nginx/nginx.conf, in one process of this account.
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("{kind}_temp_path {};\n", place.shown(kind)));
    let text = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\n\
         http {{\naccess_log off;\n{}{text}\n}}\n",
        temporary.concat()
    );
    place.write("nginx.conf", &text);
    let folder = place.shown("");
    let arguments = ["-p", &folder, "-c", "nginx.conf", "-e", "stderr"];
    let _running = place.run(&found.expect("checked"), &arguments);
    place.check();
}

#[test]
fn clients_reach_mimo_through_haproxy() {
    let found = proxy("haproxy");
    skip_unless!(found.as_ref().map_err(Clone::clone));
    let place = Place::new();
    let text = place.example("haproxy.cfg");
    let text = with(&text, "bind :443 ", &format!("bind {} ", place.address));
    let text = with(&text, "/etc/ssl/mimo/mimo.pem", &place.shown("mimo.pem"));
    place.write("haproxy.cfg", &text);
    let _running = place.run(&found.expect("checked"), &["-db", "-f", "haproxy.cfg"]);
    place.check();
}
