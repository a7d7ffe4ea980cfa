//! The layers of systems on which skills do not run.

use super::policy::Layer;

/// Groups whose members are root, or may become it.
pub(in crate::skills) const ROOT_GROUPS: &[u32] = &[0];

pub(super) const LAYERS: &[Layer] = &[
    Layer::Network,
    Layer::Rlimits,
    Layer::Watchdog,
    Layer::Orphans,
];
