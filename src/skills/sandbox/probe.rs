//! Which layers this machine gives: the whole chain, once, with nothing to run
//! in it, remembered for the process.

use std::path::Path;
use std::sync::OnceLock;

use super::policy::{Bounds, Layers, NetworkAccess, Policy, Report};
use crate::skills::launcher;

/// The layers of this machine. `executable` is Mimo itself.
pub fn layers(executable: &Path) -> Layers {
    static FOUND: OnceLock<Layers> = OnceLock::new();
    FOUND.get_or_init(|| probe(executable)).clone()
}

/// Refusals show anywhere in the chain, so nothing less than all of it tells.
fn probe(executable: &Path) -> Layers {
    let policy = Policy {
        gateway: nix::unistd::Pid::this().as_raw(),
        program: None,
        arguments: Vec::new(),
        environment: Vec::new(),
        state_folder: None,
        read: Vec::new(),
        write: Vec::new(),
        reach: NetworkAccess::Nobody,
        bounds: Bounds {
            memory_bytes: u64::MAX / 4,
            cpu_seconds: u64::MAX / 4,
            processes: 64,
            open_files: 64,
            file_bytes: 0,
            disk_bytes: u64::MAX,
        },
        local_sockets: false,
        strict: false,
    };
    let Ok(mut launched) = launcher::launch_policy(executable, &policy) else {
        return Layers::default();
    };
    loop {
        match launched.reports.next() {
            Ok(Some(Report::Started { layers } | Report::Failed { layers, .. })) => return layers,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Layers::default(),
        }
    }
}
