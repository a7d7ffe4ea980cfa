//! No child survives a killed gateway, however it tries. This test binary runs again
//! as the gateway.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mimo::skills::sandbox::end_of;
use mimo::skills::supervised::Launched;

use super::world::{World, python};

/// Set in the helper process.
const HELPER: &str = "MIMO_TEST_STANDS_IN";
/// A watchdog: a process that lives longer is a survivor, on any machine.
const BOUND: Duration = Duration::from_secs(30);
const ROUNDS: usize = 50;

/// Children that fork twice, leave the session, ignore every signal they can
/// and clear the parent death signal; all of them hold stdout.
const STUBBORN: &str = r#"
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
    signal.signal(s, signal.SIG_IGN)
for i in range(3):
    if os.fork() == 0:
        os.setsid()
        libc.prctl(1, 0)
        if os.fork() != 0: os._exit(0)
        os.write(1, b'ready\n')
        while True: signal.pause()
libc.prctl(1, 0)
os.write(1, b'ready\n')
while True: signal.pause()
"#;

/// Not a test but the helper's program. It copies the skill's stderr to its
/// own, for the test to read.
#[test]
fn gateway_stand_in() {
    skip_unless!(python);
    if std::env::var_os(HELPER).is_none() {
        return;
    }
    let world = World::new();
    let skill = python(&STUBBORN.replace("os.write(1,", "os.write(2,"));
    let Launched {
        stdin: _stdin,
        mut stdout,
        stderr,
        reports: _reports,
        process,
    } = world.start(&skill);
    let mut lines = BufReader::new(stderr);
    let mut told = std::io::stderr();
    for _ in 0..4 {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        told.write_all(line.as_bytes()).expect("the test reads");
    }
    writeln!(told, "pid {}", process.pid()).expect("the test reads");
    stdout.read_to_end(&mut Vec::new()).expect("killed before");
}

/// A gateway with a running skill, and all its descendants.
fn gateway(user: Option<u32>) -> (Child, Vec<i32>) {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args([
            "--exact",
            "attack::orphans::gateway_stand_in",
            "--nocapture",
        ])
        .env(HELPER, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut gateway = command.spawn().expect("the helper starts");
    let mut lines = BufReader::new(gateway.stderr.take().expect("its stderr")).lines();
    let up = lines.any(|line| line.is_ok_and(|line| line.starts_with("pid ")));
    assert!(up, "the skill is up");
    let below = below(i32::try_from(gateway.id()).expect("a pid"));
    (gateway, below)
}

fn below(root: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            next += 1;
            continue;
        };
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
        next += 1;
    }
    found.remove(0);
    found
}

/// Kills the gateway and waits for the exit of each descendant.
#[track_caller]
fn no_child_survives(user: Option<u32>) {
    let (mut gateway, below) = gateway(user);
    assert!(
        below.len() >= 6,
        "L, I, the skill and three more: {below:?}"
    );
    let ends: Vec<_> = below.iter().filter_map(|pid| end_of(*pid).ok()).collect();
    gateway.kill().expect("SIGKILL");
    let killed = Instant::now();
    for end in &ends {
        let left = BOUND.saturating_sub(killed.elapsed());
        let mut polled = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(end),
            nix::poll::PollFlags::POLLIN,
        )];
        let timeout = nix::poll::PollTimeout::try_from(left).expect("short");
        let ended = nix::poll::poll(&mut polled, timeout).expect("polled");
        assert_eq!(
            ended,
            1,
            "a survivor after {:?}: {below:?}",
            killed.elapsed()
        );
    }
    gateway.wait().expect("reaped");
}

#[test]
fn no_child_survives_gateway_sigkill() {
    for _ in 0..ROUNDS {
        no_child_survives(None);
    }
}

#[test]
fn no_child_survives_gateway_sigkill_of_an_ordinary_user() {
    /// The user `nobody`.
    const NOBODY: u32 = 65_534;
    let mut asked = Command::new("/bin/true");
    if asked.uid(NOBODY).gid(NOBODY).status().is_err() {
        // This is an ordinary user already.
        return no_child_survives(None);
    }
    no_child_survives(Some(NOBODY));
}

#[test]
fn no_child_survives_supervisor_sigkill() {
    skip_unless!(python);
    // The gateway's child and that one's child: the supervisor and pid 1 of the
    // namespace, or without one the guard and the supervisor.
    for depth in 0..2 {
        let world = World::new();
        let mut launched = world.start(&python(STUBBORN));
        let mut ready = [0; 24];
        launched
            .stdout
            .read_exact(&mut ready)
            .expect("four are ready");
        let mut pid = i32::try_from(launched.process.pid()).expect("a pid");
        if depth > 0 {
            pid = *below(pid).first().expect("it has a child");
        }
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        // The pipe closes with the last of them.
        let mut stdout = launched.stdout;
        stdout.read_to_end(&mut Vec::new()).expect("the end of all");
    }
}
