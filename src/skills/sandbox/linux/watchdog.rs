//! Measures what a process tree uses and compares it with its bounds.

use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::cpu::CpuTime;
use super::descriptors::Buffers;
use super::disk::DiskQuota;
use super::excess::{Excess, killed};
use super::policy::{Bounds, KillReason, Policy, Report};
use super::tree::{Process, TreeView};
use crate::clock::{Clock, SystemClock};
use crate::limits::{
    SANDBOX_NEAR_PERCENT, SANDBOX_STOPPED_SECONDS_MAX, SANDBOX_UNREADABLE_MEASUREMENTS_MAX,
    SANDBOX_WATCH_MILLIS_MAX, SANDBOX_WATCH_NEAR_MILLIS_MAX,
};

pub(super) struct Watchdog<'a> {
    bounds: Bounds,
    /// Holds the tree and measures it more exactly.
    cgroup: Option<&'a Cgroup>,
    buffers: Buffers,
    disk: Option<DiskQuota>,
    memory_bytes: u64,
    cpu: CpuTime,
    measured: Instant,
    /// Measurements in a row in which a process hid its open files.
    unreadable: u32,
    /// How long the skill's main process has been stopped.
    stopped: Duration,
}

impl<'a> Watchdog<'a> {
    /// With `private_network` every socket of our network namespace is the skill's.
    pub(super) fn new(
        policy: &Policy,
        private_network: bool,
        cgroup: Option<&'a Cgroup>,
    ) -> Watchdog<'a> {
        let bounds = policy.bounds;
        let folder = policy.state_folder.clone();
        Watchdog {
            bounds,
            cgroup,
            buffers: Buffers::new(policy, private_network),
            disk: folder.map(|folder| DiskQuota::new(folder, bounds.disk_bytes)),
            memory_bytes: 0,
            cpu: CpuTime::default(),
            measured: Instant::now(),
            unreadable: 0,
            stopped: Duration::ZERO,
        }
    }

    /// Measures the tree once; gives the report where it has to be killed.
    pub(super) fn measure(&mut self, view: &TreeView) -> Option<Report> {
        let now = Instant::now();
        let elapsed = now.duration_since(self.measured);
        self.measured = now;
        let processes = view.processes();
        self.memory_bytes = self.memory(&processes);
        match self.cgroup.and_then(Cgroup::cpu_time) {
            Some(exact) => self.cpu.set(exact),
            None => self.cpu.measure(view, &processes, elapsed),
        }
        self.stopped = match view.is_stopped(&processes) {
            true => self.stopped + elapsed,
            false => Duration::ZERO,
        };
        self.excess(&processes).map(killed)
    }

    /// The first bound that is exceeded.
    fn excess(&mut self, processes: &[Process]) -> Option<Excess> {
        let bounds = self.bounds;
        let by_kernel = self.cgroup.and_then(|group| group.exceeded(&bounds));
        if by_kernel.is_some() {
            return by_kernel;
        }
        let threads = processes.iter().map(Process::threads).sum();
        let counted = [
            (KillReason::Memory, self.memory_bytes, bounds.memory_bytes),
            (KillReason::Processes, threads, bounds.processes),
            (
                KillReason::Stopped,
                self.stopped.as_secs(),
                SANDBOX_STOPPED_SECONDS_MAX,
            ),
        ];
        let counted = counted
            .into_iter()
            .find(|(_, measured, allowed)| measured > allowed);
        if counted.is_some() {
            return counted;
        }
        if let Some(seconds) = self.cpu.exceeded(bounds.cpu_seconds) {
            return Some((KillReason::Cpu, seconds, bounds.cpu_seconds));
        }
        if self.unreadable >= SANDBOX_UNREADABLE_MEASUREMENTS_MAX {
            return Some((KillReason::Hidden, 0, 0));
        }
        self.disk.as_mut()?.check(processes)
    }

    fn memory(&mut self, processes: &[Process]) -> u64 {
        let bytes: u64 = processes.iter().map(Process::memory_bytes).sum();
        let mut descriptors = 0_u64;
        let mut is_unreadable = false;
        for process in processes {
            descriptors += process.open_files().unwrap_or_else(|_| {
                is_unreadable = true;
                self.bounds.open_files
            });
        }
        self.unreadable = if is_unreadable {
            self.unreadable + 1
        } else {
            0
        };
        // The kernel holds the bound, and frees cached files first.
        if self.cgroup.is_some_and(Cgroup::limits_memory) {
            return 0;
        }
        let remaining = self.bounds.memory_bytes.saturating_sub(bytes);
        bytes.saturating_add(self.buffers.bytes(processes, descriptors, remaining))
    }

    /// The time until the next measurement; shorter near a bound, and never one that
    /// can be foreseen.
    pub(super) fn pause(&self) -> Duration {
        let near = self.memory_bytes
            > self
                .bounds
                .memory_bytes
                .saturating_div(100)
                .saturating_mul(SANDBOX_NEAR_PERCENT);
        let walking = self.disk.as_ref().is_some_and(DiskQuota::is_walking);
        let millis = match walking || near {
            true => SANDBOX_WATCH_NEAR_MILLIS_MAX,
            false => SANDBOX_WATCH_MILLIS_MAX,
        };
        let random = u64::from_str_radix(&SystemClock.new_id(), 16).unwrap_or(0);
        Duration::from_millis(millis - random % (millis / 2))
    }
}
