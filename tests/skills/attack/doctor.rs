//! What is said of the sandbox: by `mimo doctor`, by strict mode, and on a
//! machine that refuses namespaces, where the other layers have to hold.

use std::path::Path;
use std::process::Command;

use mimo::skills::launcher::{LaunchSettings, launch};
use mimo::skills::sandbox::policy::{Layer, Report};
use serde_json::Value;

use super::support::{World, finish, spec};
use crate::support::machine::{self, namespaces};

fn doctor(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Command::new(env!("CARGO_BIN_EXE_mimo"))
        .arg("doctor")
        .args(arguments)
        .env_clear()
        .env("MIMO_DATA_DIR", folder.path().join("data"))
        .env("MIMO_CONFIG_DIR", folder.path().join("config"))
        .output()
        .expect("it runs");
    assert!(told.status.success(), "{told:?}");
    String::from_utf8(told.stdout).expect("text")
}

#[test]
fn every_layer_is_named_with_its_state_and_the_reason() {
    let document: Value = serde_json::from_str(&doctor(&["--json"])).expect("JSON");
    let told = document["sandbox"]["layers"].as_array().expect("layers");
    let names: Vec<&str> = told
        .iter()
        .filter_map(|each| each["name"].as_str())
        .collect();
    assert_eq!(names, Layer::ALL.map(Layer::name));
    for each in told {
        let state = each["state"].as_str().expect("a state");
        assert!(["enforced", "partial", "absent"].contains(&state), "{each}");
        assert!(
            each["why"].as_str().is_some_and(|why| !why.is_empty()),
            "{each}"
        );
    }
    let text = doctor(&[]);
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[test]
fn strict_runs_nothing_unless_every_layer_stands() {
    let world = World::new();
    let place = LaunchSettings {
        executable: Path::new(env!("CARGO_BIN_EXE_mimo")),
        state_folder: &world.path("state"),
        strict: true,
    };
    let touch = spec("/usr/bin/touch", &["ran"]);
    let ran = finish(launch(&touch, &place).expect("the sandbox starts"));
    let started =
        matches!(ran.reports.first(), Some(Report::Started { layers }) if layers.all_enforced());
    assert_eq!(world.path("state/ran").exists(), started, "{ran:?}");
    if namespaces().is_err() {
        assert!(!started, "{ran:?}");
    }
}

/// A user namespace in which no further one may be made, as on machines that
/// refuse them; the cases run there again.
#[test]
fn without_namespaces_the_other_layers_hold() {
    skip_unless!(namespaces);
    skip_unless!(machine::program("unshare"));
    let cases = [
        "attack::doctor::strict_runs_nothing_unless_every_layer_stands",
        "attack::files::a_persons_keys_are_not_read",
        "attack::files::a_link_that_an_earlier_run_laid_is_not_followed_by_the_next",
        "attack::limits::a_bomb_of_five_hundred_is_stopped_and_nothing_of_it_is_left",
        "attack::limits::many_small_children_count_together",
        "attack::limits::stopping_is_terminating_or_killing_all_of_it",
        "attack::network::without_network_no_connection_is_made",
        "attack::orphans::nothing_survives_a_killed_gateway_of_an_ordinary_user",
        "attack::processes::memory_and_queues_that_others_share_are_not_reached",
        "attack::processes::no_signal_reaches_a_process_outside",
        "attack::processes::no_signal_reaches_another_skill_its_sandbox_or_everyone",
        "attack::processes::nothing_of_the_gateway_is_read_by_a_sibling",
        "attack::processes::the_gateway_and_other_processes_are_not_seen",
    ];
    let refuse = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let ran = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", refuse, "sh"])
        .arg(std::env::current_exe().expect("this binary"))
        .arg("--exact")
        .args(cases)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}");
    assert!(told.contains(&format!("{} passed", cases.len())), "{told}");
}
