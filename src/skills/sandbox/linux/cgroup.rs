//! The layer of a control group (version 2) for the whole tree, where this account may
//! make one: the kernel then limits memory and processes itself, counts CPU time, and
//! ends all processes at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::ForkResult;

use super::excess::Excess;
use super::policy::{Bounds, KillReason, Layer, LayerState, Layers};
use super::process;
use crate::limits::SANDBOX_CGROUP_END_MILLIS_MAX;

/// Where version 2 is mounted, the second beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Begins the name of every group; the supervisor's pid follows.
const PREFIX: &str = "mimo-skill-";

/// A group of one sandbox, removed when this is dropped.
pub(super) struct Cgroup {
    folder: PathBuf,
    /// The open folder. Its lock shows other supervisors that this one lives, and is
    /// released with its process.
    lock: File,
    /// Whether the tree's first process was started in the group.
    entered: bool,
    /// For the tree's first process to enter otherwise.
    processes: File,
    /// Whether the kernel limits memory, or why it does not.
    memory: Result<(), String>,
}

impl Cgroup {
    /// Makes a group beside our own. Fails with the reason in plain words, also where
    /// the group would do nothing that a pid namespace does not: it takes as long to
    /// make as three mounts.
    pub(super) fn create(bounds: &Bounds, has_pid_namespace: bool) -> Result<Cgroup, String> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mount = MOUNTS.iter().map(Path::new);
        let mount = mount.into_iter().find(|mount| is_version_2(mount));
        let mount = mount.ok_or("this system has no cgroups of version 2")?;
        let parent = parent(mount, &own).ok_or("Mimo is in no cgroup of version 2")?;
        let no_memory = || format!("no memory controller in {}", parent.display());
        if has_pid_namespace && !gives_memory(&parent) {
            return Err(no_memory());
        }
        remove_abandoned(&parent);
        let folder = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder)
            .map_err(|error| format!("no cgroup may be made in {}: {error}", parent.display()))?;
        let open = || {
            let lock = File::open(&folder)?;
            lock.lock()?;
            let mut writing = OpenOptions::new();
            let processes = writing.write(true).open(folder.join("cgroup.procs"))?;
            Ok((lock, processes))
        };
        let (lock, processes) = open().map_err(|error: io::Error| {
            // Nothing can have entered it.
            let _ = fs::remove_dir(&folder);
            format!("the cgroup cannot be used: {error}")
        })?;
        let memory = limit(&folder, bounds).map_err(|_| no_memory());
        Ok(Cgroup {
            folder,
            lock,
            entered: false,
            processes,
            memory,
        })
    }

    /// Moves the calling process into the group, and all processes that it starts.
    fn enter(&self) -> io::Result<()> {
        match self.entered {
            true => Ok(()),
            false => (&self.processes).write_all(b"0"),
        }
    }

    /// Whether a process has entered it.
    pub(super) fn is_used(&self) -> bool {
        number(&self.folder.join("cgroup.events"), "populated ") == Some(1)
    }

    pub(super) fn limits_memory(&self) -> bool {
        self.memory.is_ok()
    }

    /// The CPU time of the tree.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        number(&self.folder.join("cpu.stat"), "usage_usec ").map(Duration::from_micros)
    }

    /// Memory, if the kernel has killed a process for it.
    pub(super) fn exceeded(&self, bounds: &Bounds) -> Option<Excess> {
        self.memory.as_ref().ok()?;
        let killed = number(&self.folder.join("memory.events"), "oom_kill ")?;
        let peak = number(&self.folder.join("memory.peak"), "").unwrap_or(bounds.memory_bytes);
        (killed > 0).then_some((KillReason::Memory, peak, bounds.memory_bytes))
    }

    /// Kills every process in the group and waits until they are gone.
    pub(super) fn end(&self) -> io::Result<()> {
        write(&self.folder, "cgroup.kill", 1)?;
        let mut events = File::open(self.folder.join("cgroup.events"))?;
        loop {
            let mut text = String::new();
            events.rewind()?;
            events.read_to_string(&mut text)?;
            if field(&text, "populated ") != Some(1) {
                return Ok(());
            }
            let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            if poll(
                &mut changed,
                PollTimeout::from(SANDBOX_CGROUP_END_MILLIS_MAX),
            )? == 0
            {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Where processes are left, the next sandbox beside it tries again.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Starts the first process of the tree, in the group where the kernel supports that.
pub(super) fn fork(group: &mut Result<Cgroup, String>) -> nix::Result<ForkResult> {
    if let Ok(group) = group {
        // Decided before the fork, because both processes have to know it.
        group.entered = true;
        match process::fork_into(&group.lock) {
            Ok(forked) => return Ok(forked),
            Err(_) => group.entered = false,
        }
    }
    process::fork()
}

/// Enters the group in the first process of the tree, and reports the layer. Whether the
/// kernel limits memory now.
pub(super) fn enter(group: &Result<Cgroup, String>, layers: &mut Layers) -> bool {
    let entered = group.as_ref().map_err(String::clone).and_then(|group| {
        let entered = group.enter();
        entered.map_err(|error| format!("the skill cannot be moved to its cgroup: {error}"))?;
        Ok(&group.memory)
    });
    let (state, why) = match &entered {
        Ok(Ok(())) => (
            LayerState::Enforced,
            "the kernel limits memory, counts CPU time and ends all processes".to_owned(),
        ),
        Ok(Err(why)) => (
            LayerState::Partial,
            format!("ends all processes and counts CPU time; the watchdog counts memory: {why}"),
        ),
        Err(why) => (LayerState::Absent, format!("the watchdog counts: {why}")),
    };
    layers.set(Layer::Cgroup, state, why);
    matches!(entered, Ok(Ok(())))
}

fn is_version_2(mount: &Path) -> bool {
    mount.join("cgroup.controllers").exists()
}

/// The folder of the groups beside our own. A group with processes cannot give
/// controllers to groups below it, so ours is no place for another, unless it is the
/// root.
fn parent(mount: &Path, own: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Outside of our cgroup namespace.
    if own.starts_with("..") {
        return None;
    }
    Some(match Path::new(own).parent() {
        Some(parent) => mount.join(parent),
        None => mount.to_owned(),
    })
}

/// Whether groups below this one can limit memory.
fn gives_memory(parent: &Path) -> bool {
    let given = fs::read_to_string(parent.join("cgroup.subtree_control"));
    given.is_ok_and(|given| given.split_whitespace().any(|each| each == "memory"))
}

/// Sets the limit on memory and reads it back.
fn limit(folder: &Path, bounds: &Bounds) -> io::Result<()> {
    let memory = bounds.memory_bytes.min(i64::MAX as u64);
    write(folder, "memory.max", memory)?;
    // The kernel rounds down to pages.
    let found = number(&folder.join("memory.max"), "");
    if found.is_none_or(|found| found > memory) {
        return Err(io::Error::other("memory.max was not applied"));
    }
    // Older kernels and systems without swap lack some; the watchdog covers all.
    let _ = write(folder, "memory.swap.max", 0);
    let _ = write(folder, "memory.oom.group", 1);
    // Pid 1 is the sandbox's own.
    let _ = write(folder, "pids.max", bounds.processes.saturating_add(1));
    Ok(())
}

/// The kernel makes these files, so none is created.
fn write(folder: &Path, file: &str, value: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(folder.join(file))?;
    file.write_all(value.to_string().as_bytes())
}

/// Ends and removes the groups of supervisors that were killed.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX))
            && File::open(entry.path()).is_ok_and(|group| group.try_lock().is_ok())
        {
            let _ = write(&entry.path(), "cgroup.kill", 1);
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The number after `name` in a file of the kernel.
fn number(path: &Path, name: &str) -> Option<u64> {
    field(&fs::read_to_string(path).ok()?, name)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_made_beside_our_own() {
        let beside = |own| parent(Path::new("/mount"), own);
        let found = |path: &str| Some(PathBuf::from(path));
        let hybrid = "4:memory:/a\n1:name=systemd:/b\n0::/user.slice/app.slice/mimo.scope\n";
        assert_eq!(beside(hybrid), found("/mount/user.slice/app.slice"));
        assert_eq!(beside("0::/mimo.service\n"), found("/mount/"));
        assert_eq!(beside("0::/\n"), found("/mount"));
        assert_eq!(beside("0::/../elsewhere\n"), None);
        assert_eq!(beside("4:memory:/a\n"), None);
    }

    #[test]
    fn limits_hold_only_if_they_can_be_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let bounds = Bounds {
            memory_bytes: 64 << 20,
            cpu_seconds: 1,
            processes: 8,
            open_files: 64,
            file_bytes: 1,
            disk_bytes: 1,
        };
        assert!(limit(folder.path(), &bounds).is_err(), "no controller");
        for file in ["memory.max", "memory.oom.group", "pids.max"] {
            fs::write(folder.path().join(file), "").expect("written");
        }
        limit(folder.path(), &bounds).expect("applied");
        let at = |file| fs::read_to_string(folder.path().join(file)).expect("a file");
        assert_eq!(
            (at("memory.max"), at("pids.max")),
            ("67108864".into(), "9".into())
        );
        // What was written before is longer, so it is not replaced.
        fs::write(folder.path().join("memory.max"), "9".repeat(12)).expect("written");
        assert!(limit(folder.path(), &bounds).is_err(), "not applied");
    }
}
