//! The state of the sandbox: `mimo doctor`, strict mode, and a machine that refuses
//! namespaces, where the other layers have to hold.

use std::path::Path;
use std::process::Command;

use mimo::skills::launcher::{LaunchSettings, launch};
use mimo::skills::sandbox::policy::{Layer, Report};
use serde_json::Value;

use super::world::{World, finish, spec};
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
fn doctor_names_every_layer_with_state_and_reason() {
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
fn strict_mode_runs_nothing_unless_every_layer_is_enforced() {
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

/// Repeats the cases in a user namespace that allows no further ones, as on
/// machines that refuse them.
#[test]
fn without_namespaces_the_other_layers_hold() {
    skip_unless!(namespaces);
    skip_unless!(machine::program("unshare"));
    let cases = [
        "attack::doctor::strict_mode_runs_nothing_unless_every_layer_is_enforced",
        "attack::files::user_keys_cannot_be_read",
        "attack::files::link_left_by_an_earlier_run_is_not_followed",
        "attack::limits::fork_bomb_of_five_hundred_leaves_no_process",
        "attack::limits::memory_of_all_children_counts_together",
        "attack::limits::stop_terminates_or_kills_the_whole_tree",
        "attack::network::no_connection_without_network",
        "attack::orphans::no_child_survives_gateway_sigkill_of_an_ordinary_user",
        "attack::processes::shared_memory_and_queues_are_unreachable",
        "attack::processes::no_signal_reaches_an_outside_process",
        "attack::processes::no_signal_reaches_another_skill_its_sandbox_or_all",
        "attack::processes::sibling_cannot_read_the_gateway",
        "attack::processes::gateway_and_other_processes_are_invisible",
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
