//! Docker skills leave no container behind. The docker client here records its
//! arguments and runs the fake skill itself.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use super::world::World;

const DOCKER: &str = r#"
import os, sys
with open(os.environ["HOME"] + "/told", "a") as told:
    told.write(" ".join(sys.argv[1:]) + "\n")
if sys.argv[1] == "--version":
    print("Docker version VERSION, build 1")
    sys.exit()
if sys.argv[1] == "rm":
    sys.exit(1 if os.path.exists("no-daemon") else 0)
place = next(each for each in sys.argv if each.startswith("--cidfile="))
with open(place.split("=", 1)[1], "x") as place:
    place.write(f"{os.getpid():x}{os.urandom(32).hex()}"[:64])
sys.argv = ["skill", "ok"]
"#;

fn world(version: &str) -> World {
    let world = World::new();
    let code = DOCKER.replace("VERSION", version);
    let skill = include_str!("../../support/skill.py");
    let docker = world.program("docker", &format!("{code}{skill}"));
    let args = ["run", "-i", "--rm", "mcp/time"];
    world.manifest(&json!({"one": {"command": docker, "args": args, "start": "eager"}}));
    world
}

/// Recorded arguments of the docker client that start with `verb`.
fn told(world: &World, verb: &str) -> Vec<String> {
    let told = fs::read_to_string(world.path("data/skills/one/told")).unwrap_or_default();
    let lines = told.lines().filter(|line| line.starts_with(verb));
    lines.map(str::to_owned).collect()
}

/// The ids of current and past containers.
fn places(world: &World) -> Vec<String> {
    let folder = world.path("data/skills/one/containers");
    let places = fs::read_dir(folder).into_iter().flatten();
    places
        .filter_map(|place| fs::read_to_string(place.ok()?.path().join("id")).ok())
        .collect()
}

#[test]
fn container_is_removed_when_its_run_ends() {
    skip_unless!(python);
    let world = world("27.1.1");
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    let ids = places(&world);
    assert_eq!(ids.len(), 1);
    assert!(told(&world, "rm").is_empty());
    assert!(mimo.server.exit().success());
    assert_eq!(told(&world, "rm"), [format!("rm -f {}", ids[0])]);
    assert!(places(&world).is_empty(), "nothing is left to remove");
}

#[test]
fn containers_of_a_killed_mimo_are_removed_and_others_kept() {
    skip_unless!(python);
    let world = world("27.1.1");
    let (mut one, mut two) = (world.serve(), world.serve());
    one.until_running(&["one"]);
    two.until_running(&["one"]);
    assert_eq!(places(&world).len(), 2);
    assert!(told(&world, "rm").is_empty(), "both run");
    one.server.signal(Signal::SIGKILL);
    one.server.exit();
    let before = places(&world);
    let mut three = world.serve();
    three.until_running(&["one"]);
    let removed = told(&world, "rm");
    assert_eq!(removed.len(), 1, "{removed:?}");
    let after = places(&world);
    let gone: Vec<&String> = before.iter().filter(|id| !after.contains(id)).collect();
    assert_eq!(
        removed[0],
        format!("rm -f {}", gone[0]),
        "the dead one's and no other"
    );
    assert_eq!(two.call("one__echo", json!({})), json!({}));
    assert!(two.server.exit().success() && three.server.exit().success());
}

#[test]
fn old_docker_client_is_refused() {
    skip_unless!(python);
    let world = world("19.03.9");
    let mut mimo = world.serve();
    let ended = mimo.until_ended();
    assert!(
        ended.contains("is version 19.3, and Mimo needs docker 20.10"),
        "{ended}"
    );
    assert!(told(&world, "run").is_empty());
    assert!(mimo.server.exit().success());
}

#[test]
fn leftover_container_is_removed_before_the_next_start() {
    skip_unless!(python);
    let world = world("27.1.1");
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    let daemon_is_gone = world.path("data/skills/one/no-daemon");
    fs::write(&daemon_is_gone, "").expect("written");
    assert!(mimo.server.exit().success());
    let left = places(&world);
    assert_eq!((left.len(), told(&world, "rm").len()), (1, 1));
    fs::remove_file(daemon_is_gone).expect("removed");
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    assert_eq!(
        told(&world, "rm").last(),
        Some(&format!("rm -f {}", left[0]))
    );
    assert!(!places(&world).contains(&left[0]));
    assert!(mimo.server.exit().success());
}
