//! Bounds what a skill keeps on disk: its private folder, and files that it has deleted
//! but still holds. Walking the folder is costly, so that is done only after the free
//! space of its file system has shrunk, and only for some milliseconds at a time.

use std::fs::ReadDir;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::descriptors::OpenFiles;
use super::excess::Excess;
use super::folder;
use super::policy::KillReason;
use super::tree::Process;
use crate::limits::{SANDBOX_FOLDER_DEPTH_MAX, SANDBOX_WALK_MILLIS_MAX};

/// The space of a file beside its contents.
const ENTRY_BYTES: u64 = 512;
/// The folder is walked after this fraction of the bound, or this many files, have been
/// used.
const STEP: u64 = 8;
const STEP_FILES: u64 = 4_096;
/// A walk may take this many times longer where much was used since it began.
const BUSY_WALK_FACTOR: u64 = 20;
/// The clock is asked once for this many files.
const PORTION: usize = 64;

/// A folder with a maximum size.
pub(super) struct DiskQuota {
    folder: PathBuf,
    allowed_bytes: u64,
    /// Free bytes and files when the last walk began.
    free: Option<(u64, u64)>,
    /// The walk that is not finished.
    walk: Option<Walk>,
}

impl DiskQuota {
    pub(super) fn new(folder: PathBuf, allowed_bytes: u64) -> DiskQuota {
        DiskQuota {
            folder,
            allowed_bytes,
            free: None,
            walk: None,
        }
    }

    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Continues or begins a walk where one is needed; the bound that is exceeded.
    pub(super) fn check(&mut self, processes: &[Process]) -> Option<Excess> {
        let used_steps = self.used_steps()?;
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None if used_steps == 0 => return None,
            None => Walk::new(&self.folder).ok()?,
        };
        let millis = SANDBOX_WALK_MILLIS_MAX.saturating_mul(used_steps.clamp(1, BUSY_WALK_FACTOR));
        let deadline = Instant::now() + Duration::from_millis(millis);
        let too_large = |bytes: u64| {
            let excess = (KillReason::Disk, bytes, self.allowed_bytes);
            (bytes > self.allowed_bytes).then_some(excess)
        };
        match walk.proceed(deadline, self.allowed_bytes) {
            Progress::Unfinished => {
                self.walk = Some(walk);
                None
            }
            Progress::TooDeep => {
                let allowed = SANDBOX_FOLDER_DEPTH_MAX as u64;
                Some((KillReason::Depth, allowed + 1, allowed))
            }
            Progress::Finished => {
                let deleted = OpenFiles::of(processes).deleted_bytes(processes);
                too_large(walk.bytes.saturating_add(deleted))
            }
        }
    }

    /// How often a fraction of the bound was used since the last walk began; 0 also
    /// while a first one is not needed. `None` if the file system does not answer.
    fn used_steps(&mut self) -> Option<u64> {
        let found = statvfs(&self.folder).ok()?;
        let free = (
            found.blocks_free().saturating_mul(found.fragment_size()),
            found.files_free(),
        );
        let Some((bytes, files)) = self.free else {
            self.free = Some(free);
            return Some(1);
        };
        let steps = bytes.saturating_sub(free.0) / (self.allowed_bytes / STEP).max(1);
        let steps = steps.max(files.saturating_sub(free.1) / STEP_FILES);
        self.free = match steps > 0 && self.walk.is_none() {
            true => Some(free),
            // Space that others freed does not count for this skill.
            false => Some((bytes.max(free.0), files.max(free.1))),
        };
        Some(steps)
    }
}

/// A walk through a folder that can be interrupted. It holds two descriptors for each
/// level, so folders that are moved meanwhile do not lead it elsewhere.
struct Walk {
    levels: Vec<Level>,
    /// The space of everything seen so far.
    bytes: u64,
}

struct Level {
    folder: OwnedFd,
    entries: ReadDir,
}

enum Progress {
    Unfinished,
    /// Or stopped because it is too large.
    Finished,
    TooDeep,
}

impl Walk {
    fn new(path: &Path) -> io::Result<Walk> {
        let level = Level::new(folder::open(path)?)?;
        Ok(Walk {
            levels: vec![level],
            bytes: 0,
        })
    }

    /// Links are not followed.
    fn proceed(&mut self, deadline: Instant, allowed_bytes: u64) -> Progress {
        let mut seen = 0_usize;
        while let Some(level) = self.levels.last_mut() {
            // A folder that cannot be read further ends here.
            let Some(Ok(entry)) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            // A file that has vanished meanwhile takes no space.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            self.bytes += metadata.blocks() * 512 + ENTRY_BYTES;
            if metadata.is_dir() {
                let inner = folder::open_in(&level.folder, &entry.file_name());
                if self.levels.len() > SANDBOX_FOLDER_DEPTH_MAX {
                    return Progress::TooDeep;
                }
                self.levels.extend(inner.and_then(Level::new));
            }
            seen += 1;
            if self.bytes > allowed_bytes {
                return Progress::Finished;
            }
            if seen.is_multiple_of(PORTION) && Instant::now() >= deadline {
                return Progress::Unfinished;
            }
        }
        Progress::Finished
    }
}

impl Level {
    fn new(folder: OwnedFd) -> io::Result<Level> {
        let entries = folder::entries(&folder)?;
        Ok(Level { folder, entries })
    }
}

/// Removes what lies too deep in the folder `path`, which would get its skill killed
/// again.
pub(super) fn remove_too_deep(path: &Path) -> io::Result<()> {
    let top = folder::open(path)?;
    folder::finish_removals(&top)?;
    let mut levels = vec![Level::new(folder::open(path)?)?];
    while let Some(level) = levels.last_mut() {
        let Some(Ok(entry)) = level.entries.next() else {
            levels.pop();
            continue;
        };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if levels.len() > SANDBOX_FOLDER_DEPTH_MAX {
            folder::remove(&top, &levels[levels.len() - 1].folder, &entry.file_name())?;
            continue;
        }
        let inner = folder::open_in(&levels[levels.len() - 1].folder, &entry.file_name());
        levels.extend(inner.and_then(Level::new));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_count_and_targets_of_links_do_not() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).expect("made");
        fs::write(deep.join("file"), vec![1; 100_000]).expect("written");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("linked");
        let exceeded = |allowed| DiskQuota::new(folder.path().to_owned(), allowed).check(&[]);
        let found = exceeded(50_000).expect("too large");
        assert!(
            found.0 == KillReason::Disk && found.1 > 100_000,
            "{found:?}"
        );
        assert_eq!(exceeded(500_000), None);
    }

    /// A walk without time left ends after a portion and continues there.
    #[test]
    fn interrupted_walk_counts_everything_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in 0..5 * PORTION {
            let inner = folder.path().join(format!("{}/{name}", name % 7));
            fs::create_dir_all(&inner).expect("made");
        }
        let whole = |deadline| {
            let mut walk = Walk::new(folder.path()).expect("it opens");
            let mut rounds = 1;
            while matches!(walk.proceed(deadline, u64::MAX), Progress::Unfinished) {
                rounds += 1;
            }
            (walk.bytes, rounds)
        };
        let now = Instant::now();
        let (bytes, rounds) = whole(now);
        assert_eq!(rounds, 1 + (7 + 5 * PORTION) / PORTION);
        assert_eq!((bytes, 1), whole(now + Duration::from_secs(3_600)));
    }
}
