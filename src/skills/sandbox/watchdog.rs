//! Measures what a process tree uses and compares it with its bounds.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::descriptors::Buffers;
use super::disk::DiskQuota;
use super::policy::{Bounds, KillReason, Policy, Report};
use super::tree::{Process, View};
use crate::limits::{
    SANDBOX_HIDDEN_LOOKS_MAX, SANDBOX_NEAR_PERCENT, SANDBOX_WATCH_MILLIS_MAX,
    SANDBOX_WATCH_NEAR_MILLIS_MAX,
};

/// Watches one tree.
pub(super) struct Watchdog {
    bounds: Bounds,
    buffers: Buffers,
    disk: Option<DiskQuota>,
    used: Usage,
    /// Measurements in a row in which a process hid its open files.
    hidden: u32,
}

/// The resources that a tree uses.
#[derive(Default)]
struct Usage {
    memory_bytes: u64,
    cpu_seconds: u64,
    processes: u64,
}

/// A bound that is exceeded: the reason, the measured and the allowed value.
pub(super) type Excess = (KillReason, u64, u64);

impl Watchdog {
    /// With `private_network` every socket of our network namespace is the skill's.
    pub(super) fn new(policy: &Policy, private_network: bool) -> Watchdog {
        let bounds = policy.bounds;
        let folder = policy.state_folder.clone();
        Watchdog {
            bounds,
            buffers: Buffers::new(policy, private_network),
            disk: folder.map(|folder| DiskQuota::new(folder, bounds.disk_bytes)),
            used: Usage::default(),
            hidden: 0,
        }
    }

    /// Measures the tree once; gives the report where it has to be killed.
    pub(super) fn look(&mut self, view: &View) -> Option<Report> {
        self.excess(view)
            .map(|(reason, measured, allowed)| Report::Killed {
                reason,
                measured,
                allowed,
            })
    }

    fn excess(&mut self, view: &View) -> Option<Excess> {
        let bounds = self.bounds;
        let processes = view.processes();
        self.used = self.measure(&processes);
        if self.hidden >= SANDBOX_HIDDEN_LOOKS_MAX {
            return Some((KillReason::Hidden, 0, 0));
        }
        let on_disk = || self.disk.as_mut()?.look(&processes);
        self.used.exceeded(&bounds).or_else(on_disk)
    }

    fn measure(&mut self, processes: &[Process]) -> Usage {
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let ticks = u64::try_from(ticks).unwrap_or(100).max(1);
        let cpu_ticks: u64 = processes.iter().map(Process::cpu_ticks).sum();
        let memory_bytes: u64 = processes.iter().map(Process::memory_bytes).sum();
        let mut descriptors = 0_u64;
        let mut hidden = false;
        for process in processes {
            descriptors += process.open_files().unwrap_or_else(|_| {
                hidden = true;
                self.bounds.open_files
            });
        }
        self.hidden = if hidden { self.hidden + 1 } else { 0 };
        let remaining = self.bounds.memory_bytes.saturating_sub(memory_bytes);
        let buffers = self.buffers.bytes(processes, descriptors, remaining);
        Usage {
            memory_bytes: memory_bytes.saturating_add(buffers),
            cpu_seconds: cpu_ticks / ticks,
            processes: processes.iter().map(Process::threads).sum(),
        }
    }

    /// The time until the next measurement; shorter near a bound.
    pub(super) fn pause(&self) -> Duration {
        let near = |used: u64, bound: u64| {
            used > bound
                .saturating_div(100)
                .saturating_mul(SANDBOX_NEAR_PERCENT)
        };
        let walking = self.disk.as_ref().is_some_and(DiskQuota::is_walking);
        let millis = match walking || near(self.used.memory_bytes, self.bounds.memory_bytes) {
            true => SANDBOX_WATCH_NEAR_MILLIS_MAX,
            false => SANDBOX_WATCH_MILLIS_MAX,
        };
        Duration::from_millis(millis)
    }
}

impl Usage {
    /// The first bound that is exceeded.
    fn exceeded(&self, bounds: &Bounds) -> Option<Excess> {
        [
            (KillReason::Memory, self.memory_bytes, bounds.memory_bytes),
            (KillReason::Cpu, self.cpu_seconds, bounds.cpu_seconds),
            (KillReason::Processes, self.processes, bounds.processes),
        ]
        .into_iter()
        .find(|(_, measured, allowed)| measured > allowed)
    }
}
