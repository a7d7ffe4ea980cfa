//! Conditions for starting a skill: its program's version and, in strict mode,
//! every layer of the sandbox.

use std::process::{Command, Stdio};

use mimo::skills::sandbox::policy::Layer;
use serde_json::json;

use super::world::{Mimo, World};
use crate::support::{machine, terminal};

#[test]
fn outdated_program_is_refused_with_both_versions() {
    skip_unless!(python);
    let world = World::new();
    let asked = "import os\nopen(os.environ['HOME'] + '/asked', 'a').write('x')\n";
    let node = world.program("node", &format!("{asked}print('v16.3.1')\n"));
    let script = world.path("skill.py");
    let entry = json!({"command": node, "args": [script], "start": "eager"});
    world.manifest(&json!({"one": entry.clone(), "two": entry}));
    let mut mimo = world.serve();
    let ended = mimo.until_ended();
    for words in [
        "is version 16.3",
        "needs node 18.0 or newer",
        "install a newer node",
    ] {
        assert!(ended.contains(words), "{ended}");
    }
    assert!(mimo.server.exit().success());
    // Once for both skills, and again only when the file changes.
    let asked = || {
        std::fs::read(world.path("data/skills/.versions/home/asked"))
            .expect("asked")
            .len()
    };
    assert_eq!(asked(), 1);
    let mut mimo = world.serve();
    mimo.until_ended();
    assert!(mimo.server.exit().success());
    assert_eq!(asked(), 1, "the next Mimo remembers");

    world.program("node", "print('no number')\n");
    let mut mimo = world.serve();
    let ended = mimo.until_ended();
    assert!(ended.contains("does not print its version"), "{ended}");
    // A new version is used without a restart.
    let skill = include_str!("../../support/skill.py");
    let told = "import sys\nif '--version' in sys.argv:\n    print('v22.1.0')\n    sys.exit()\n";
    world.program("node", &format!("{told}{skill}"));
    mimo.until(|status| status["skills"][0]["state"] == "running");
    assert!(mimo.server.exit().success());
}

/// Whether every layer is enforced on this machine.
fn whole(world: &World) -> bool {
    let told = world
        .command(&["doctor", "--json"])
        .stdout(Stdio::piped())
        .output();
    let told: serde_json::Value =
        serde_json::from_slice(&told.expect("it runs").stdout).expect("JSON");
    told["sandbox"]["whole"] == true
}

#[test]
fn doctor_starts_each_skill_and_names_one_that_fails() {
    skip_unless!(python);
    let world = World::new();
    let node = world.program("node", "print('v22.1.0')\n");
    let script = world.path("skill.py");
    let failing = json!({"command": node, "args": [script]});
    world.manifest(&json!({"good": world.skill("ok"), "bad": failing}));
    let doctor = |arguments: &[&str]| {
        let mut command = world.command(&["doctor", "--json"]);
        let told = command.args(arguments).stdout(Stdio::piped()).output();
        let told = told.expect("it runs");
        let document: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let all = document["mimo"].as_array().expect("findings").clone();
        let skills = all.into_iter().filter(|each| each["name"] == "skill");
        (told.status.code(), skills.collect::<Vec<_>>())
    };
    let (code, skills) = doctor(&[]);
    assert_eq!(code, Some(1), "{skills:?}");
    let of = |state: &str| skills.iter().find(|each| each["state"] == state);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let good = of("ok").expect("one works");
    assert!(text(&good["why"]).starts_with("good, 6 tools"), "{good}");
    let bad = of("failed").expect("one fails");
    assert!(
        text(&bad["why"]).contains("the skill bad does not work"),
        "{bad}"
    );
    assert!(text(&bad["next"]).contains("mimo skill logs bad"), "{bad}");
    let (code, skills) = doctor(&["--quick"]);
    assert_eq!((code, skills.len()), (Some(0), 0));
}

#[test]
fn strict_mode_starts_a_skill_or_names_the_missing_layers() {
    skip_unless!(python);
    let world = World::with("strict = true\n");
    let mut eager = world.skill("ok");
    eager["start"] = json!("eager");
    world.manifest(&json!({"one": eager}));
    let mut mimo = world.serve();
    if whole(&world) {
        mimo.until_running(&["one"]);
    } else {
        let ended = mimo.until_ended();
        assert!(
            ended.contains("strict mode requires every layer, but "),
            "{ended}"
        );
    }
    assert!(mimo.server.exit().success());

    // Where namespaces are refused, to an account without rights. Only root keeps its
    // files' ownership in there; the attack tests have the same for every account.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    skip_unless!(machine::program("unshare"));
    skip_unless!(machine::program("setpriv"));
    let refuse = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all -- \"$@\"";
    let serve = world.command(&["serve"]);
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "sh", "-c", refuse, "sh"])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env_clear()
        .envs(
            serve
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", "/usr/bin:/bin")
        .stderr(Stdio::null());
    let mut mimo = Mimo::of(&mut command);
    let ended = mimo.until_ended();
    assert!(
        ended.contains("strict mode requires every layer, but namespaces is absent"),
        "{ended}"
    );
    mimo.document("memory_store", json!({"content": "memory goes on"}));
    assert!(mimo.server.exit().success());
}

#[test]
fn list_shows_layers_in_color_and_disabled_skills() {
    skip_unless!(python);
    let world = World::new();
    let mut disabled = world.skill("ok");
    disabled["disabled"] = json!(true);
    world.manifest(&json!({"one": world.skill("ok"), "two": disabled}));
    let (code, shown) = terminal::run(world.command(&["skill", "list"]), "");
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("two") && line.contains("disabled")),
        "{shown}"
    );
    let coloured = ["32menforced", "33mpartial", "31mabsent"];
    let layers = shown
        .lines()
        .filter(|line| coloured.iter().any(|each| line.contains(each)));
    assert_eq!(layers.count(), Layer::ALL.len(), "{shown}");
    let document = world.document(&["list"]);
    assert_eq!(document["skills"][1]["disabled"], true);
    assert_eq!(
        document["sandbox"]["layers"].as_array().map(Vec::len),
        Some(Layer::ALL.len())
    );
    let checked = world.run(&["check"]);
    assert!(
        checked.out.contains("Sandbox of skills") && !checked.out.contains('\x1b'),
        "{checked:?}"
    );
}

#[test]
fn the_caller_is_told_why_the_skill_ended() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("die")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    let failed = mimo.call("one__echo", json!({}));
    let message = failed["error"]["message"].as_str().expect("a message");
    assert!(message.contains("exit code 3"), "{failed}");
    assert!(mimo.server.exit().success());
}

#[test]
fn a_skill_that_leaves_calls_unanswered_is_replaced() {
    skip_unless!(python);
    let world = World::new();
    let mut skill = world.skill("ok");
    skill["timeouts"] = json!({"call_s": 1});
    world.manifest(&json!({"one": skill}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    for _ in 0..3 {
        let failed = mimo.call("one__wait", json!({}));
        assert_eq!(failed["error"]["kind"], "timeout", "{failed}");
    }
    let why = mimo.until_ended();
    assert!(why.contains("left 3 calls in a row unanswered"), "{why}");
    mimo.until_running(&["one"]);
    assert_eq!(mimo.call("one__echo", json!({"a": 1})), json!({"a": 1}));
    assert!(mimo.server.exit().success());
}

#[test]
fn a_skill_is_tested_once_and_switched_off_and_on() {
    skip_unless!(python);
    let world = World::new();
    let mut dead = world.skill("dead");
    dead["args"] = json!([world.path("none.py")]);
    world.manifest(&json!({"My One": world.skill("ok"), "two": dead}));
    let answered = world.document(&["test", "my-one"]);
    assert_eq!(answered["ok"], true, "{answered}");
    assert_eq!(answered["tools"][0], "echo", "{answered}");
    assert!(answered["server"]["version"].is_string(), "{answered}");
    let shown = world.run(&["test", "My One"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in ["my-one works: ", "6 tools", "  echo\n"] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
    let failed = world.run(&["test", "two"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("none.py"), "its own words: {failed:?}");

    assert_eq!(world.run(&["disable", "my-one"]).code, Some(0));
    let listed = world.document(&["list"]);
    assert_eq!(listed["skills"][0]["disabled"], true, "{listed}");
    assert_eq!(world.document(&["test", "my-one"])["ok"], true);
    assert_eq!(world.run(&["enable", "my-one"]).code, Some(0));
    assert_eq!(world.document(&["list"])["skills"][0]["disabled"], false);
    world.manifest(&json!({"one": {"command": "bash", "active": false}}));
    let text = std::fs::read(world.path("config/skills.json")).expect("a file");
    let refused = world.run(&["enable", "one"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("/skills/one/command"), "{refused:?}");
    let after = std::fs::read(world.path("config/skills.json")).expect("a file");
    assert_eq!(text, after, "it is as it was");
    assert_eq!(world.run(&["disable", "none"]).code, Some(1));
}

#[test]
fn a_tool_is_called_by_its_own_name_before_any_list() {
    skip_unless!(python);
    let world = World::new();
    world.manifest(&json!({"one": world.skill("ok"), "off": world.skill("ok")}));
    assert_eq!(world.run(&["disable", "off"]).code, Some(0));
    let mimo = |arguments: &[&str]| {
        let ran = world.command(arguments).stderr(Stdio::piped()).output();
        let ran = ran.expect("mimo starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
    };
    let (code, out, err) = mimo(&["call", "one__echo", "{}"]);
    assert_eq!(code, Some(0), "{out}{err}");
    // What a person has not to decide does not wait for approval.
    let (_, out, _) = mimo(&["status"]);
    assert!(!out.contains("for approval"), "{out}");
    let (code, _, err) = mimo(&["call", "off__echo", "{}"]);
    assert_ne!(code, Some(0));
    assert!(
        err.contains("disabled") && err.contains("mimo skill enable off"),
        "{err}"
    );
    // A client's first call, too.
    std::fs::remove_dir_all(world.path("data")).expect("removed");
    let mut client = world.serve();
    let answer = client.document("one__echo", json!({}));
    assert!(answer["error"].is_null(), "{answer}");
    assert!(client.server.exit().success());
}
