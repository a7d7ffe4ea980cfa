//! The guard of a sandbox: the supervisor's parent, which kills what the supervisor leaves
//! where that is killed from outside.

use std::io;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, getppid, setsid};

use super::process;
use super::tree::Tree;

/// Becomes two processes and returns in the supervisor, the leader of a new session; gives
/// the guard.
pub(super) fn begin() -> io::Result<Pid> {
    let guard = Pid::this();
    match process::fork()? {
        ForkResult::Child if getppid() == guard => {
            // A new session has no terminal.
            setsid()?;
            Ok(guard)
        }
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
    Tree::new(supervisor, None).end();
    process::leave(0)
}
