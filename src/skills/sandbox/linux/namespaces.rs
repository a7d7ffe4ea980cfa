//! The namespace layers: private users, processes and IPC, no network where none is
//! allowed, and a `/proc` that shows only the sandbox.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use super::policy::{Layer, LayerState, Layers, NetworkAccess};
use crate::limits::SANDBOX_INOTIFY_MAX;

/// The namespaces that this process is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Users, processes, IPC.
    User,
    /// Processes and IPC. Root needs no user namespace to create them.
    Root,
    None,
}

/// Enters new namespaces; the next child is pid 1.
pub(super) fn enter(network: &NetworkAccess, layers: &mut Layers) -> Isolation {
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if *network == NetworkAccess::None {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (uid, gid) = (Uid::current(), Gid::current());
    // The user namespace first and alone: where its ids cannot be mapped, or it gives
    // no rights, no other namespace is half entered.
    let user = unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from);
    let entered = match &user {
        Ok(()) => map_ids(uid, gid),
        Err(_) => Ok(()),
    };
    let entered = entered.and_then(|()| Ok(unshare(flags)?));
    let (isolation, why) = match (user, entered) {
        (Ok(()), Ok(())) => (Isolation::User, "user, pid and IPC".to_owned()),
        (Err(refused), Ok(())) => (
            Isolation::Root,
            format!("pid and IPC, by root's rights; user namespaces are refused: {refused}"),
        ),
        (Err(refused), Err(_)) | (Ok(()), Err(refused)) => (
            Isolation::None,
            format!("this system refuses user namespaces: {refused}"),
        ),
    };
    let state = match isolation {
        Isolation::None => LayerState::Absent,
        _ => LayerState::Enforced,
    };
    layers.set(Layer::Namespaces, state, why);
    isolation
}

/// The network namespace of this process; another one has another name.
pub(super) fn network() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/ns/net")
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

/// Limits what the kernel counts for each namespace rather than for each process.
/// Kernels that do not refuse the writes.
pub(super) fn limit_counts(isolation: Isolation, processes: u64) {
    // Since 6.14 for each pid namespace. RLIMIT_NPROC does not bind root, and the
    // watchdog reacts later.
    let bound = processes.saturating_add(PIDS_RESERVED).to_string();
    let _ = fs::write("/proc/sys/kernel/pid_max", bound);
    // In any other user namespace these are the machine's own limits.
    if isolation == Isolation::User {
        let _ = fs::write("/proc/sys/user/max_user_namespaces", "0");
        let bound = SANDBOX_INOTIFY_MAX.to_string();
        let _ = fs::write("/proc/sys/user/max_inotify_instances", bound);
    }
}
