//! The guard of a sandbox without a pid namespace: the supervisor's parent, which kills
//! what the supervisor leaves where that is killed from outside.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, getppid};

use super::tree::TreeView;
use super::{init, process};
use crate::limits::SANDBOX_SWEEPS_MAX;

/// Becomes two processes and returns in the supervisor; gives a descriptor that becomes
/// readable when the guard ends.
pub(super) fn begin() -> io::Result<OwnedFd> {
    prctl::set_child_subreaper(true)?;
    let guard = Pid::this();
    let end = process::pidfd(guard)?;
    match process::fork()? {
        ForkResult::Child if getppid() == guard => Ok(end),
        ForkResult::Child => process::leave(1),
        ForkResult::Parent { child } => watch(child),
    }
}

/// The gateway's socket stays open at stdin, so the reports end after the last process.
fn watch(supervisor: Pid) -> ! {
    // Nothing is used below that has a descriptor.
    if process::close_inherited().is_err() {
        process::leave(1);
    }
    // No signal has a handler, so this is not interrupted.
    let _ = waitpid(supervisor, None);
    sweep(&TreeView::Descendants {
        supervisor: Pid::this(),
        skill: supervisor,
    });
    process::leave(0)
}

/// Kills the processes of the tree until none is left, and reaps them.
pub(super) fn sweep(view: &TreeView) {
    for _ in 0..SANDBOX_SWEEPS_MAX {
        let pids = view.pids();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // One blocking wait, then all others that have ended: a fork bomb leaves
        // thousands.
        let _ = waitpid(None, None);
        init::reap(Pid::this());
    }
}
