//! A healthy skill beside skills that hang, fail to start, exit at every call, or
//! flood stdout or stderr.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::calls::Call;
use super::clients::Mimo;
use super::servers::{Allowed, Real};
use crate::support::fixture;

/// Skills by name, with the mode of the fake.
const SKILLS: [(&str, &str); 6] = [
    ("healthy", "ok"),
    ("hung", "hang"),
    ("failing", "fail"),
    ("dying", "die"),
    ("flooding", "flood-out"),
    ("shouting", "flood-err"),
];

fn skill(script: &Path, name: &'static str, mode: &str) -> Real {
    Real {
        name,
        command: Vec::new(),
        variables: Vec::new(),
        entry: json!({"command": "python3", "args": [script, mode], "start": "eager"}),
        allowed: Allowed {
            commands: vec!["python3".to_owned()],
            ..Allowed::default()
        },
    }
}

fn echo(round: u32) -> Call {
    Call {
        tool: "echo",
        arguments: json!({"round": round, "text": "x".repeat(1000)}),
        steady: |part| part,
    }
}

#[track_caller]
fn echoes(mimo: &mut Mimo, skill: &str, rounds: u32) {
    for round in 0..rounds {
        let call = echo(round);
        let answer = mimo.call("skill_call", skill, &call);
        let echoed: Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!(echoed, call.arguments, "{skill} {round}");
    }
}

#[test]
fn healthy_skill_is_undisturbed_by_failing_ones() {
    skip_unless!(python);
    let folder = fixture::trusted_dir();
    let script = folder.path().join("skill.py");
    fs::write(&script, include_str!("../../support/skill.py")).expect("written");
    let skills: Vec<Real> = SKILLS.map(|(name, mode)| skill(&script, name, mode)).into();
    let mut mimo = Mimo::start(folder.path(), &skills.iter().collect::<Vec<_>>());
    // One skill never finishes starting, and `initialize` is answered anyway.
    mimo.initialize();
    assert_eq!(mimo.state("hung")["state"], "starting");
    for skill in ["healthy", "flooding", "shouting", "dying"] {
        let state = mimo.until(skill, |state| state["state"] == "running");
        assert_eq!(state["tools"], 6, "{state}");
    }
    mimo.until("failing", |state| state["restarts"].as_u64() > Some(0));
    let pid = mimo.state("healthy")["pid"].clone();
    for _ in 0..3 {
        echoes(&mut mimo, "healthy", 100);
        // Flooding skills answer too, if slowly.
        echoes(&mut mimo, "flooding", 1);
        echoes(&mut mimo, "shouting", 1);
        dies_and_comes_back(&mut mimo);
        echoes(&mut mimo, "healthy", 100);
    }
    // The healthy process never changed or failed.
    let healthy = mimo.state("healthy");
    assert_eq!((&healthy["pid"], &healthy["restarts"]), (&pid, &json!(0)));
    assert_eq!(healthy["faults"], 0, "{healthy}");
    assert_eq!(mimo.state("hung")["state"], "starting");
    mimo.end();
}

/// A call that kills its skill removes the tools; the restart brings them back.
fn dies_and_comes_back(mimo: &mut Mimo) {
    let restarts = |state: &Value| state["restarts"].as_u64().expect("a number");
    let before = restarts(&mimo.state("dying"));
    let refused = mimo.refusal("dying", "echo");
    assert!(refused.contains("unavailable"), "{refused}");
    let gone = mimo.until("dying", |state| state["state"] != "running");
    assert_eq!(gone["tools"], 0, "no tools without a process: {gone}");
    let back = mimo.until("dying", |state| state["state"] == "running");
    assert_eq!((&back["tools"], restarts(&back)), (&json!(6), before + 1));
}
