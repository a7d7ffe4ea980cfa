//! Measures the memory, CPU time and number of a process tree from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Pid, SysconfVar, sysconf};

use super::policy::{Bounds, KillReason};
use crate::limits::{
    SANDBOX_NEAR_PERCENT, SANDBOX_WATCH_MILLIS_MAX, SANDBOX_WATCH_NEAR_MILLIS_MAX,
};

/// Where to find the processes of the tree.
pub(super) enum View {
    /// All processes in the `/proc` of the sandbox's pid namespace.
    Own(PathBuf),
    /// All descendants of this process in the machine's `/proc`.
    Descendants(Pid),
}

/// The resources that a tree uses.
#[derive(Default)]
pub(super) struct Usage {
    memory_bytes: u64,
    cpu_seconds: u64,
    processes: u64,
}

impl Usage {
    /// The first bound that is exceeded: the reason, the measured and the allowed
    /// value.
    pub(super) fn exceeded(&self, bounds: &Bounds) -> Option<(KillReason, u64, u64)> {
        [
            (KillReason::Memory, self.memory_bytes, bounds.memory_bytes),
            (KillReason::Cpu, self.cpu_seconds, bounds.cpu_seconds),
            (KillReason::Processes, self.processes, bounds.processes),
        ]
        .into_iter()
        .find(|(_, measured, allowed)| measured > allowed)
    }

    /// The time until the next measurement; shorter near a bound.
    pub(super) fn interval(&self, bounds: &Bounds) -> Duration {
        let near = |used: u64, bound: u64| {
            used > bound
                .saturating_div(100)
                .saturating_mul(SANDBOX_NEAR_PERCENT)
        };
        let millis = match near(self.memory_bytes, bounds.memory_bytes) {
            true => SANDBOX_WATCH_NEAR_MILLIS_MAX,
            false => SANDBOX_WATCH_MILLIS_MAX,
        };
        Duration::from_millis(millis)
    }
}

pub(super) fn measure(view: &View) -> Usage {
    let proc = match view {
        View::Own(proc) => proc,
        View::Descendants(_) => Path::new("/proc"),
    };
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let ticks = u64::try_from(ticks).unwrap_or(100).max(1);
    let mut found = Usage::default();
    let mut cpu = 0;
    for pid in pids(view) {
        let folder = proc.join(pid.to_string());
        // A process that has ended meanwhile uses nothing.
        let (Some(status), Some(stat)) = (read(&folder, "status"), read(&folder, "stat")) else {
            continue;
        };
        found.memory_bytes += kilobytes(&status, "RssAnon:") + kilobytes(&status, "RssShmem:");
        found.processes += field(&status, "Threads:").unwrap_or(1);
        // User and system time, its own and that of children it has waited for.
        cpu += stat_fields(&stat)
            .skip(11)
            .take(4)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum::<u64>();
    }
    found.memory_bytes = found.memory_bytes.saturating_mul(1024);
    found.cpu_seconds = cpu / ticks;
    found
}

/// The processes of the tree, without its root.
pub(super) fn pids(view: &View) -> Vec<i32> {
    match view {
        // Pid 1 is the sandbox's own.
        View::Own(proc) => listed(proc).into_iter().filter(|pid| *pid != 1).collect(),
        View::Descendants(root) => descendants(root.as_raw()),
    }
}

fn listed(proc: &Path) -> Vec<i32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn descendants(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in listed(Path::new("/proc")) {
        let folder = Path::new("/proc").join(pid.to_string());
        let stat = read(&folder, "stat");
        let parent = stat.and_then(|stat| stat_fields(&stat).nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            if seen.insert(child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

fn read(folder: &Path, file: &str) -> Option<String> {
    // The name of a program need not be UTF-8.
    let bytes = fs::read(folder.join(file)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fields after the name, which may contain spaces and parentheses.
fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_ascii_whitespace()
}

fn kilobytes(status: &str, name: &str) -> u64 {
    field(status, name).unwrap_or(0)
}

/// The number after `name`. The program's own name is on the first line with line
/// breaks escaped, so it cannot fake another line.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
