//! The namespace layers: private users, processes and IPC, no network where none is
//! allowed, and a `/proc` that shows only the sandbox.

use std::fs;
use std::io;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use super::policy::{Layer, LayerState, Layers, NetworkAccess};

/// Enters new namespaces; the next child is pid 1. Whether that worked.
pub(super) fn enter(network: &NetworkAccess, layers: &mut Layers) -> bool {
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if *network == NetworkAccess::None {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (uid, gid) = (Uid::current(), Gid::current());
    let entered = unshare(flags)
        .map_err(io::Error::from)
        .and_then(|()| map_ids(uid, gid));
    match entered {
        Ok(()) => layers.set(Layer::Namespaces, LayerState::Enforced, "user, pid and IPC"),
        Err(error) => {
            let why = format!("this system refuses user namespaces: {error}");
            layers.set(Layer::Namespaces, LayerState::Absent, why);
            return false;
        }
    }
    true
}

/// Maps only our own ids, to themselves.
fn map_ids(uid: Uid, gid: Gid) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Creates a mount namespace with a `/proc` of this pid namespace. Called by pid 1,
/// because the supervisor must keep seeing the tree that it watches.
pub(super) fn mount_proc() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    Ok(())
}

/// Process ids that the kernel reserves in addition to the limit.
const PIDS_RESERVED: u64 = 301;

/// Limits the process ids of this pid namespace, which kernels since 6.14 allow.
/// RLIMIT_NPROC does not bind root, and the watchdog reacts later.
pub(super) fn limit_pids(processes: u64) {
    let bound = processes.saturating_add(PIDS_RESERVED).to_string();
    // Written to the sandbox's /proc; older kernels refuse it.
    let _ = fs::write("/proc/sys/kernel/pid_max", bound);
}
