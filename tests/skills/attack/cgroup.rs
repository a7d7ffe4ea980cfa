//! The control group of a sandbox, where this machine lets us make one. `mimo doctor`
//! says whether it does.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use mimo::skills::sandbox::policy::{Layer, LayerState, Report};
use mimo::skills::supervised::Launched;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::{World, finish, python};

/// A running skill, its supervisor, and the folder of its group if it has one.
fn started(world: &World) -> (Launched, Pid, Option<PathBuf>) {
    let mut launched = world.start(&python(
        "os.fork()\nprint('up', flush=True)\nwhile True: signal.pause()",
    ));
    launched
        .stdout
        .read_exact(&mut [0; 6])
        .expect("both are up");
    let Ok(Some(Report::Started { layers })) = launched.reports.next() else {
        panic!("it runs");
    };
    let supervisor = launched.process.pid();
    let folder = match layers.state(Layer::Cgroup) {
        LayerState::Absent => None,
        _ => Some(group(supervisor)),
    };
    let supervisor = Pid::from_raw(i32::try_from(supervisor).expect("a pid"));
    (launched, supervisor, folder)
}

fn group(supervisor: u32) -> PathBuf {
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
    let children = children.expect("a list");
    let child = children.split_whitespace().next().expect("a child");
    let groups = fs::read_to_string(format!("/proc/{child}/cgroup")).expect("its groups");
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let path = path.expect("version 2");
    assert!(
        path.ends_with(&format!("mimo-skill-{supervisor}")),
        "{groups}"
    );
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(|mount| Path::new(mount).join(path))
        .into_iter()
        .find(|folder| folder.exists())
        .expect("it exists")
}

#[test]
fn group_holds_every_process_and_is_removed() {
    skip_unless!(python);
    let world = World::new();
    let (mut launched, _, folder) = started(&world);
    match &folder {
        // Ends what is in it, and nothing else is left.
        Some(folder) => fs::write(folder.join("cgroup.kill"), "1").expect("killed"),
        None => launched.process.kill().expect("killed"),
    }
    finish(launched);
    assert!(folder.is_none_or(|folder| !folder.exists()));
}

#[test]
fn group_of_a_killed_supervisor_is_removed_by_the_next() {
    skip_unless!(python);
    let world = World::new();
    let (launched, supervisor, folder) = started(&world);
    kill(supervisor, Signal::SIGKILL).expect("killed");
    finish(launched);
    let (mut next, _, _) = started(&world);
    assert!(folder.is_none_or(|folder| !folder.exists()));
    next.process.kill().expect("killed");
    finish(next);
}
