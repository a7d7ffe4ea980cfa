//! The CPU time of a tree. Children whose parent ignores SIGCHLD are added to no count
//! of `/proc`, so beside the count it is estimated from which threads run at each
//! measurement.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::tree::{Process, TreeView};
use crate::limits::{SANDBOX_CPU_ESTIMATE_PERCENT, SANDBOX_CPU_ESTIMATE_SECONDS};

#[derive(Default)]
pub(super) struct CpuTime {
    counted_seconds: u64,
    estimated: Duration,
}

impl CpuTime {
    /// Takes the exact time, where something else has measured it.
    pub(super) fn set(&mut self, exact: Duration) {
        self.counted_seconds = exact.as_secs();
    }

    /// `elapsed` is the time since the last measurement. It has to vary, or a child
    /// could always rest when it is seen.
    pub(super) fn measure(&mut self, view: &TreeView, processes: &[Process], elapsed: Duration) {
        let ticks: u64 = processes.iter().map(Process::cpu_ticks).sum();
        let second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let second = u64::try_from(second).unwrap_or(100).max(1);
        self.counted_seconds = (ticks + view.reaped_ticks()) / second;
        let running: f64 = processes.iter().map(Process::running).sum();
        self.estimated += elapsed.mul_f64(running);
    }

    /// The seconds used, if they are more than `allowed`. The estimate may be too high,
    /// so it has to be clear.
    pub(super) fn exceeded(&self, allowed: u64) -> Option<u64> {
        let estimated = self.estimated.as_secs();
        let clearly = allowed
            .saturating_div(100)
            .saturating_mul(SANDBOX_CPU_ESTIMATE_PERCENT)
            .max(allowed)
            .saturating_add(SANDBOX_CPU_ESTIMATE_SECONDS);
        match estimated > clearly {
            true => Some(estimated.max(self.counted_seconds)),
            false => (self.counted_seconds > allowed).then_some(self.counted_seconds),
        }
    }
}
