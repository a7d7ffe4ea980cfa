//! Measures what the processes of a sandbox use and compares it with their bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::{Bounds, KillReason, Policy, Report};
use super::process::ProcessInfo;
use super::size::FolderSize;
use crate::clock::{Clock, SystemClock};
use crate::limits::{
    SANDBOX_NEAR_PERCENT, SANDBOX_WATCH_MILLIS_MAX, SANDBOX_WATCH_NEAR_MILLIS_MAX,
};

pub(super) struct Watchdog {
    bounds: Bounds,
    memory_bytes: u64,
    /// The CPU time of the processes that ran at the last look.
    running: BTreeMap<(i32, (u64, u64)), u64>,
    /// That of those that have ended, as it was last seen.
    ended_nanos: u64,
    folder: Option<FolderSize>,
}

impl Watchdog {
    pub(super) fn new(policy: &Policy) -> Watchdog {
        let bounds = policy.bounds;
        let folder = policy.state_folder.as_ref();
        Watchdog {
            bounds,
            folder: folder.map(|folder| FolderSize::new(folder, bounds.disk_bytes)),
            memory_bytes: 0,
            running: BTreeMap::new(),
            ended_nanos: 0,
        }
    }

    /// Measures `processes`; gives the report where they have to be killed.
    pub(super) fn measure(&mut self, processes: &[(i32, ProcessInfo)]) -> Option<Report> {
        let sum = |part: fn(&ProcessInfo) -> u64| {
            let parts = processes.iter().map(|(_, seen)| part(seen));
            parts.fold(0, u64::saturating_add)
        };
        self.memory_bytes = sum(|seen| seen.memory_bytes);
        let running = processes.iter();
        let running = running.map(|(pid, seen)| ((*pid, seen.started), seen.cpu_nanos));
        let before = std::mem::replace(&mut self.running, running.collect());
        for (key, nanos) in before {
            if !self.running.contains_key(&key) {
                self.ended_nanos = self.ended_nanos.saturating_add(nanos);
            }
        }
        let nanos = self.ended_nanos.saturating_add(sum(|seen| seen.cpu_nanos));
        let cpu_seconds = nanos / 1_000_000_000;
        let bounds = self.bounds;
        let disk = self.folder.as_mut().and_then(FolderSize::check);
        let counted = [
            (KillReason::Memory, self.memory_bytes, bounds.memory_bytes),
            (
                KillReason::Processes,
                sum(|seen| seen.threads),
                bounds.processes,
            ),
            (KillReason::Cpu, cpu_seconds, bounds.cpu_seconds),
            (KillReason::Disk, disk.unwrap_or(0), bounds.disk_bytes),
        ];
        let exceeded = counted
            .into_iter()
            .find(|(_, measured, allowed)| measured > allowed);
        exceeded.map(|(reason, measured, allowed)| Report::Killed {
            reason,
            measured,
            allowed,
        })
    }

    /// The time until the next measurement; shorter near a bound, and never one that
    /// can be foreseen.
    pub(super) fn pause(&self) -> Duration {
        let near = self.bounds.memory_bytes / 100;
        let millis = match self.memory_bytes > near.saturating_mul(SANDBOX_NEAR_PERCENT) {
            true => SANDBOX_WATCH_NEAR_MILLIS_MAX,
            false => SANDBOX_WATCH_MILLIS_MAX,
        };
        let random = u64::from_str_radix(&SystemClock.new_id(), 16).unwrap_or(0);
        Duration::from_millis(millis - random % (millis / 2))
    }
}
