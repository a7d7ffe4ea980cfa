//! Finds which layers of the sandbox this machine supports, by running a sandbox without a program
//! once in each process.

use std::path::Path;
use std::sync::OnceLock;

use super::sandbox::policy::{Bounds, Layers, NetworkAccess, Policy, Report};
use super::supervised;
use crate::limits::{SKILL_OPEN_FILES_DEFAULT, SKILL_PROCESSES_DEFAULT};

/// The layers that this machine supports. `executable` is Mimo itself.
pub fn layers(executable: &Path) -> Layers {
    static FOUND: OnceLock<Layers> = OnceLock::new();
    FOUND.get_or_init(|| probe(executable)).clone()
}

/// Any step of the chain can be refused, so all of it has to run.
fn probe(executable: &Path) -> Layers {
    let policy = Policy {
        gateway: nix::unistd::Pid::this().as_raw(),
        program: None,
        arguments: Vec::new(),
        environment: Vec::new(),
        state_folder: None,
        working_folder: None,
        read: Vec::new(),
        write: Vec::new(),
        installed: Vec::new(),
        asked: Vec::new(),
        network: NetworkAccess::None,
        bounds: Bounds {
            memory_bytes: u64::MAX / 4,
            cpu_seconds: u64::MAX / 4,
            processes: SKILL_PROCESSES_DEFAULT,
            open_files: SKILL_OPEN_FILES_DEFAULT,
            file_bytes: 0,
            disk_bytes: u64::MAX,
        },
        listen: Vec::new(),
        unix_sockets: false,
        daemon_socket: false,
        strict: false,
    };
    let Ok(mut launched) = supervised::launch_policy(executable, &policy) else {
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
