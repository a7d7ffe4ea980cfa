//! What an entry is granted for its arguments and its `cwd`.

use mimo::skills::spec::Network;
use serde_json::{Value, json};

use super::manifest::skill;
use crate::support::fixture::Fixture;

#[test]
fn entry_without_a_sandbox_gets_its_files_or_the_network() {
    let fixture = Fixture::new();
    let home = fixture.path("home");
    let work = home.join("work");
    std::fs::create_dir_all(&work).expect("a folder");
    let sandbox = |arguments: &[&str]| {
        let args = [&["-y", "@scope/server"], arguments].concat();
        skill("a", &json!({"command": "npx", "args": args}), &fixture).spec
    };
    let outbound = Network::Outbound(Vec::new());
    let work_text = work.to_str().expect("text");
    for (arguments, files, network) in [
        (&["--verbose"][..], vec![], &outbound),
        (&[work_text], vec![work.clone()], &Network::None),
        (&["--root=~/work"], vec![work.clone()], &Network::None),
        (
            &["~/work", "/no/such/folder"],
            vec![work.clone()],
            &Network::None,
        ),
        // As a whole it is not granted, and then there is no network either.
        (&["~"], vec![], &Network::None),
    ] {
        let spec = sandbox(arguments);
        assert_eq!(
            (&spec.sandbox.write, &spec.sandbox.network),
            (&files, network),
            "{arguments:?}"
        );
    }
    assert_eq!(
        sandbox(&["~/work"]).arguments,
        [work_text],
        "the server's HOME is another"
    );
}

#[test]
fn cwd_is_granted_where_it_may_be_and_else_noted() {
    let fixture = Fixture::new();
    let work = fixture.path("home/work");
    for name in ["home/.ssh", "home/work/inner", "home/other"] {
        std::fs::create_dir_all(fixture.path(name)).expect("a folder");
    }
    let started = |entry: Value| {
        let skill = skill("a", &entry, &fixture);
        let network = skill.spec.sandbox.network != Network::None;
        let (folder, write) = (skill.spec.folder, skill.spec.sandbox.write);
        (folder, write, network, skill.notes.join("; "))
    };
    let pasted = |cwd: &str, args: &[&str]| {
        let args = [&["-y", "@scope/server"], args].concat();
        started(json!({"command": "npx", "args": args, "cwd": fixture.fill(cwd)}))
    };
    for cwd in ["/FIXTURE/home/work", "~/work"] {
        let (folder, write, network, notes) = pasted(cwd, &[]);
        assert_eq!((folder, write), (Some(work.clone()), vec![work.clone()]));
        assert!(!network && notes.contains("cwd"), "{notes}");
    }
    let (folder, write, ..) = pasted("~/work", &["~/other"]);
    assert_eq!(folder, Some(work.clone()));
    assert_eq!(write, [work.clone(), fixture.path("home/other")]);
    // It runs as if it had none.
    for cwd in [
        "~",
        "/",
        "~/.ssh",
        "/usr",
        "/etc",
        "~/gone",
        "work",
        "/FIXTURE/data",
        "~/server.js",
        "/proc/self",
    ] {
        let (folder, write, network, notes) = pasted(cwd, &[]);
        assert_eq!((folder, write), (None, vec![]), "{cwd}");
        assert!(
            network && notes.contains("cwd is ignored"),
            "{cwd}: {notes}"
        );
    }
    let decided = |cwd: &str| {
        let sandbox = json!({"fs": {"read": ["~/work"]}, "network": "outbound"});
        let (folder, write, network, notes) =
            started(json!({"command": "npx", "args": ["a"], "cwd": cwd, "sandbox": sandbox}));
        assert!(write.is_empty() && network, "its sandbox decides");
        (folder, notes)
    };
    assert_eq!(decided("~/work/inner").0, Some(work.join("inner")));
    let (folder, notes) = decided("~/other");
    assert!(folder.is_none() && notes.contains("sandbox.fs"), "{notes}");
    let docker = json!({"command": "docker", "args": ["run", "-i", "mcp/a"], "cwd": work});
    let (folder, _, network, notes) = started(docker);
    assert!(
        folder.is_none() && network && notes.contains("container"),
        "{notes}"
    );
}

#[test]
fn cwd_is_part_of_what_a_person_approved() {
    let fixture = Fixture::new();
    let identity = |more: Value| {
        let mut entry = json!({"command": "npx", "args": ["a"]});
        let keys = more.as_object().cloned().unwrap_or_default();
        entry.as_object_mut().expect("an object").extend(keys);
        skill("a", &entry, &fixture).spec.identity
    };
    let (without, with) = (identity(json!({})), identity(json!({"cwd": "~/work"})));
    assert_eq!(without.program, with.program);
    assert_ne!(without.entry, with.entry);
    assert_eq!(identity(json!({"cwd": null})), without);
}

#[test]
fn paths_of_variables_are_granted_or_said_to_lack() {
    let fixture = Fixture::new();
    for folder in ["home/graph", "home/work"] {
        std::fs::create_dir_all(fixture.path(folder)).expect("a folder");
    }
    std::fs::write(fixture.path("home/graph/memory.jsonl"), "").expect("a file");
    std::fs::write(fixture.path("home/work/memory.jsonl"), "").expect("a file");
    std::fs::write(fixture.path("home/work/other"), "").expect("a file");
    let granted = |env: Value, sandbox: Option<Value>| {
        let env: Value = serde_json::from_str(&fixture.fill(&env.to_string())).expect("JSON");
        let mut entry = json!({"command": "npx", "args": ["-y", "@scope/server"], "env": env});
        if let Some(sandbox) = sandbox {
            entry["sandbox"] = sandbox;
        }
        let skill = skill("a", &entry, &fixture);
        let network = skill.spec.sandbox.network != Network::None;
        (skill.spec.sandbox.write, network, skill.notes.join("; "))
    };
    // The folder is the file's own.
    let own = json!({"MEMORY_FILE_PATH": "/FIXTURE/home/graph/memory.jsonl"});
    let (write, network, notes) = granted(own.clone(), None);
    assert_eq!((write, network), (vec![fixture.path("home/graph")], false));
    assert!(
        notes.contains("its variables name") && !notes.contains("--write"),
        "{notes}"
    );
    // Others lie beside it.
    let shared = json!({"MEMORY_FILE_PATH": "/FIXTURE/home/work/memory.jsonl"});
    let (write, network, notes) = granted(shared, None);
    let file = fixture.path("home/work/memory.jsonl");
    assert_eq!((write, network), (vec![file], false));
    assert!(
        notes.contains("make none beside it") && notes.contains("--write"),
        "{notes}"
    );
    // A server of the network keeps it.
    let remote = json!({"SERVICE_TOKEN": "x", "DATA": "/FIXTURE/home/graph/memory.jsonl"});
    let (write, network, notes) = granted(remote, None);
    assert_eq!((write, network), (vec![], true));
    let fix = format!(
        r#"{{"fs":{{"write":["{}"]}},"network":"outbound"}}"#,
        fixture.path("home/graph").display()
    );
    assert!(
        notes.contains("DATA names") && notes.contains(&fix),
        "{notes}"
    );
    // An entry that decides for itself is told the same.
    let (write, _, notes) = granted(own.clone(), Some(json!({"network": "outbound"})));
    assert!(write.is_empty() && notes.contains(&fix), "{notes}");
    let sandbox = json!({"fs": {"write": ["~/graph"]}});
    let (_, _, notes) = granted(own, Some(sandbox));
    assert!(notes.is_empty(), "{notes}");
    // What every skill may read is no file of a person's.
    let (write, network, _) = granted(json!({"SHELL_PATH": "/usr/bin/env"}), None);
    assert_eq!((write, network), (vec![], true));
}

#[test]
fn a_server_that_keeps_data_beside_its_program_gets_a_private_file() {
    let fixture = Fixture::new();
    let memory = |env: Value| {
        let args = ["-y", "@modelcontextprotocol/server-memory@2025.9.25"];
        let entry = json!({"command": "npx", "args": args, "env": env});
        let skill = skill("a", &entry, &fixture);
        let file = skill.spec.environment.get("MEMORY_FILE_PATH").cloned();
        (file, skill.notes.join("; "))
    };
    let (file, notes) = memory(json!({}));
    assert_eq!(file.as_deref(), Some("\0/memory.jsonl"));
    assert!(notes.contains("private folder"), "{notes}");
    let (file, notes) = memory(json!({"MEMORY_FILE_PATH": "graph.jsonl"}));
    assert_eq!(file.as_deref(), Some("graph.jsonl"));
    assert!(notes.contains("relative path"), "{notes}");
}

#[test]
fn arguments_that_name_nothing_are_named() {
    let fixture = Fixture::new();
    for argument in [
        "~/nodir",
        "/no/such/folder",
        "--root=/no/such",
        r"C:\Users\me",
    ] {
        let args = ["-y", "@scope/server", argument];
        let entry = json!({"command": "npx", "args": args});
        let notes = skill("a", &entry, &fixture).notes.join("; ");
        assert!(notes.contains("does not exist here"), "{argument}: {notes}");
    }
}

/// A snap, a service or sudo sets HOME to another folder than the account's.
#[cfg(target_os = "linux")]
#[test]
fn the_home_of_the_account_is_guarded_where_home_is_another() {
    let fixture = Fixture::new();
    let us = nix::unistd::geteuid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").expect("accounts");
    let line = accounts
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&us));
    let home = line
        .and_then(|line| line.split(':').nth(5))
        .expect("a home");
    for (key, path) in [
        ("read", home.to_owned()),
        ("read", format!("{home}/.ssh")),
        ("write", format!("{home}/.config/x")),
    ] {
        let entry = json!({"command": "npx", "args": ["a"], "sandbox": {"fs": {key: [path]}}});
        let found = super::attack::refused(&entry, &fixture);
        assert!(!found.is_empty(), "{key} {path}");
    }
}
