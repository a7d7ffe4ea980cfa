//! `mimo skill update` against a registry on loopback, which gets a second version.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::machine::{self, Found};
use crate::support::{fixture, server};

const PACKAGE: &str = "mimo-fixture";
const SERVER: &str = r#"#!/usr/bin/env node
const tools = TOOLS.map(([name, description]) => ({name, description, inputSchema: {type: "object"}}));
require("readline").createInterface({input: process.stdin}).on("line", (line) => {
  const {id, method, params} = JSON.parse(line);
  if (id === undefined) return;
  const result = method === "initialize"
    ? {protocolVersion: params.protocolVersion, capabilities: {tools: {}}, serverInfo: {name: "f", version: "1"}}
    : method === "tools/list" ? {tools} : {};
  console.log(JSON.stringify({jsonrpc: "2.0", id, result}));
});
"#;

fn npm() -> Found<()> {
    machine::node()?;
    machine::program("npm")
}

/// Archives of the package by version, which it serves as a registry.
#[derive(Default)]
struct Registry(Mutex<Vec<(String, Vec<u8>, String)>>);

impl Registry {
    /// Serves until the test ends; gives the address.
    fn serve(self: &Arc<Registry>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (registry, own) = (self.clone(), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                registry.answer(stream, &own);
            }
        });
        address
    }

    fn answer(&self, mut stream: TcpStream, own: &str) {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        for line in lines {
            if line.is_empty() {
                break;
            }
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let versions = self.0.lock().expect("no panic");
        let archive = versions
            .iter()
            .find(|(version, ..)| path == format!("/{version}.tgz"));
        let body = match archive {
            Some((_, bytes, _)) => bytes.clone(),
            None => {
                let each = |(version, _, integrity): &(String, Vec<u8>, String)| {
                    let dist =
                        json!({"tarball": format!("{own}/{version}.tgz"), "integrity": integrity});
                    let manifest = json!({"name": PACKAGE, "version": version, "bin": "server.js", "dist": dist});
                    (version.clone(), manifest)
                };
                let all: serde_json::Map<String, Value> = versions.iter().map(each).collect();
                let latest = versions.last().map(|(version, ..)| version);
                json!({"name": PACKAGE, "dist-tags": {"latest": latest}, "versions": all})
                    .to_string()
                    .into_bytes()
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // A client that has left reads nothing.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body));
    }

    fn publish(&self, folder: &Path, version: &str, tools: &[(&str, &str)]) {
        let place = folder.join(version);
        fs::create_dir_all(&place).expect("made");
        let manifest = json!({"name": PACKAGE, "version": version, "bin": "server.js"});
        fs::write(place.join("package.json"), manifest.to_string()).expect("written");
        let script = SERVER.replace("TOOLS", &json!(tools).to_string());
        fs::write(place.join("server.js"), script).expect("written");
        let packed = Command::new("npm")
            .args(["pack", "--json", "--offline"])
            .current_dir(&place)
            .output()
            .expect("npm starts");
        let printed: Value = serde_json::from_slice(&packed.stdout).expect("JSON");
        let of_list = &printed[0];
        let packed = if of_list.is_null() {
            &printed[PACKAGE]
        } else {
            of_list
        };
        let text = |key: &str| packed[key].as_str().expect("text").to_owned();
        let bytes = fs::read(place.join(text("filename"))).expect("an archive");
        let mut versions = self.0.lock().expect("no panic");
        versions.push((version.to_owned(), bytes, text("integrity")));
    }
}

#[test]
fn update_shows_which_tools_changed() {
    skip_unless!(npm());
    let folder = fixture::trusted_dir();
    let registry = Arc::new(Registry::default());
    let address = registry.serve();
    let config = folder.path().join("config");
    fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    let entry = json!({"command": "npx", "args": ["-y", PACKAGE]});
    fs::write(&file, json!({"skills": {"f": entry}}).to_string()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let update = || -> Value {
        let mut command = server::mimo(folder.path());
        command.args(["skill", "update", "--json"]);
        command.env("npm_config_registry", &address);
        let ran = command.output().expect("mimo starts");
        let printed: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        printed["skills"][0].clone()
    };
    let source = folder.path().join("source");
    registry.publish(
        &source,
        "1.0.0",
        &[("same", "a"), ("other", "a"), ("gone", "a")],
    );
    let first = update();
    assert_eq!(first["version"], "1.0.0", "{first}");
    assert!(
        first["before"].is_null() && first["tools"].is_null(),
        "{first}"
    );
    assert!(update()["tools"].is_null(), "the same version");
    registry.publish(
        &source,
        "2.0.0",
        &[("new", "a"), ("other", "b"), ("same", "a")],
    );
    let second = update();
    assert_eq!(
        (&second["before"], &second["version"]),
        (&json!("1.0.0"), &json!("2.0.0")),
        "{second}"
    );
    let expected = json!({"added": ["new"], "removed": ["gone"], "changed": ["other"]});
    assert_eq!(second["tools"], expected, "{second}");
}
