//! Logs of running skills.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use super::world::World;
use crate::support::terminal;
use crate::support::wait;

/// All log entries, one document each.
fn entries(world: &World) -> Vec<Value> {
    let text = world.run(&["logs", "--json", "-n", "1000"]).out;
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn runs_and_their_output_are_logged_with_times() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("die"), "two": world.skill("ok")}));
    let empty = world.run(&["logs"]);
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""));
    let mut mimos = [world.serve(), world.serve()];
    for mimo in &mut mimos {
        mimo.until_running(&["one", "two"]);
        mimo.call("one__echo", json!({}));
        mimo.until(|status| status["skills"][0]["ended"].is_string());
    }
    let told = entries(&world);
    let of_one: Vec<&Value> = told
        .iter()
        .filter(|entry| entry["skill"] == "one")
        .collect();
    for key in ["started", "line", "ended"] {
        let found: Vec<&&Value> = of_one
            .iter()
            .filter(|entry| !entry[key].is_null())
            .collect();
        assert!(found.len() >= 2, "{key} of both Mimos: {told:?}");
        assert!(
            found[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')),
            "{told:?}"
        );
        let words = match key {
            "line" => "it is too much for me",
            "ended" => "exit code 3",
            _ => continue,
        };
        assert!(
            found[0][key]
                .as_str()
                .is_some_and(|text| text.contains(words)),
            "{told:?}"
        );
    }
    let text = world.run(&["logs", "one", "-n", "2"]);
    assert_eq!(text.out.lines().count(), 2, "{text:?}");
    let wrong = world.run(&["logs", "three"]);
    assert!(
        wrong.code == Some(1) && wrong.err.contains("one, two"),
        "{wrong:?}"
    );
    let file = world.path("data/logs/skills/one.log");
    let mode = file.metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for mimo in mimos {
        assert!(mimo.server.exit().success());
    }
}

#[test]
fn log_is_followed_until_the_reader_leaves() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut command = world.command(&["skill", "logs", "one", "--follow", "--json"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("another line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    let mut mimo = world.serve();
    let started = next();
    assert_eq!(started["started"], mimo.server.pid(), "{started}");
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());
    let ended = next();
    assert!(ended["ended"].is_string(), "{ended}");
    drop(lines);
    // Nothing more is written, so it has to notice the closed pipe itself.
    assert!(wait(&mut follower).success());
}

#[test]
fn control_sequences_of_skills_are_escaped() {
    skip_unless!(python);
    let world = World::new();
    let loud = "import sys\nprint('\\x1b[2J\\x1b]0;mine\\x07', file=sys.stderr)\n";
    std::fs::write(world.path("skill.py"), loud).expect("written");
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_ended();
    let (code, shown) = terminal::run(world.command(&["skill", "logs", "one"]), "");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("\\u{1b}[2J\\u{1b}]0;mine\\u{7}"), "{shown}");
    assert!(
        !shown.contains("\x1b[2J") && !shown.contains('\x07'),
        "{shown}"
    );
    assert!(
        shown.contains("\x1b[32mstarted") && shown.contains("\x1b[31mended"),
        "{shown}"
    );
    assert!(mimo.server.exit().success());
}

#[test]
fn secrets_of_a_skill_are_shown_nowhere_but_in_its_results() {
    skip_unless!(python);
    let world = World::new();
    let (secret, plain) = ("hunter2-hunter3", "/a/plain/path");
    let loud = format!(
        "import os, sys\nprint(*os.environ.values(), file=sys.stderr, flush=True)\n{}",
        include_str!("../../support/skill.py").replace(
            "\"it is too much",
            "os.environ['API_TOKEN'] + \" it is too much"
        ),
    );
    std::fs::write(world.path("skill.py"), loud).expect("written");
    let mut skills = json!({"one": world.skill("ok"), "two": world.skill("die")});
    for name in ["one", "two"] {
        skills[name]["env"] = json!({"API_TOKEN": secret, "PLACE": plain});
    }
    world.manifest(&skills);
    let mut mimo = world.serve();
    mimo.until_running(&["one", "two"]);
    let result = mimo.call("one__echo", json!({"text": secret}));
    assert_eq!(result["text"], secret, "results pass as they are");
    mimo.call("two__echo", json!({}));
    let status = mimo
        .until(|status| status["skills"][1]["ended"].is_string())
        .to_string();
    let logs = world.run(&["logs", "--json"]).out;
    for (place, text) in [("status", &status), ("logs", &logs)] {
        assert!(!text.contains(secret), "{place}: {text}");
        assert!(text.contains("(secret) it is too much"), "{place}: {text}");
    }
    assert!(logs.contains(plain), "{logs}");
    assert!(mimo.server.exit().success());
}
