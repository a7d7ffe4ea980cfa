//! A temporary folder of the demo.

use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::config::private_folder;
use crate::failure::Failure;

/// Removed when it is dropped.
pub(super) struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    pub(super) fn make(parent: &Path, clock: &dyn Clock) -> Result<Self, Failure> {
        let name = format!("mimo-demo-{}", clock.new_id());
        let path = parent.join(name);
        private_folder(&path)?;
        Ok(TemporaryFolder(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nothing can be done about a temporary folder that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
