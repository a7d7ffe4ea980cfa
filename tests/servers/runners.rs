//! `bunx`, `pnpm dlx` and `deno run` with the real programs, allowed by the settings.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::machine::{self, Found};
use crate::support::{Server, fixture, server};

const PACKAGE: &str = "@modelcontextprotocol/server-memory";
/// A watchdog: with a cold cache and two cores an install takes a minute.
const BOUND: Duration = Duration::from_secs(300);

fn programs() -> Found<PathBuf> {
    machine::program("npm")?;
    let folder = machine::npm("runners", &["bun@1", "deno@2", "pnpm@11"])?;
    Ok(folder.join("node_modules/.bin"))
}

fn start(home: &Path) -> Server {
    let installed = programs().expect("programs");
    let folder = home.join(".bun/bin");
    fs::create_dir_all(&folder).expect("made");
    // bunx is a link to bun, as bun's own installer makes it.
    for (name, to) in [
        ("bun", "bun"),
        ("bunx", "bun"),
        ("pnpm", "pnpm"),
        ("deno", "deno"),
    ] {
        let program = installed.join(to).canonicalize().expect("a program");
        symlink(program, folder.join(name)).expect("linked");
    }
    let package = format!("npm:{PACKAGE}");
    let entry =
        |command: &str, args: &[&str]| json!({"command": command, "args": args, "start": "eager"});
    let skills = json!({"skills": {
        "bunx": entry("bunx", &[PACKAGE]),
        "bun": entry("bunx", &["--bun", PACKAGE]),
        "pnpm": entry("pnpm", &["dlx", PACKAGE]),
        "deno": entry("deno", &["run", "-A", &package]),
        "denied": entry("deno", &["run", "--deny-env", &package]),
    }});
    let config = home.join("config");
    fs::create_dir_all(&config).expect("made");
    let file = config.join("skills.json");
    fs::write(&file, skills.to_string()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let settings = "[skills]\ncommands = [\"bunx\", \"pnpm\", \"deno\"]\n";
    fs::write(config.join("config.toml"), settings).expect("written");
    let mut command = server::mimo(home);
    command.envs(machine::fetching());
    Server::of(&mut command)
}

/// Whether a process runs this program.
fn runs(program: &Path) -> bool {
    let program = program.canonicalize().expect("a program");
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let mut programs = processes.filter_map(|each| fs::read_link(each.path().join("exe")).ok());
    programs.any(|each| each == program)
}

#[test]
fn package_runs_by_bun_pnpm_and_deno() {
    skip_unless!(programs());
    let home = fixture::trusted_dir();
    let mut mimo = start(home.path());
    server::initialize(&mut mimo);
    let begun = Instant::now();
    let skills = loop {
        let status = server::ask(&mut mimo, "mimo_status", json!({})).good();
        let skills = status["skills"].as_array().expect("skills").clone();
        let settled =
            |skill: &Value| skill["tools"].as_u64() > Some(0) || skill["ended"].is_string();
        if skills.len() == 5 && skills.iter().all(settled) {
            break skills;
        }
        assert!(begun.elapsed() < BOUND, "{status:#}");
        // The interval of polling, not a bound.
        std::thread::park_timeout(Duration::from_millis(50));
    };
    for skill in &skills {
        let works = skill["tools"].as_u64() > Some(0);
        assert_eq!(works, skill["name"] != "denied", "{skill:#}");
    }
    let denied = skills.iter().find(|skill| skill["name"] == "denied");
    let words = denied.expect("it is listed")["ended"]
        .as_str()
        .expect("words");
    assert!(words.contains("env access"), "{words}");
    for name in ["bun", "deno"] {
        assert!(runs(&home.path().join(".bun/bin").join(name)), "{name}");
    }
    assert!(mimo.exit().success());
}
