//! The client and shell examples of README and guide, run as printed with only the
//! path of the binary replaced.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::Server;
use crate::support::server::{self, ask, initialize, mimo, on};

const README: &str = include_str!("../../../README.md");

/// The placeholder for the reader's own path.
const PLACE: &str = "/abs/path/to/mimo";

#[test]
fn every_client_entry_starts_the_server() {
    let json = blocks("json").map(|text| {
        let entry: Value = serde_json::from_str(text).expect("JSON");
        let (_, servers) = entry
            .as_object()
            .expect("an object")
            .iter()
            .next()
            .expect("a key");
        servers["mimo"].clone()
    });
    let toml = blocks("toml")
        .filter(|text| text.contains("mcp_servers"))
        .map(|text| {
            let entry: Value = toml::from_str(text).expect("TOML");
            entry["mcp_servers"]["mimo"].clone()
        });
    let entries: Vec<Value> = json.chain(toml).collect();
    assert!(entries.len() >= 4, "one each for the families of clients");
    let folder = tempfile::tempdir().expect("a folder");
    for entry in &entries {
        assert_eq!(entry["command"], PLACE, "{entry}");
        let arguments: Vec<String> = serde_json::from_value(entry["args"].clone()).expect("texts");
        starts(folder.path(), &arguments);
    }
    let project = README
        .split_once("`\"args\": ")
        .and_then(|(_, rest)| rest.split_once('`'));
    let (arguments, _) = project.expect("how to name a project");
    let arguments: Vec<String> = serde_json::from_str(arguments).expect("texts");
    assert_eq!(arguments[0], "--project");
    starts(folder.path(), &arguments);
}

fn starts(folder: &Path, arguments: &[String]) {
    let mut command = mimo(folder);
    command.args(arguments);
    let mut server = Server::of(&mut command);
    assert_eq!(initialize(&mut server)["serverInfo"]["name"], "mimo");
    let status = ask(&mut server, "mimo_status", serde_json::json!({})).good();
    let project = arguments.get(1).map_or("global", String::as_str);
    assert_eq!(status["project"], project, "{arguments:?}");
    assert!(server.exit().success());
}

#[test]
fn shell_example_answers() {
    let line = blocks("sh").find(|text| text.starts_with("printf"));
    let line = line.expect("a request by hand");
    assert!(line.contains("| mimo"), "{line}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("/bin/sh");
    on(&mut shell, folder.path());
    let binary = Path::new(env!("CARGO_BIN_EXE_mimo"));
    let mut path = binary.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(server::path());
    let done = shell
        .args(["-c", line])
        .env("PATH", path)
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{}", done.status);
    let printed = String::from_utf8(done.stdout).expect("text");
    let answer: Value = serde_json::from_str(&printed).expect("one answer");
    assert_eq!(
        (&answer["id"], &answer["result"]["isError"]),
        (&1.into(), &Value::Null)
    );
}

/// The fenced blocks of one language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let mark = format!("```{language}\n");
    let parts: Vec<&str> = README.split(mark.as_str()).skip(1).collect();
    parts
        .into_iter()
        .filter_map(|part| part.split("```").next())
}
