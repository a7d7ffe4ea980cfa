//! Bounds the size of a skill's private folder. Walking it is costly, so that is done
//! only after the free space of its file system has shrunk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::statvfs::statvfs;

/// The space of a file beside its contents.
const ENTRY_BYTES: u64 = 512;
/// The folder is walked after this fraction of the bound has been used.
const STEP: u64 = 8;

/// A folder with a maximum size.
pub(super) struct DiskQuota {
    folder: PathBuf,
    allowed_bytes: u64,
    /// Free bytes and files at the last walk.
    free: Option<(u64, u64)>,
}

impl DiskQuota {
    pub(super) fn new(folder: PathBuf, allowed_bytes: u64) -> DiskQuota {
        DiskQuota {
            folder,
            allowed_bytes,
            free: None,
        }
    }

    /// The size of the folder, if it is more than allowed.
    pub(super) fn exceeded(&mut self) -> Option<u64> {
        let found = statvfs(&self.folder).ok()?;
        let free = (
            found.blocks_free().saturating_mul(found.fragment_size()),
            found.files_free(),
        );
        let step = self.allowed_bytes / STEP;
        let shrank = |(bytes, files): (u64, u64)| {
            bytes.saturating_sub(free.0) > step
                || files.saturating_sub(free.1).saturating_mul(ENTRY_BYTES) > step
        };
        if self.free.is_some_and(|before| !shrank(before)) {
            // Space that others freed does not count for this skill.
            self.free = self.free.map(|(a, b)| (a.max(free.0), b.max(free.1)));
            return None;
        }
        self.free = Some(free);
        let size = self.size();
        (size > self.allowed_bytes).then_some(size)
    }

    /// The bytes on disk of everything in the folder; counting stops beyond the
    /// bound. Links are not followed.
    fn size(&self) -> u64 {
        let mut size = 0_u64;
        let mut open = vec![self.folder.clone()];
        while let Some(folder) = open.pop() {
            // A file that has vanished meanwhile takes no space.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                size += metadata.blocks() * 512 + ENTRY_BYTES;
                if metadata.is_dir() {
                    open.push(entry.path());
                }
            }
            if size > self.allowed_bytes {
                break;
            }
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_and_targets_of_links_do_not() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).expect("made");
        fs::write(deep.join("file"), vec![1; 100_000]).expect("written");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("linked");
        let exceeded = |allowed| DiskQuota::new(folder.path().to_owned(), allowed).exceeded();
        assert!(exceeded(50_000).is_some_and(|size| size > 100_000));
        assert_eq!(exceeded(500_000), None);
    }
}
