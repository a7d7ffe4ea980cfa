//! Bounds the size of a skill's private folder where the system bounds no folder. It is
//! walked after the free space of its file system has shrunk, some files at a time.

use std::fs::{self, ReadDir};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits::{SANDBOX_FOLDER_DEPTH_MAX, SANDBOX_WALK_ENTRIES_MAX};
use crate::platform::free_bytes;

/// The space of a file beside its contents.
const ENTRY_BYTES: u64 = 512;
/// The unit of `blocks`.
const BLOCK_BYTES: u64 = 512;
/// The folder is walked after this fraction of the bound has been used.
const STEP: u64 = 8;

pub(super) struct FolderSize {
    folder: PathBuf,
    allowed_bytes: u64,
    /// Free bytes when the last walk began.
    free: Option<u64>,
    /// The folders that the walk is in, the innermost one last; none between walks.
    walk: Vec<ReadDir>,
    bytes: u64,
}

impl FolderSize {
    pub(super) fn new(folder: &Path, allowed_bytes: u64) -> FolderSize {
        FolderSize {
            folder: folder.to_owned(),
            allowed_bytes,
            free: None,
            walk: Vec::new(),
            bytes: 0,
        }
    }

    /// Continues or begins a walk where one is needed; the size where it exceeds the bound.
    pub(super) fn check(&mut self) -> Option<u64> {
        if self.walk.is_empty() {
            let free = free_bytes(&self.folder)?;
            let used = self.free.map(|before| before.saturating_sub(free));
            if used.is_some_and(|used| used < self.allowed_bytes / STEP) {
                // Space that others have freed is no reason to walk later.
                self.free = self.free.max(Some(free));
                return None;
            }
            self.free = Some(free);
            self.bytes = 0;
            self.walk.extend(fs::read_dir(&self.folder));
        }
        for _ in 0..SANDBOX_WALK_ENTRIES_MAX {
            let Some(entry) = self.walk.last_mut()?.next() else {
                self.walk.pop();
                continue;
            };
            // What is gone meanwhile counts nothing. A link is not followed.
            let Some((entry, found)) = entry.ok().and_then(|entry| {
                let found = entry.metadata().ok()?;
                Some((entry, found))
            }) else {
                continue;
            };
            let bytes = found.blocks().saturating_mul(BLOCK_BYTES);
            self.bytes = self.bytes.saturating_add(bytes.saturating_add(ENTRY_BYTES));
            if self.bytes > self.allowed_bytes {
                self.walk.clear();
                return Some(self.bytes);
            }
            if found.is_dir() && self.walk.len() < SANDBOX_FOLDER_DEPTH_MAX {
                self.walk.extend(fs::read_dir(entry.path()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ALLOWED: u64 = 1024 * 1024;

    /// The size that a walk of some steps finds.
    fn found(folder: &Path) -> Option<u64> {
        let mut size = FolderSize::new(folder, ALLOWED);
        (0..8).find_map(|_| size.check())
    }

    #[test]
    fn a_folder_is_as_large_as_what_is_in_it_and_below() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("outside")).expect("made");
        fs::create_dir_all(at("own/a/b")).expect("made");
        fs::write(at("outside/large"), vec![1; 2 * 1024 * 1024]).expect("written");
        symlink(at("outside"), at("own/link")).expect("linked");
        fs::write(at("own/a/b/small"), vec![1; 700 * 1024]).expect("written");
        assert_eq!(found(&at("own")), None);
        fs::write(at("own/a/other"), vec![1; 700 * 1024]).expect("written");
        let found = found(&at("own")).expect("too large");
        assert!(found > ALLOWED, "{found}");
    }

    #[test]
    fn many_empty_files_are_large() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = ALLOWED / ENTRY_BYTES + 1;
        for number in 0..files {
            fs::write(folder.path().join(number.to_string()), "").expect("written");
        }
        let mut size = FolderSize::new(folder.path(), ALLOWED);
        assert_eq!(size.check(), None, "a walk takes several steps");
        assert!((0..8).any(|_| size.check().is_some()));
    }
}
