//! Whether something happened to a few files: their folders are watched, so
//! that one which is made, replaced by a rename or removed is seen as well. What
//! is in the files is not looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::limits;

/// A watch over some files and over what lies in some folders.
pub struct FileWatch {
    files: Vec<PathBuf>,
    /// Absent where this machine has no more watches to give: then time passing
    /// counts as a change.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Where the files really are by now: links followed.
    wanted: Arc<Mutex<Vec<PathBuf>>>,
    changed: Arc<Notify>,
}

impl FileWatch {
    /// Watches `files` (a folder counts with what lies directly in it), from
    /// the first [`FileWatch::arm`] on.
    pub fn new(files: Vec<PathBuf>) -> FileWatch {
        let changed = Arc::new(Notify::new());
        let wanted = Arc::new(Mutex::new(files.clone()));
        let (tell, of) = (changed.clone(), wanted.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let wanted = of.lock().unwrap_or_else(PoisonError::into_inner);
            // What cannot be told may have been a change.
            if event.map_or(true, |event| concerns(&event, &wanted)) {
                tell.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "folders cannot be watched: files are looked at now and then");
        }
        FileWatch {
            files,
            watcher: watcher.ok(),
            watched: BTreeSet::new(),
            wanted,
            changed,
        }
    }

    /// Watches the folders in which the files are now, or will be. To be called
    /// before the files are read, each time: a folder may have been replaced.
    pub fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut wanted = self.files.clone();
        wanted.extend(
            self.files
                .iter()
                .filter_map(|file| file.canonicalize().ok()),
        );
        let folders: BTreeSet<PathBuf> = wanted.iter().filter_map(|file| nearest(file)).collect();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        for folder in &self.watched {
            // One that is gone has no watch any more.
            let _ = watcher.unwatch(folder);
        }
        let all = folders
            .iter()
            .try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive));
        self.watched = folders;
        if let Err(error) = all {
            tracing::warn!(%error, "folders cannot be watched: files are looked at now and then");
            self.watcher = None;
        }
    }

    /// Waits for the next change, and until what made it is likely done.
    pub async fn changed(&self) {
        let pause = Duration::from_millis(limits::RELOAD_LOOK_MILLIS_MAX);
        match self.watcher {
            Some(_) => self.changed.notified().await,
            None => tokio::time::sleep(pause).await,
        }
        tokio::time::sleep(Duration::from_millis(limits::RELOAD_SETTLE_MILLIS)).await;
    }
}

/// The folder of `file`, or `file` itself if it is a folder, or what of it
/// exists already.
fn nearest(file: &Path) -> Option<PathBuf> {
    let folder = file.ancestors().find(|above| above.is_dir());
    folder.map(Path::to_owned)
}

/// Whether the event may have changed one of `wanted`. That somebody reads is no
/// change: we do so ourselves.
fn concerns(event: &Event, wanted: &[PathBuf]) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    if matches!(event.kind, EventKind::Access(kind) if kind != written) {
        return false;
    }
    let near = |path: &PathBuf| {
        let of = |file: &PathBuf| file.starts_with(path) || path.parent() == Some(file);
        wanted.iter().any(of)
    };
    event.need_rescan() || event.paths.iter().any(near)
}
