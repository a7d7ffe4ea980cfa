//! The processes of a sandbox. macOS has no group of processes that none can leave, so
//! they are found by their parents, by their session, and by having been found before.

use std::collections::{BTreeMap, BTreeSet};

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getsid};

use super::process::{self, ProcessInfo};
use crate::limits::{SANDBOX_SWEEP_MILLIS_MAX, SANDBOX_SWEEPS_MAX};

pub(super) struct Tree {
    /// The session of the supervisor.
    session: Pid,
    /// The skill's own process, where it runs.
    skill: Option<Pid>,
    /// When each one that was found started.
    found: BTreeMap<i32, (u64, u64)>,
}

impl Tree {
    pub(super) fn new(session: Pid, skill: Option<Pid>) -> Tree {
        Tree {
            session,
            skill,
            found: BTreeMap::new(),
        }
    }

    /// Its processes that have not ended, without this one.
    pub(super) fn processes(&mut self) -> Vec<(i32, ProcessInfo)> {
        let own = Pid::this().as_raw();
        let pids = process::pids().into_iter().filter(|pid| *pid != own);
        let mut others: Vec<(i32, ProcessInfo)> = pids
            .filter_map(|pid| Some((pid, process::examine(pid)?)))
            .collect();
        let is_known = |pid: i32, seen: &ProcessInfo| {
            self.found.get(&pid) == Some(&seen.started)
                || self.skill == Some(Pid::from_raw(pid))
                || getsid(Some(Pid::from_raw(pid))) == Ok(self.session)
        };
        let known = others.iter().filter(|(pid, seen)| is_known(*pid, seen));
        let mut members: BTreeSet<i32> = known.map(|(pid, _)| *pid).collect();
        loop {
            let before = members.len();
            for (pid, seen) in &others {
                if members.contains(&seen.parent) {
                    members.insert(*pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        others.retain(|(pid, _)| members.contains(pid));
        let found = others.iter().map(|(pid, seen)| (*pid, seen.started));
        self.found = found.collect();
        others
    }

    pub(super) fn signal_each(&mut self, signal: Signal) {
        for (pid, _) in self.processes() {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Kills its processes until none is left.
    pub(super) fn end(&mut self) {
        for _ in 0..SANDBOX_SWEEPS_MAX {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for (pid, _) in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            // Our own children stay until they are waited for, the system reaps the others.
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG))
                && status != WaitStatus::StillAlive
            {}
            let _ = poll(&mut [], PollTimeout::from(SANDBOX_SWEEP_MILLIS_MAX));
        }
    }
}
