//! Popular servers as a person pastes them from their READMEs, with default settings
//! and the PATH of a desktop. Prints which of them work at the first try.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, fixture, machine, popular, server};

/// A watchdog: with a cold cache and two cores all installs take a few minutes.
const BOUND: Duration = Duration::from_secs(900);
/// Of the servers that are pasted.
const WORKING: usize = 15;

fn start(home: &Path) -> Server {
    let configuration = popular::prepare(home);
    let config = home.join("config");
    fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    fs::write(&file, configuration.to_string()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let mut command = server::mimo(home);
    command
        .env("PATH", "/usr/bin:/bin")
        .envs(machine::fetching());
    Server::of(&mut command)
}

#[test]
fn servers_work_as_they_are_pasted() {
    skip_unless!(popular::tools());
    let home = fixture::trusted_dir();
    let mut mimo = start(home.path());
    server::initialize(&mut mimo);
    let begun = Instant::now();
    let status = loop {
        let status = server::ask(&mut mimo, "mimo_status", json!({})).good();
        let skills = status["skills"].as_array().expect("skills");
        let settled =
            |skill: &Value| skill["tools"].as_u64() > Some(0) || skill["ended"].is_string();
        if skills.iter().all(settled) {
            break status;
        }
        assert!(begun.elapsed() < BOUND, "{status:#}");
        // The interval of polling, not a bound.
        std::thread::park_timeout(Duration::from_millis(200));
    };
    let skills = status["skills"].as_array().expect("skills");
    let works = |skill: &&Value| skill["tools"].as_u64() > Some(0);
    let working = skills.iter().filter(works).count();
    let lines = skills.iter().map(|skill| match works(&skill) {
        true => format!("{}: {} tools\n", skill["name"], skill["tools"]),
        false => format!("{}: {}\n", skill["name"], skill["ended"]),
    });
    // Not `eprintln!`, whose output is captured in passing tests.
    let _ = writeln!(
        std::io::stderr(),
        "{}not in use: {}",
        lines.collect::<String>(),
        status["skills_problem"]
    );
    assert!(
        working >= WORKING,
        "{working} of {}: {status:#}",
        skills.len()
    );
}
