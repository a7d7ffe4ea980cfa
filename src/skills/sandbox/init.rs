//! I, pid 1 of the sandbox's pid namespace: starts the skill, reaps its orphans, and
//! forwards SIGTERM. Its end ends everything in the namespace.

use std::io::PipeReader;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::policy::{Layer, LayerState, Layers, Policy, Report};
use super::{child, control, namespaces, process};

/// Runs as pid 1 until the skill's main process ends. Only the supervisor holds the
/// other end of `lifeline`.
pub(super) fn run(
    policy: &Policy,
    pipes: [OwnedFd; 3],
    up: &UnixStream,
    lifeline: &PipeReader,
    mut layers: Layers,
) -> ! {
    // From here on we die with the supervisor. The pipe tells whether it died
    // before, since its pid is not visible in this namespace.
    let tied = prctl::set_pdeathsig(Signal::SIGKILL);
    if tied.is_err() || supervisor_is_gone(lifeline) {
        process::leave(1);
    }
    match namespaces::mount_proc() {
        Ok(()) => {
            namespaces::limit_pids(policy.bounds.processes);
            layers.set(Layer::Proc, LayerState::Enforced, "its own");
        }
        Err(error) => {
            let why = format!("/proc cannot be mounted here: {error}");
            layers.set(Layer::Proc, LayerState::Absent, why);
        }
    }
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGCHLD);
    awaited.add(Signal::SIGTERM);
    if awaited.thread_block().is_err() {
        process::leave(1);
    }
    let skill = match process::fork() {
        Ok(ForkResult::Child) => child::run(policy, &pipes, up, layers),
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => {
            let why = format!("no process for the skill: {error}");
            control::report(up, &Report::Failed { why, layers });
            process::leave(1)
        }
    };
    // Only the skill may hold its pipes, so that they close with it.
    drop(pipes);
    loop {
        match awaited.wait() {
            Ok(Signal::SIGTERM) => {
                // Every process of the namespace but this one.
                let _ = kill(Pid::from_raw(-1), Signal::SIGTERM);
            }
            _ => {
                if let Some(report) = reap(skill) {
                    control::report(up, &report);
                    process::leave(0);
                }
            }
        }
    }
}

fn supervisor_is_gone(lifeline: &PipeReader) -> bool {
    let mut polled = [PollFd::new(lifeline.as_fd(), PollFlags::empty())];
    // A hangup is reported even where no events are requested.
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Reaps every ended child; reports how the skill ended, if it was one of them.
pub(super) fn reap(skill: Pid) -> Option<Report> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == skill => {
                ended = Some(Report::Ended {
                    code: Some(code),
                    signal: None,
                });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == skill => {
                ended = Some(Report::Ended {
                    code: None,
                    signal: Some(signal as i32),
                });
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(_) => {}
        }
    }
}
