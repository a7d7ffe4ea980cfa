//! Which of several programs runs, and how a client with a short PATH finds it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::fixture::{Fixture, mode};

const DESKTOP: &str = "/usr/bin:/bin";

/// An executable that prints `version`.
fn program(fixture: &Fixture, name: &str, version: &str) {
    let path = fixture.path(name);
    let folder = path.parent().expect("its folder");
    std::fs::create_dir_all(folder).expect("a folder");
    for above in folder
        .ancestors()
        .take_while(|above| *above != fixture.path(""))
    {
        mode(above, 0o755);
    }
    std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).expect("a file");
    mode(&path, 0o755);
}

/// Runs `mimo ..`, whose own folder of programs is `bin`, with this PATH.
fn mimo(fixture: &Fixture, path: &str, arguments: &[&str]) -> Value {
    let settings = json!([fixture.path("bin")]).to_string();
    let settings = format!("[skills]\ncommands = [\"npx\", \"uvx\"]\npath = {settings}\n");
    std::fs::write(fixture.path("config/config.toml"), settings).expect("a file");
    let ran = Command::new(env!("CARGO_BIN_EXE_mimo"))
        .arg("--json")
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("HOME", fixture.path("home"))
        .env("MIMO_CONFIG_DIR", fixture.path("config"))
        .env("MIMO_DATA_DIR", fixture.path("data"))
        .stdin(Stdio::null())
        .output()
        .expect("mimo starts");
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn found(doctor: &Value, name: &str) -> String {
    let programs = doctor["programs"].as_array().expect("programs");
    let found = programs.iter().find(|each| each["name"] == name);
    let found = found.expect("the program");
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    match text("next") {
        "" => text("why").to_owned(),
        next => format!("{}; {next}", text("why")),
    }
}

fn below(fixture: &Fixture, name: &str) -> String {
    fixture.path(name).display().to_string()
}

#[test]
fn newest_node_is_taken_wherever_it_is() {
    let fixture = Fixture::new();
    for version in ["v9.11.2", "v16.20.0", "v18.2.0", "v99.1.0"] {
        for name in ["node", "npx"] {
            let path = format!("home/.nvm/versions/node/{version}/bin/{name}");
            program(&fixture, &path, version);
        }
    }
    program(
        &fixture,
        "home/.volta/tools/image/node/98.0.0/bin/node",
        "v98.0.0",
    );
    // The first one that is found, and too old.
    program(&fixture, "bin/node", "v12.0.0");
    let header = fixture.path("include/node");
    std::fs::create_dir_all(&header).expect("a folder");
    let lines = "#define NODE_MAJOR_VERSION 12\n#define NODE_MINOR_VERSION 0\n";
    std::fs::write(header.join("node_version.h"), lines).expect("a file");
    let doctor = mimo(&fixture, DESKTOP, &["doctor"]);
    let newest = below(&fixture, "home/.nvm/versions/node/v99.1.0/bin/node");
    assert_eq!(found(&doctor, "node"), format!("{newest}, version 99.1"));
    // Whoever else could change it decides what runs, so it is not run.
    mode(Path::new(&newest), 0o777);
    let doctor = mimo(&fixture, DESKTOP, &["doctor"]);
    let trusted = below(&fixture, "home/.volta/tools/image/node/98.0.0/bin/node");
    assert_eq!(found(&doctor, "node"), format!("{trusted}, version 98.0"));
}

#[cfg(target_os = "linux")]
#[test]
fn shell_records_its_programs_for_clients_that_lack_them() {
    let fixture = Fixture::new();
    for name in ["uv", "uvx"] {
        std::fs::remove_file(fixture.path(&format!("bin/{name}"))).unwrap_or_default();
        for folder in [
            "tools/bin",
            "home/.pyenv/shims",
            "home/site/node_modules/.bin",
        ] {
            program(&fixture, &format!("{folder}/{name}"), "uv 99.7.1 (x86)");
        }
    }
    let shell = [
        "home/.pyenv/shims",
        "home/site/node_modules/.bin",
        "tools/bin",
    ];
    let shell = shell.map(|folder| below(&fixture, folder)).join(":");
    let add = [
        "skill",
        "add",
        "a",
        "--later",
        "--",
        "uvx",
        "mcp-server-time",
    ];
    let before = mimo(&fixture, DESKTOP, &add);
    assert_eq!(before["ok"], false, "{before}");
    let added = mimo(&fixture, &format!("{shell}:{DESKTOP}"), &add);
    assert_eq!(added["ok"], true, "{added}");
    let listed = mimo(&fixture, DESKTOP, &["skill", "list"]);
    assert_eq!(
        listed["skills"][0]["program"],
        below(&fixture, "tools/bin/uvx")
    );
    let uv = below(&fixture, "tools/bin/uv");
    let doctor = mimo(&fixture, DESKTOP, &["doctor"]);
    let expected = format!("{uv}, version 99.7, recorded from your shell");
    assert_eq!(found(&doctor, "uv"), expected);
    // One that is gone is looked for anew.
    std::fs::rename(fixture.path("tools"), fixture.path("moved")).expect("moved");
    let doctor = mimo(&fixture, DESKTOP, &["doctor"]);
    assert!(found(&doctor, "uv").contains("mimo setup"), "{doctor}");
}
