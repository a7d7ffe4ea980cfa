//! The layers of namespaces: users, processes and IPC of its own, no network
//! where none is allowed, and a `/proc` that shows only the sandbox.

use std::fs;
use std::io;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use super::policy::{Layer, LayerState, Layers, NetworkAccess};

/// Leaves the gateway's namespaces; the next child is pid 1 of its own. Gives
/// whether that went well.
pub(super) fn enter(reach: &NetworkAccess, layers: &mut Layers) -> bool {
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if *reach == NetworkAccess::Nobody {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (uid, gid) = (Uid::current(), Gid::current());
    let entered = unshare(flags)
        .map_err(io::Error::from)
        .and_then(|()| map_ids(uid, gid));
    match entered {
        Ok(()) => layers.put(Layer::Namespaces, LayerState::Enforced, "user, pid and IPC"),
        Err(error) => {
            let why = format!("this system refuses user namespaces: {error}");
            layers.put(Layer::Namespaces, LayerState::Absent, why);
            return false;
        }
    }
    true
}

/// Our own ids stay what they are; there are no others.
fn map_ids(uid: Uid, gid: Gid) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// A mount namespace with a `/proc` of this pid namespace. Called by pid 1: a
/// supervisor that did this would lose sight of the tree it watches.
pub(super) fn mount_proc() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    Ok(())
}

/// How many process ids the kernel reserves: a namespace has more.
const PIDS_RESERVED: u64 = 301;

/// Bounds the process ids of this pid namespace, where the kernel (6.14) lets
/// its owner: RLIMIT_NPROC does not hold for root, the watchdog looks later.
pub(super) fn bound_pids(processes: u64) {
    let bound = processes.saturating_add(PIDS_RESERVED).to_string();
    // Only in our own /proc; an older kernel refuses, and the watchdog counts.
    let _ = fs::write("/proc/sys/kernel/pid_max", bound);
}
