//! A registry of npm packages on loopback.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::machine::{self, Found};
use super::web::{Web, response};

/// What tests with a registry need.
pub fn npm() -> Found<()> {
    machine::node()?;
    machine::program("npm")
}

struct Release {
    /// As a registry shows it, without `dist`.
    manifest: Value,
    archive: Vec<u8>,
    integrity: String,
}

/// The releases that it serves, the newest one last.
#[derive(Default)]
pub struct Registry {
    releases: Mutex<Vec<Release>>,
    /// Other answers, by their path.
    pages: Mutex<Vec<(String, String)>>,
    address: String,
}

impl Registry {
    /// Serves until the test ends.
    pub fn serve() -> Arc<Registry> {
        let web = Web::bind();
        let registry = Arc::new(Registry {
            address: web.address(),
            ..Registry::default()
        });
        let serving = registry.clone();
        web.answer(move |request| {
            Some(match serving.body(request.path()) {
                Some(body) => response("200 OK", "", &body),
                None => response("404 Not Found", "", b""),
            })
        });
        registry
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers requests for `path` with `text`.
    pub fn page(&self, path: &str, text: &str) {
        let mut pages = self.pages.lock().expect("no panic");
        pages.push((path.to_owned(), text.to_owned()));
    }

    fn body(&self, path: &str) -> Option<Vec<u8>> {
        let pages = self.pages.lock().expect("no panic");
        if let Some((_, text)) = pages.iter().find(|(at, _)| at == path) {
            return Some(text.clone().into_bytes());
        }
        let releases = self.releases.lock().expect("no panic");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let file = |release: &Release| {
            let (name, version) = (&release.manifest["name"], &release.manifest["version"]);
            format!("/{}-{}.tgz", text(name), text(version))
        };
        if let Some(release) = releases.iter().find(|release| file(release) == path) {
            return Some(release.archive.clone());
        }
        let (mut versions, mut time) = (Map::new(), Map::new());
        for release in releases.iter() {
            let mut manifest = release.manifest.clone();
            if path.strip_prefix('/') != manifest["name"].as_str() {
                continue;
            }
            let tarball = format!("{}{}", self.address, file(release));
            manifest["dist"] = json!({"tarball": tarball, "integrity": release.integrity});
            let version = text(&manifest["version"]);
            time.insert(version.clone(), "2025-01-01T00:00:00.000Z".into());
            versions.insert(version, manifest);
        }
        let latest = versions.keys().next_back()?.clone();
        let name = path.strip_prefix('/');
        let all = json!({"name": name, "dist-tags": {"latest": latest}, "versions": versions,
            "time": time});
        Some(all.to_string().into_bytes())
    }

    /// Publishes `files`, of which `x.js` is the program, with the members of `more` in
    /// its `package.json`. `folder` is where they are packed.
    pub fn publish(
        &self,
        folder: &Path,
        name: &str,
        version: &str,
        files: &[(&str, &str)],
        more: Value,
    ) {
        let place = folder.join(format!("{name}-{version}"));
        fs::create_dir_all(&place).expect("made");
        let mut manifest = more;
        manifest["name"] = name.into();
        manifest["version"] = version.into();
        manifest["bin"] = "x.js".into();
        fs::write(place.join("package.json"), manifest.to_string()).expect("written");
        for (file, text) in files {
            fs::write(place.join(file), text).expect("written");
        }
        let packed = Command::new("npm")
            .args(["pack", "--json", "--offline"])
            .current_dir(&place)
            .output()
            .expect("npm starts");
        let printed: Value = serde_json::from_slice(&packed.stdout).expect("JSON");
        let of_list = &printed[0];
        let packed = if of_list.is_null() {
            &printed[name]
        } else {
            of_list
        };
        let text = |key: &str| packed[key].as_str().expect("text").to_owned();
        let archive = fs::read(place.join(text("filename"))).expect("an archive");
        // As a registry says it.
        let scripts = &manifest["scripts"];
        let has_script = ["preinstall", "install", "postinstall"]
            .iter()
            .any(|each| scripts[each].is_string());
        manifest["hasInstallScript"] = has_script.into();
        let mut releases = self.releases.lock().expect("no panic");
        releases.push(Release {
            manifest,
            archive,
            integrity: text("integrity"),
        });
    }
}

/// A server whose tools have the names of the list that `expression` gives.
pub fn server(expression: &str) -> String {
    format!(
        r#"#!/usr/bin/env node
const tools = ({expression}).map((tool) => ({{inputSchema: {{type: "object"}},
  ...(typeof tool === "string" ? {{name: tool}} : tool)}}));
require("readline").createInterface({{input: process.stdin}}).on("line", (line) => {{
  const {{id, method, params}} = JSON.parse(line);
  if (id === undefined) return;
  const result = method === "initialize"
    ? {{protocolVersion: params.protocolVersion, capabilities: {{tools: {{}}}}, serverInfo: {{name: "f", version: "1"}}}}
    : method === "tools/list" ? {{tools}} : {{}};
  console.log(JSON.stringify({{jsonrpc: "2.0", id, result}}));
}});
"#
    )
}
