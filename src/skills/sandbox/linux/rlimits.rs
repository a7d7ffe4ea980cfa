//! The layer of resource limits for each process. The watchdog limits the tree.

use nix::sys::resource::{Resource, setrlimit};

use super::policy::{Bounds, Layer, LayerState, Layers};
use crate::limits::{
    SANDBOX_DATA_FACTOR, SANDBOX_LOCKED_BYTES_MAX, SANDBOX_QUEUES_BYTES_MAX, SANDBOX_SIGNALS_MAX,
};

/// Sets the hard and soft limits. Called inside the user namespace, where only the
/// sandbox's processes count.
pub(super) fn set(bounds: &Bounds, layers: &mut Layers) {
    let data = bounds.memory_bytes.saturating_mul(SANDBOX_DATA_FACTOR);
    let wanted = [
        (Resource::RLIMIT_DATA, data),
        (Resource::RLIMIT_NPROC, bounds.processes),
        (Resource::RLIMIT_NOFILE, bounds.open_files),
        (Resource::RLIMIT_FSIZE, bounds.file_bytes),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_CPU, bounds.cpu_seconds),
        (Resource::RLIMIT_MSGQUEUE, SANDBOX_QUEUES_BYTES_MAX),
        (Resource::RLIMIT_SIGPENDING, SANDBOX_SIGNALS_MAX),
        (Resource::RLIMIT_MEMLOCK, SANDBOX_LOCKED_BYTES_MAX),
    ];
    let refused: Vec<String> = wanted
        .into_iter()
        .filter_map(|(resource, value)| lower(resource, value).err())
        .collect();
    match refused.is_empty() {
        true => layers.set(
            Layer::Rlimits,
            LayerState::Enforced,
            "data, processes, files, file size, core, CPU, signals, locked memory",
        ),
        false => layers.set(Layer::Rlimits, LayerState::Partial, refused.join(", ")),
    }
}

/// Sets a limit unless it is lower already.
fn lower(resource: Resource, value: u64) -> Result<(), String> {
    let failed = |error| format!("{resource:?}: {error}");
    let (_, hard) = nix::sys::resource::getrlimit(resource).map_err(failed)?;
    let value = value.min(hard);
    setrlimit(resource, value, value).map_err(failed)
}
