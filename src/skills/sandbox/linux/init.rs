//! I, pid 1 of the sandbox's pid namespace: starts the skill, reaps its orphans, and
//! forwards SIGTERM. Its end ends everything in the namespace.

use std::io::PipeReader;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::child::{self, StartParameters};
use super::namespaces::{self, Isolation};
use super::policy::{Layer, LayerState, Report};
use super::{control, process, root};

/// Runs as pid 1 until the skill's main process ends. Only the supervisor holds the
/// other end of `lifeline`.
pub(super) fn run(
    mut start: StartParameters<'_>,
    isolation: Isolation,
    lifeline: &PipeReader,
) -> ! {
    let up = start.up;
    // From here on we die with the supervisor. The pipe tells whether it died
    // before, since its pid is not visible in this namespace.
    let tied = prctl::set_pdeathsig(Signal::SIGKILL);
    if tied.is_err() || supervisor_is_gone(lifeline) {
        process::leave(1);
    }
    let new_root = enter_root(&mut start, isolation);
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGCHLD);
    awaited.add(Signal::SIGTERM);
    if awaited.thread_block().is_err() {
        process::leave(1);
    }
    let skill = match process::fork() {
        Ok(ForkResult::Child) => child::run(start, new_root),
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => {
            let (why, layers) = (format!("no process for the skill: {error}"), start.layers);
            control::report(up, &Report::Failed { why, layers });
            process::leave(1)
        }
    };
    // Only the skill may hold its pipes and the way to the supervisor, so that they
    // close with it.
    drop(start);
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

/// Mounts a `/proc` and enters the new root; whether that worked.
fn enter_root(start: &mut StartParameters<'_>, isolation: Isolation) -> bool {
    let layers = &mut start.layers;
    if let Err(error) = namespaces::mount_proc() {
        let why = format!("/proc cannot be mounted here: {error}");
        layers.set(Layer::Proc, LayerState::Absent, why);
        start.no_root = "it needs a /proc of its own".to_owned();
        return false;
    }
    layers.set(Layer::Proc, LayerState::Enforced, "its own");
    namespaces::limit_counts(isolation, start.policy.bounds.processes);
    match root::enter(start.files) {
        Ok(()) => {
            let why = "only granted files exist, read-only but for its own";
            layers.set(Layer::Root, LayerState::Enforced, why);
            true
        }
        Err(error) => {
            // The child reports what takes its place.
            start.no_root = error.to_string();
            false
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
