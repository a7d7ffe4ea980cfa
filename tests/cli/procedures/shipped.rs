//! The shipped procedures, run on the official filesystem server.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::workspace::{Mimo, Workspace, shipped};
use crate::support::fixture;
use crate::support::machine::{self, Found};

/// The folder in which Node finds the server.
fn modules() -> Found<PathBuf> {
    let server = "@modelcontextprotocol/server-filesystem@2026.7.10";
    Ok(machine::npm("files", &[server])?.join("node_modules"))
}

/// A server whose skill `files` is the official filesystem server over `work`.
fn start() -> (Workspace, Mimo) {
    let workspace = Workspace {
        folder: fixture::trusted_dir(),
    };
    let modules = modules().expect("packages");
    let work = workspace.path("work");
    fs::create_dir(&work).expect("made");
    let server = "@modelcontextprotocol/server-filesystem/dist/index.js";
    workspace.settings(json!({"files": {
        "command": "node",
        "args": [modules.join(server), work],
        "sandbox": {"fs": {"read": [modules], "write": [work]}},
    }}));
    let mut mimo = workspace.start(&[]);
    for name in ["release-checklist", "research-and-remember", "tidy-files"] {
        let defined = mimo.good("procedure_define", json!({"definition": shipped(name)}));
        assert_eq!(defined["outcome"], "created", "{defined}");
    }
    (workspace, mimo)
}

fn run(mimo: &mut Mimo, name: &str, context: Value) -> Value {
    mimo.good("procedure_run", json!({"name": name, "context": context}))
}

#[test]
fn shipped_procedures_do_what_they_say() {
    skip_unless!(modules());
    let (workspace, mut mimo) = start();
    let work = workspace.path("work");
    let path = |name: &str| work.join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(work.join(name), text).expect("written");

    // Files: all of them, or none.
    for name in ["a.txt", "b.txt", "c.txt"] {
        write(name, name);
    }
    let tidy = json!({"from": path(""), "to": path("old"), "files": ["a.txt", "b.txt"]});
    let tidied = run(&mut mimo, "tidy-files", tidy);
    assert_eq!(
        tidied["output"]["moved"],
        json!(["a.txt", "b.txt"]),
        "{tidied}"
    );
    assert!(work.join("old/a.txt").exists() && !work.join("a.txt").exists());
    let tidy = json!({"from": path(""), "to": path("old"), "files": ["c.txt", "missing.txt"]});
    let back = run(&mut mimo, "tidy-files", tidy);
    assert_eq!(back["status"], "rolled_back", "{back}");
    assert!(
        work.join("c.txt").exists() && !work.join("old/c.txt").exists(),
        "it was moved back"
    );

    // Research: read once, then known.
    write(
        "tides.txt",
        "The tide in the harbour turns every six hours and twelve minutes.",
    );
    let ask = json!({"question": "how often does the tide turn?", "topic": "tides",
                     "sources": [path("tides.txt")], "enough": 1});
    let found = run(&mut mimo, "research-and-remember", ask.clone());
    assert_eq!(
        (&found["status"], &found["output"]["known_before"]),
        (&json!("completed"), &json!(0)),
        "{found}"
    );
    let answer = found["output"]["answers"][0]["content"]
        .as_str()
        .expect("an answer");
    assert!(answer.contains("six hours"), "{found}");
    fs::remove_file(work.join("tides.txt")).expect("removed");
    let again = run(&mut mimo, "research-and-remember", ask);
    assert_eq!(
        again["output"]["known_before"], 1,
        "it is not read again: {again}"
    );

    // A release: blocked, then undescribed, then waiting for approval.
    let blocker = json!({"content": "The login is broken", "tags": ["release-blocker"]});
    let blocker = mimo.good("memory_store", blocker)["results"][0]["id"].clone();
    write("CHANGELOG.md", "## 1.3.0\n");
    let release = json!({"release": "1.4.0", "changelog": path("CHANGELOG.md")});
    let blocked = run(&mut mimo, "release-checklist", release.clone());
    assert_eq!(blocked["status"], "failed", "{blocked}");
    assert!(
        blocked["error"]["message"]
            .as_str()
            .expect("why")
            .contains("The login is broken")
    );
    mimo.good("memory_edit", json!({"action": "forget", "ids": [blocker]}));
    let undescribed = run(&mut mimo, "release-checklist", release.clone());
    assert_eq!(
        undescribed["error"]["message"],
        "the changelog does not mention 1.4.0"
    );
    write("CHANGELOG.md", "## 1.4.0\n## 1.3.0\n");
    let waits = run(&mut mimo, "release-checklist", release);
    assert_eq!(waits["waits_for"]["kind"], "approval", "{waits}");
    let id = waits["execution_id"].as_str().expect("an id");
    let asked = mimo.good("procedure_run", json!({"execution_id": id}));
    assert_eq!(
        asked["status"], "waiting_approval",
        "a model decides nothing"
    );
    super::cli::approves(&workspace, id, &[]);
    let done = mimo.good("procedure_run", json!({"execution_id": id}));
    assert_eq!(done["output"]["released"], "1.4.0", "{done}");
    assert!(mimo.server.exit().success());
}

#[test]
fn recorded_calls_become_a_procedure() {
    skip_unless!(modules());
    let (workspace, mut mimo) = start();
    let work = workspace.path("work");
    let path = |name: &str| work.join(name).display().to_string();
    for name in ["one", "two", "three"] {
        fs::write(work.join(format!("{name}.txt")), format!("text {name}")).expect("written");
    }
    mimo.good("skill_find", json!({"query": "read a text file"}));
    for name in ["one.txt", "two.txt"] {
        let call =
            json!({"tool": "files__read_text_file", "arguments": {"path": path(name), "head": 5}});
        mimo.ask_any("skill_read", call);
    }
    let recorded = mimo.good("procedure_find", json!({}))["recorded"].clone();
    let mut ids: Vec<Value> = recorded
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| call["execution_id"].clone())
        .collect();
    ids.reverse();
    assert_eq!(ids.len(), 2, "{recorded}");
    let made = mimo.good(
        "procedure_define",
        json!({"from_execution_ids": ids, "definition": {"name": "read-it"}}),
    );
    assert_eq!(made["name"], "read-it");
    let states = &made["definition"]["states"]["1_read_text_file"]["action"]["arguments"];
    assert_eq!(*states, json!({"path": "{{ path }}", "head": 5}));
    let done = run(&mut mimo, "read-it", json!({"path": path("three.txt")}));
    assert_eq!(done["output"]["text"], "text three", "{done}");
    assert!(mimo.server.exit().success());
}
