//! L, the supervisor of one sandbox: starts the skill, and watches the gateway, the skill
//! and the resources that it uses.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, getppid};

use super::files::{Access, Files};
use super::policy::{KillReason, Layer, LayerState, Layers, NetworkAccess, Policy, Report};
use super::queue::{Event, Queue};
use super::tree::Tree;
use super::watchdog::Watchdog;
use super::{child, control, guard, process, seatbelt};
use crate::limits::SANDBOX_WATCH_NEAR_MILLIS_MAX;

/// Exit code of a skill whose program could not be executed.
const NOT_EXECUTED: i32 = 127;
/// Runs in place of a skill when the sandbox is only probed.
const PROBE_PROGRAM: &str = "/usr/bin/true";

/// What the supervisor does until the skill has ended.
pub(in crate::skills::sandbox) fn supervise() -> io::Result<()> {
    process::close_inherited()?;
    let mut up = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (policy, pipes) = control::receive(&up)?;
    up.write_all(b"R")?;
    let gateway = Pid::from_raw(policy.gateway);
    if getppid() != gateway {
        return Err(io::Error::other("its gateway is gone"));
    }
    let guard = guard::begin()?;
    let queue = Queue::new()?;
    queue.watch_input(&up)?;
    if !queue.watch_end(gateway)? || !queue.watch_end(guard)? {
        return Err(io::Error::other("its gateway is gone"));
    }
    let layers = layers(&policy.network);
    let failed = |why: String| {
        let layers = Layers::default();
        control::report(&up, &Report::Failed { why, layers });
    };
    let profile = match seatbelt::profile(&resolved(&policy)) {
        Ok(profile) => profile,
        Err(why) => {
            failed(why);
            return Ok(());
        }
    };
    if policy.strict && !layers.all_enforced() {
        let gaps = layers.gaps();
        failed(format!("strict mode requires every layer, but {gaps}"));
        return Ok(());
    }
    if policy.program.is_none() {
        let layers = probed(&policy, &profile, &pipes, layers);
        control::report(&up, &Report::Started { layers });
        return Ok(());
    }
    let skill = match start(&policy, &profile, &pipes, Some((&up, layers))) {
        Ok(skill) => skill,
        Err(error) => {
            failed(format!("no process for the skill: {error}"));
            return Ok(());
        }
    };
    // Only the skill may hold them, so that they close with it.
    drop(pipes);
    let mut tree = Tree::new(Pid::this(), Some(skill));
    let watchdog = Watchdog::new(&policy);
    let killed = match queue.watch_end(skill) {
        Ok(true) => watch(watchdog, &mut tree, skill, &queue, &up),
        // It has ended already.
        Ok(false) => None,
        Err(_) => Some(killed(KillReason::Hidden)),
    };
    let report = killed.unwrap_or_else(|| ended(skill));
    control::report(&up, &report);
    tree.end();
    Ok(())
}

/// The policy with its paths as they are without links, by which Seatbelt judges, and with
/// the links that lead to them.
fn resolved(policy: &Policy) -> Policy {
    let read: Vec<_> = policy.read.iter().chain(&policy.program).cloned().collect();
    let write = policy.write.iter().chain(&policy.state_folder);
    let files = Files::of(policy, &read, &write.cloned().collect::<Vec<_>>());
    let having = |wanted: Access| {
        let grants = files
            .grants
            .iter()
            .filter(move |(_, access)| *access == wanted);
        grants.map(|(path, _)| path.clone()).collect()
    };
    let state_folder = policy.state_folder.as_ref();
    Policy {
        program: None,
        read: having(Access::Read),
        write: having(Access::Write),
        asked: files.links.keys().cloned().collect(),
        state_folder: state_folder.and_then(|folder| folder.canonicalize().ok()),
        ..policy.clone()
    }
}

fn layers(network: &NetworkAccess) -> Layers {
    let mut layers = Layers::default();
    layers.set(
        Layer::Orphans,
        LayerState::Partial,
        "by parents and session: a process that leaves both between two counts is not found",
    );
    layers.set(
        Layer::Watchdog,
        LayerState::Partial,
        "memory, CPU time, processes, the private folder; not deleted files that are held open",
    );
    layers.set(
        Layer::Rlimits,
        LayerState::Partial,
        "open files, file size, core, CPU; macOS limits neither memory nor one program's processes",
    );
    let (state, why) = match network {
        NetworkAccess::None => (LayerState::Enforced, "no hosts, by the profile"),
        NetworkAccess::Any => (LayerState::Enforced, "any host, as the manifest allows"),
        NetworkAccess::Ports(_) => (
            LayerState::Enforced,
            "TCP to the given ports only; UDP, which name resolution needs, to any",
        ),
    };
    layers.set(Layer::Network, state, why);
    let why = "files, hosts, services, processes, by a profile that Mimo's makers have never run";
    layers.set(Layer::Seatbelt, LayerState::Enforced, why);
    layers
}

/// `layers` as they are after the system was asked to apply `profile` to a program that
/// does nothing.
fn probed(policy: &Policy, profile: &str, pipes: &[OwnedFd; 3], mut layers: Layers) -> Layers {
    let run = start(policy, profile, pipes, None).map(|pid| waitpid(pid, None));
    let why = match run {
        Ok(Ok(WaitStatus::Exited(_, 0))) => return layers,
        Ok(Ok(WaitStatus::Exited(_, code))) => format!("sandbox-exec exited with {code}"),
        Ok(Ok(status)) => format!("sandbox-exec ended: {status:?}"),
        Ok(Err(error)) | Err(error) => format!("sandbox-exec did not run: {error}"),
    };
    layers
        .0
        .retain(|(layer, ..)| !matches!(layer, Layer::Seatbelt | Layer::Network));
    layers.set(Layer::Network, LayerState::Absent, why.clone());
    layers.set(Layer::Seatbelt, LayerState::Absent, why);
    layers
}

/// Starts the program of `policy`, or a program that does nothing; reports the layers to
/// the gateway where they are given.
fn start(
    policy: &Policy,
    profile: &str,
    pipes: &[OwnedFd; 3],
    report: Option<(&UnixStream, Layers)>,
) -> nix::Result<Pid> {
    match process::fork()? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let program = policy
                .program
                .as_deref()
                .unwrap_or(Path::new(PROBE_PROGRAM));
            let begin = || {
                if let Some((up, layers)) = report.clone() {
                    control::report(up, &Report::Started { layers });
                }
            };
            let Err(why) = child::become_skill(policy, program, profile, pipes, begin);
            if let Some((up, layers)) = report {
                control::report(up, &Report::Failed { why, layers });
            }
            process::leave(NOT_EXECUTED)
        }
    }
}

/// Waits until the skill ends or has to be killed.
fn watch(
    mut watchdog: Watchdog,
    tree: &mut Tree,
    skill: Pid,
    queue: &Queue,
    mut up: &UnixStream,
) -> Option<Report> {
    // A start is not delayed by a look at what cannot have grown yet.
    let mut next_look = Instant::now() + Duration::from_millis(SANDBOX_WATCH_NEAR_MILLIS_MAX);
    loop {
        for event in queue.wait(next_look.saturating_duration_since(Instant::now())) {
            match event {
                Event::Ended(pid) if pid == skill => return None,
                Event::Ended(_) => return Some(killed(KillReason::GatewayGone)),
                Event::Input => {
                    let mut byte = [0];
                    match up.read(&mut byte) {
                        Ok(1) if byte[0] == control::TERMINATE => {
                            tree.signal_each(Signal::SIGTERM);
                        }
                        Ok(0) | Err(_) => return Some(killed(KillReason::GatewayGone)),
                        Ok(_) => return Some(killed(KillReason::Asked)),
                    }
                }
            }
        }
        if Instant::now() < next_look {
            continue;
        }
        if let Some(report) = watchdog.measure(&tree.processes()) {
            return Some(report);
        }
        next_look = Instant::now() + watchdog.pause();
    }
}

fn killed(reason: KillReason) -> Report {
    Report::Killed {
        reason,
        measured: 0,
        allowed: 0,
    }
}

/// How the skill's main process has ended.
fn ended(skill: Pid) -> Report {
    let (code, signal) = match waitpid(skill, None) {
        Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
        Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal as i32)),
        _ => (None, None),
    };
    Report::Ended { code, signal }
}
