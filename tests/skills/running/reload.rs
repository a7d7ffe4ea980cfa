//! Manifest changes while Mimo serves.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::world::{Mimo, World, pid};

#[test]
fn changed_manifest_is_applied_and_unchanged_skills_keep_running() {
    skip_unless!(python);
    let world = World::new();
    // Creation, replacement by a rename, and removal are noticed, starting
    // without a file.
    let mut mimo = world.serve();
    assert_eq!(mimo.status()["skills"], json!([]));
    world.manifest(&json!({"one": world.skill("ok"), "two": world.skill("ok")}));
    let before = mimo.until_running(&["one", "two"]);

    let mut changed = world.skill("pages");
    changed["start"] = json!("eager");
    world.manifest(&json!({"one": world.skill("ok"), "two": changed, "three": world.skill("ok")}));
    let after = mimo.until_running(&["one", "three", "two"]);
    assert_eq!(
        pid(&before, "one"),
        pid(&after, "one"),
        "it was not touched"
    );
    assert_ne!(
        pid(&before, "two"),
        pid(&after, "two"),
        "it is another program"
    );
    assert_eq!(mimo.call("three__echo", json!({"a": 1})), json!({"a": 1}));

    fs::remove_file(world.path("config/skills.json")).expect("removed");
    mimo.until(|status| status["skills"] == json!([]));
    assert!(mimo.server.exit().success());
}

#[test]
fn settings_folder_may_be_created_later() {
    skip_unless!(python);
    let world = World::new();
    let elsewhere = world.path("later/deep/skills.json");
    let mut command = world.command(&["serve"]);
    let mut mimo = super::world::Mimo::of(command.env("SKILLS_PATH", &elsewhere));
    assert_eq!(mimo.status()["skills"], json!([]));
    fs::create_dir_all(elsewhere.parent().expect("a folder")).expect("made");
    world.manifest(&json!({"one": world.skill("ok")}));
    fs::rename(world.path("config/skills.json"), elsewhere).expect("moved");
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());
}

#[test]
fn refused_entry_is_reported_until_fixed_and_the_others_go_on() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    let before = mimo.until_running(&["one"]);
    assert!(before["skills_problem"].is_null(), "{before}");

    let wrong = json!({"one": world.skill("ok"), "two": {"command": "bash", "args": []}});
    world.manifest(&wrong);
    let told = mimo.until(|status| status["skills_problem"].is_string());
    let problem = told["skills_problem"].as_str().expect("a text");
    for part in [
        "one entry is not in use in ",
        "/skills/two/command",
        "next: ",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
    assert_eq!(pid(&before, "one"), pid(&told, "one"));
    let log = fs::read_to_string(world.path("data/logs/mimo.log")).expect("a log");
    assert!(log.contains("/skills/two/command"), "{log}");
    // Whoever misses its tools learns why.
    let found = mimo.document("skill_find", json!({"query": "echo", "server": "two"}));
    assert!(found.to_string().contains("/skills/two/command"), "{found}");
    let called = mimo.document("skill_call", json!({"tool": "two__x", "arguments": {}}));
    assert!(
        called.to_string().contains("/skills/two/command"),
        "{called}"
    );

    // An entry that is refused leaves what ran under its name.
    world.manifest(&json!({"one": {"command": "bash", "args": []}}));
    let told = mimo.until(|status| {
        let problem = status["skills_problem"].as_str();
        problem.is_some_and(|text| text.contains("/skills/one/command"))
    });
    assert_eq!(pid(&before, "one"), pid(&told, "one"));

    world.manifest(&json!({"one": world.skill("ok")}));
    let after = mimo.until(|status| status["skills_problem"].is_null());
    assert_eq!(pid(&before, "one"), pid(&after, "one"));
    assert!(mimo.server.exit().success());
}

#[test]
fn reload_command_reaches_every_running_mimo_and_reports() {
    skip_unless!(python);
    let world = World::new();
    let nobody = world.document(&["reload"]);
    assert_eq!(
        (&nobody["ok"], &nobody["mimos"]),
        (&json!(true), &json!([]))
    );

    let skills = json!({"one": world.skill("ok")});
    world.manifest(&skills);
    let mut mimos = [world.serve(), world.serve()];
    for mimo in &mut mimos {
        mimo.until_running(&["one"]);
    }
    let told = world.document(&["reload"]);
    let mut pids: Vec<i32> = mimos.iter().map(|mimo| mimo.server.pid()).collect();
    pids.sort_unstable();
    assert_eq!(told["ok"], true, "{told}");
    for (mimo, pid) in told["mimos"].as_array().expect("a list").iter().zip(pids) {
        assert_eq!(
            (&mimo["pid"], &mimo["kept"]),
            (&json!(pid), &json!(["one"]))
        );
    }

    // The socket of a killed server is not mistaken for a running one.
    let [mut one, two] = mimos;
    two.server.signal(Signal::SIGKILL);
    two.server.exit();
    let told = world.document(&["reload"]);
    assert_eq!(told["mimos"][0]["pid"], one.server.pid(), "{told}");
    assert_eq!(told["mimos"].as_array().map(Vec::len), Some(1), "{told}");
    let text = world.run(&["reload"]);
    assert!(
        text.code == Some(0) && text.out.contains("kept one"),
        "{text:?}"
    );
    one.status();
    assert!(one.server.exit().success());
    let left = fs::read_dir(world.path("data/running")).expect("a folder");
    assert_eq!(left.count(), 0, "it took its files away");
}

#[test]
fn second_reload_is_refused_and_a_concurrent_change_is_kept() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    // The skill cannot start before this file is removed.
    let mut slow = world.skill("hang");
    slow["timeouts"] = json!({"initialize_s": 5});
    world.manifest(&json!({"one": world.skill("ok"), "slow": slow}));
    // The command starts the reload itself if the change is not noticed yet.
    let first = world
        .command(&["skill", "reload", "--json"])
        .stdout(Stdio::piped())
        .spawn();
    let second = world.document(&["reload"]);
    let first = first
        .expect("it starts")
        .wait_with_output()
        .expect("it ends");
    let first: serde_json::Value = serde_json::from_slice(&first.stdout).expect("JSON");
    let kinds = [&first, &second].map(|told| told["mimos"][0]["error"]["message"].clone());
    let refused = kinds.iter().filter_map(|each| each.as_str());
    let refused: Vec<&str> = refused
        .filter(|each| each.contains("reload_in_progress"))
        .collect();
    assert!(!refused.is_empty(), "{first}\n{second}");
    // Possibly during the reload; the change is never lost.
    world.manifest(&json!({"one": world.skill("ok"), "two": world.skill("ok")}));
    mimo.until_running(&["one", "two"]);
    assert!(mimo.server.exit().success());
}

#[test]
fn legacy_reload_tool_reports_the_outcome() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = Mimo::of(&mut world.command(&["serve", "--profile", "legacy"]));
    mimo.until_running(&["one"]);
    let told = mimo.document("mimo_reload_skills", json!({}));
    assert_eq!(told["kept"], json!(["one"]), "{told}");
    assert_eq!(told["ok"], true, "{told}");

    // The skill cannot start before this file is removed.
    let mut slow = world.skill("hang");
    slow["timeouts"] = json!({"initialize_s": 5});
    world.manifest(&json!({"one": world.skill("ok"), "slow": slow}));
    for id in ["first", "second"] {
        mimo.server.call(id, "mimo_reload_skills", json!({}));
    }
    let mut refused = 0;
    for _ in 0..2 {
        let answer = mimo.server.message();
        let text = answer["result"]["content"][0]["text"].to_string();
        refused += usize::from(text.contains("reload_in_progress") && text.contains("conflict"));
    }
    // Both are refused if the file change was noticed first.
    assert!(refused >= 1);

    world.manifest_text("{");
    let wrong = mimo.until_told("mimo_reload_skills", json!({}), |told| {
        told["error"]["kind"] == "refused"
    });
    assert!(wrong["error"]["hint"].is_string(), "{wrong}");
    world.manifest(&json!({"one": world.skill("ok")}));
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());
}

#[test]
fn core_profile_has_the_skill_tools() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = Mimo::of(&mut world.command(&["serve", "--profile", "core"]));
    mimo.until_running(&["one"]);
    let listed = mimo.tools();
    for name in ["one__echo", "skill_find", "skill_call", "memory_search"] {
        assert!(listed.iter().any(|each| each == name), "{name}: {listed:?}");
    }
    assert!(
        !listed.iter().any(|each| each == "graph_query"),
        "{listed:?}"
    );
    let direct = mimo.document("one__echo", json!({"a": 1}));
    assert_eq!(direct, mimo.call("one__echo", json!({"a": 1})));
    // Without a skill there is nothing to reload.
    world.manifest(&json!({}));
    mimo.until_running(&[]);
    let listed = mimo.tools();
    assert!(
        !listed.iter().any(|each| each == "skill_find"),
        "{listed:?}"
    );
    assert!(mimo.server.exit().success());
}

#[test]
fn failed_start_leaves_the_running_skill_in_place() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    let before = mimo.until_running(&["one"]);
    world.manifest(&json!({"one": world.skill("fail"), "two": world.skill("ok")}));
    let after = mimo.until_running(&["one", "two"]);
    assert_eq!(pid(&before, "one"), pid(&after, "one"));
    let told = world.document(&["reload"]);
    let told = &told["mimos"][0];
    assert!(told["failed"]["one"].is_string(), "{told}");
    assert_eq!(told["kept"], json!(["two", "one"]), "{told}");
    assert_eq!(world.run(&["reload"]).code, Some(1));
    assert!(mimo.server.exit().success());
}

#[test]
fn sighup_reloads_or_exits_without_skills() {
    skip_unless!(python);
    let world = World::new();
    let mut mimo = world.serve();
    mimo.status();
    mimo.server.signal(Signal::SIGHUP);
    assert!(mimo.server.exit_by_itself().success());

    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    mimo.server.signal(Signal::SIGHUP);
    let reloaded = "a hangup signal";
    let log = world.path("data/logs/mimo.log");
    mimo.until(|_| fs::read_to_string(&log).is_ok_and(|log| log.contains(reloaded)));
    assert_eq!(mimo.call("one__echo", json!({})), json!({}), "it serves on");

    // Another one during a reload is refused.
    let mut slow = world.skill("hang");
    slow["timeouts"] = json!({"initialize_s": 5});
    world.manifest(&json!({"one": world.skill("ok"), "slow": slow}));
    let pid = Pid::from_raw(mimo.server.pid());
    mimo.until(|_| {
        kill(pid, Signal::SIGHUP).expect("it runs");
        fs::read_to_string(&log).is_ok_and(|log| log.contains("reload_in_progress"))
    });
    assert!(mimo.server.exit().success());
}

#[test]
fn process_that_serves_no_skills_refuses_a_reload() {
    let world = World::new();
    let arguments = ["call", "--profile", "legacy", "mimo_reload_skills", "{}"];
    let mut command = world.command(&arguments);
    let refused = command.stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).expect("UTF-8");
    assert!(told.contains("serves no skills"), "{told}");
    assert!(told.contains("mimo skill reload"), "{told}");
}

#[test]
fn no_skill_runs_while_the_approved_tools_cannot_be_read() {
    skip_unless!(python);
    let world = World::new();
    fs::create_dir(world.path("data")).expect("made");
    let pins = world.path("data/skill-pins.json");
    fs::write(&pins, "no pins").expect("written");
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    let held_back = |status: &serde_json::Value| {
        let skill = &status["skills"][0];
        let why = skill["ended"].as_str().unwrap_or_default();
        why.contains("skill-pins.json") && skill["pid"].is_null() && skill["tools"] == 0
    };
    mimo.until(held_back);
    let told = world.document(&["reload"]);
    assert_eq!(told["mimos"][0]["kept"], json!(["one"]), "{told}");
    let status = mimo.status();
    assert!(held_back(&status), "{status}");
    // A Mimo that has it read them again learns why it cannot.
    let mut files = fs::read_dir(world.path("data/running")).expect("a folder");
    let mailbox = files.next().expect("a file").expect("a file").path();
    let command = world.path("command");
    fs::write(&command, "\"approvals\"").expect("written");
    fs::rename(command, mailbox.with_extension("7.ask")).expect("moved");
    let answer = mailbox.with_extension("7.answer");
    mimo.until(|_| answer.exists());
    let answer = fs::read_to_string(answer).expect("a file");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["ok"], false, "{answer}");
    let why = answer["error"]["message"].as_str().expect("a message");
    assert!(why.contains("skill-pins.json"), "{why}");
    // It starts once the approvals can be read.
    fs::remove_file(&pins).expect("removed");
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());
}
