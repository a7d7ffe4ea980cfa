//! What stands where there is no Linux kernel: no layer at all, and it says so.

use std::path::Path;

use super::policy::{Layer, LayerState, Layers};

/// Every layer, absent, with the reason.
pub fn layers(_executable: &Path) -> Layers {
    let why = "Mimo's sandbox is built on the Linux kernel";
    let absent = |layer| (layer, LayerState::Absent, why.to_owned());
    Layers(Layer::ALL.map(absent).to_vec())
}
