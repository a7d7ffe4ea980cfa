//! The state of the sandbox: `mimo doctor`, strict mode, and a machine that refuses
//! namespaces, where the other layers have to hold.

use std::path::Path;
use std::process::Command;

use mimo::limits::{SKILL_OPEN_FILES_DEFAULT, SKILL_PROCESSES_DEFAULT};
use mimo::skills::sandbox::policy::{Layer, Report};
use mimo::skills::supervised::{LaunchSettings, launch};
use serde_json::Value;

use super::world::{World, finish, spec};
use crate::support::fixture;
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
    let all: Vec<&str> = Layer::ALL.iter().map(|layer| layer.name()).collect();
    assert_eq!(names, all);
    for each in told {
        let state = each["state"].as_str().expect("a state");
        assert!(["enforced", "partial", "absent"].contains(&state), "{each}");
        assert!(
            each["why"].as_str().is_some_and(|why| !why.is_empty()),
            "{each}"
        );
    }
    let text = doctor(&[]);
    let worst = format!("{SKILL_PROCESSES_DEFAULT} processes x {SKILL_OPEN_FILES_DEFAULT} files");
    assert!(text.contains(&worst), "{text}");
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[test]
fn doctor_lists_the_programs_of_skills() {
    let folder = fixture::trusted_dir();
    let path = |name: &str| folder.path().join(name);
    let bin = path("bin");
    std::fs::create_dir_all(&bin).expect("made");
    let config = path("config");
    std::fs::create_dir_all(&config).expect("made");
    let settings = format!("[skills]\npath = [\"{}\"]\n", bin.display());
    std::fs::write(config.join("config.toml"), settings).expect("written");
    let uv = bin.join("uv");
    std::fs::write(&uv, "#!/bin/sh\n").expect("written");
    fixture::mode(&uv, 0o755);
    let told = Command::new(env!("CARGO_BIN_EXE_mimo"))
        .args(["doctor", "--json"])
        .env_clear()
        .env("MIMO_DATA_DIR", path("data"))
        .env("MIMO_CONFIG_DIR", config)
        .output()
        .expect("it runs");
    let document: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let programs = document["programs"].as_array().expect("programs");
    let names: Vec<&Value> = programs.iter().map(|each| &each["name"]).collect();
    assert_eq!(names, ["node", "npm", "uv", "python3", "docker"]);
    for each in programs {
        let why = each["why"].as_str().expect("a text");
        match each["state"].as_str() {
            Some("ok") => assert!(why.starts_with('/'), "{each}"),
            Some("missing") => assert!(why.contains(", so skills "), "{each}"),
            _ => panic!("{each}"),
        }
    }
    let found = programs.iter().find(|each| each["name"] == "uv");
    assert_eq!(found.expect("listed")["state"], "ok", "{document}");
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

/// What holds on every machine.
const CASES: [&str; 40] = [
    "attack::calls::buffers_and_hidden_memory_cannot_grow",
    "attack::calls::skill_cannot_hide_from_its_supervisor",
    "attack::calls::thread_cannot_have_open_files_of_its_own",
    "attack::doctor::strict_mode_runs_nothing_unless_every_layer_is_enforced",
    "attack::files::granted_paths_are_accessible_and_no_others",
    "attack::files::link_left_by_an_earlier_run_is_not_followed",
    "attack::files::links_and_dotdot_paths_do_not_escape",
    "attack::files::user_keys_cannot_be_read",
    "attack::limits::cpu_time_of_children_that_nobody_waits_for_counts",
    "attack::limits::cpu_time_of_orphans_counts",
    "attack::limits::data_in_pipes_counts_toward_the_memory_limit",
    "attack::limits::data_in_sockets_counts_toward_the_memory_limit",
    "attack::limits::deep_folders_are_refused_and_removed",
    "attack::limits::folders_without_rights_count",
    "attack::limits::fork_bomb_of_five_hundred_leaves_no_process",
    "attack::limits::hidden_open_files_end_the_skill",
    "attack::limits::idle_sockets_do_not_count_toward_the_memory_limit",
    "attack::limits::memory_between_two_counts_is_as_stated",
    "attack::limits::memory_of_all_children_counts_together",
    "attack::limits::page_tables_count_toward_the_memory_limit",
    "attack::limits::stopped_skill_is_killed",
    "attack::limits::stop_terminates_or_kills_the_whole_tree",
    "attack::metadata::grant_below_a_linked_folder_has_its_usual_path",
    "attack::metadata::inotify_instances_of_the_account_are_not_used_up",
    "attack::metadata::metadata_of_files_granted_to_read_cannot_be_changed",
    "attack::metadata::metadata_of_outside_files_cannot_be_changed",
    "attack::metadata::metadata_of_own_files_can_be_changed_in_every_way",
    "attack::metadata::swapped_path_does_not_reach_an_outside_file",
    "attack::network::datagrams_of_a_socket_pair_reach_no_server",
    "attack::network::granted_port_is_opened_on_loopback_only",
    "attack::network::no_connection_without_network",
    "attack::network::no_port_is_opened_by_listening",
    "attack::orphans::no_child_survives_gateway_sigkill_of_an_ordinary_user",
    "attack::orphans::no_child_survives_supervisor_sigkill",
    "attack::processes::gateway_and_other_processes_are_invisible",
    "attack::processes::limits_and_priorities_of_other_processes_cannot_be_changed",
    "attack::processes::no_signal_reaches_an_outside_process",
    "attack::processes::no_signal_reaches_another_skill_its_sandbox_or_all",
    "attack::processes::shared_memory_and_queues_are_unreachable",
    "attack::processes::sibling_cannot_read_the_gateway",
];

/// Repeats the cases in a user namespace of the test's own, with these options of
/// `unshare` and, if `limited`, no further user namespaces below it.
#[track_caller]
fn repeat_as(options: &[&str], limited: bool, before: &str) {
    let limit = match limited {
        true => "echo 0 > /proc/sys/user/max_user_namespaces && ",
        false => "",
    };
    let ran = Command::new("unshare")
        .args(options)
        .args(["sh", "-c", &format!("{limit}{before} \"$@\""), "sh"])
        .arg(std::env::current_exe().expect("this binary"))
        .arg("--exact")
        .args(CASES)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}");
    assert!(told.contains(&format!("{} passed", CASES.len())), "{told}");
}

/// As on machines that refuse user namespaces, to root.
#[test]
fn root_without_user_namespaces_is_held() {
    skip_unless!(namespaces);
    skip_unless!(machine::program("unshare"));
    let before = "MIMO_TEST_WITHOUT_USER_NAMESPACE=1 exec";
    repeat_as(&["--user", "--map-root-user"], true, before);
}

/// The same, to an account without rights: there are no namespaces at all.
#[test]
fn account_without_namespaces_is_held() {
    skip_unless!(namespaces);
    skip_unless!(machine::program("unshare"));
    skip_unless!(machine::program("setpriv"));
    let before = "exec setpriv --bounding-set=-all --inh-caps=-all --";
    repeat_as(&["--user", "--map-root-user"], true, before);
}

/// An ordinary account with user namespaces, as on most desktops.
#[test]
fn ordinary_account_is_held() {
    skip_unless!(namespaces);
    skip_unless!(machine::program("unshare"));
    let options = ["--user", "--map-user=1000", "--map-group=1000"];
    repeat_as(&options, false, "exec");
}
