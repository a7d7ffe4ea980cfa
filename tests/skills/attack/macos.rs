//! The sandbox of macOS, held to what the profile's own tests say of its rules. Its
//! attackers are shells.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use mimo::skills::probe::layers;
use mimo::skills::sandbox::policy::{Layer, LayerState, Report};
use mimo::skills::spec::{Network, SkillSpec};

use super::world::{SECRET, World, spec};

fn shell(script: &str) -> SkillSpec {
    spec("/bin/sh", &["-c", script])
}

/// A path as one word of a shell.
fn word(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// `path` without links, by which Seatbelt judges.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().expect("a real path")
}

#[test]
fn profile_is_applied_and_the_program_runs() {
    let found = layers(Path::new(env!("CARGO_BIN_EXE_mimo")));
    assert_eq!(
        found.state(Layer::Seatbelt),
        LayerState::Enforced,
        "{found:?}"
    );
    assert_eq!(found.0.len(), Layer::ALL.len(), "{found:?}");

    let ran = World::new().run(&shell("echo out; echo err >&2; exit 7"));
    assert_eq!((ran.out.trim(), ran.err.trim()), ("out", "err"), "{ran:?}");
    let ended = Report::Ended {
        code: Some(7),
        signal: None,
    };
    assert_eq!(ran.reports.last(), Some(&ended), "{ran:?}");
}

#[test]
fn files_outside_are_closed_and_the_private_folder_is_open() {
    let world = World::new();
    for path in [world.secret(), world.path("mimo/mimo.db")] {
        let ran = world.run(&shell(&format!("cat {} || echo refused", word(&path))));
        assert_eq!(ran.out.trim(), "refused", "{ran:?}");
        let ran = world.run(&shell(&format!("echo x > {} || echo refused", word(&path))));
        assert_eq!(ran.out.trim(), "refused", "{ran:?}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), SECRET);
    }
    let ran = world.run(&shell("echo own > note && cat note && pwd"));
    let own = real(&world.path("state"));
    assert_eq!(ran.out, format!("own\n{}\n", own.display()), "{ran:?}");
}

#[test]
fn private_folder_is_not_replaced_by_a_link() {
    let world = World::new();
    let (state, outside) = (world.path("state"), world.path("outside"));
    let script = format!(
        "cd / && rm -rf {0}; ln -s {1} {0}",
        word(&state),
        word(&outside)
    );
    world.run(&shell(&script));
    let found = state.symlink_metadata().expect("it is there");
    assert!(found.is_dir(), "{found:?}");
}

#[test]
fn grants_are_what_the_policy_says() {
    let world = World::new();
    fs::create_dir(world.path("work")).expect("made");
    fs::write(world.path("work/file"), "granted").expect("written");
    let file = word(&world.path("work/file"));
    let script = format!("cat {file}; echo changed > {file} || echo refused");
    let mut reader = shell(&script);
    reader.sandbox.read = vec![world.path("work")];
    let ran = world.run(&reader);
    assert_eq!(ran.out, "grantedrefused\n", "{ran:?}");
    let mut writer = shell(&script);
    writer.sandbox.write = vec![world.path("work")];
    let ran = world.run(&writer);
    assert_eq!(ran.out, "granted", "{ran:?}");
    let now = fs::read_to_string(world.path("work/file")).expect("it is there");
    assert_eq!(now, "changed\n");
}

#[test]
fn hosts_are_reached_only_with_a_network() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let script = format!("nc -z 127.0.0.1 {port} && echo reached || echo refused");
    let ran = world.run(&shell(&script));
    assert_eq!(ran.out.trim(), "refused", "{ran:?}");
    let mut connected = shell(&script);
    connected.sandbox.network = Network::Outbound(Vec::new());
    let ran = world.run(&connected);
    assert_eq!(ran.out.trim(), "reached", "{ran:?}");
}

#[test]
fn descendants_end_with_the_skill() {
    let world = World::new();
    let ran = world.run(&shell("/bin/sleep 600 >/dev/null 2>&1 & echo $!"));
    let pid: i32 = ran.out.trim().parse().expect("a pid");
    let pid = nix::unistd::Pid::from_raw(pid);
    assert!(nix::sys::signal::kill(pid, None).is_err(), "{ran:?}");
}
