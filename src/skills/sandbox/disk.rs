//! What a skill's private folder holds. A walk over it costs as much as it has
//! files, so it is made only when its file system has lost a good part of what
//! the skill may have.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::statvfs::statvfs;

/// What a file takes beside its contents.
const ENTRY_BYTES: u64 = 512;
/// The part of the bound that may go before the folder is looked at again.
const STEP: u64 = 8;

/// A folder that may not outgrow a bound.
pub(super) struct Disk {
    folder: PathBuf,
    allowed_bytes: u64,
    /// What was free when the folder was looked at last: bytes, and files.
    free: Option<(u64, u64)>,
}

impl Disk {
    /// Watches `folder`.
    pub(super) fn new(folder: PathBuf, allowed_bytes: u64) -> Disk {
        Disk {
            folder,
            allowed_bytes,
            free: None,
        }
    }

    /// What the folder holds, if that is more than allowed.
    pub(super) fn broken(&mut self) -> Option<u64> {
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
            // Space that others gave back is no room of this skill's.
            self.free = self.free.map(|(a, b)| (a.max(free.0), b.max(free.1)));
            return None;
        }
        self.free = Some(free);
        let held = self.held();
        (held > self.allowed_bytes).then_some(held)
    }

    /// Bytes on the disk of everything in the folder; counting stops beyond the
    /// bound. Links are not followed.
    fn held(&self) -> u64 {
        let mut held = 0_u64;
        let mut open = vec![self.folder.clone()];
        while let Some(folder) = open.pop() {
            // What vanished meanwhile takes nothing.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                held += metadata.blocks() * 512 + ENTRY_BYTES;
                if metadata.is_dir() {
                    open.push(entry.path());
                }
            }
            if held > self.allowed_bytes {
                break;
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_it_counts_and_what_it_points_to_does_not() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).expect("made");
        fs::write(deep.join("file"), vec![1; 100_000]).expect("written");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("linked");
        let looked = |allowed| Disk::new(folder.path().to_owned(), allowed).broken();
        assert!(looked(50_000).is_some_and(|held| held > 100_000));
        assert_eq!(looked(500_000), None);
    }
}
