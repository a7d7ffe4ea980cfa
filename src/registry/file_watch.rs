//! Watches a few files for changes. Their folders are watched, so that creation,
//! replacement by a rename, and removal are noticed too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::limits;

/// A watch on files, and on the direct contents of folders.
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    /// Absent if the system has no watches left: then a change is reported
    /// periodically.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// The current paths of the files, also with links followed.
    wanted: Arc<Mutex<Vec<PathBuf>>>,
    changed: Arc<Notify>,
}

impl FileWatch {
    /// Watches `files`, which may be folders, from the first [`FileWatch::arm`] on.
    pub(crate) fn new(files: Vec<PathBuf>) -> FileWatch {
        let changed = Arc::new(Notify::new());
        let wanted = Arc::new(Mutex::new(files.clone()));
        let (tell, of) = (changed.clone(), wanted.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let wanted = of.lock().unwrap_or_else(PoisonError::into_inner);
            // An error may hide a change.
            if event.map_or(true, |event| concerns(&event, &wanted)) {
                tell.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "folders cannot be watched: files are polled instead");
        }
        FileWatch {
            files,
            watcher: watcher.ok(),
            watched: BTreeSet::new(),
            wanted,
            changed,
        }
    }

    /// Watches the current folders of the files. To be called each time before the
    /// files are read, because a folder may have been replaced.
    pub(crate) fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut wanted = self.files.clone();
        wanted.extend(
            self.files
                .iter()
                .filter_map(|file| file.canonicalize().ok()),
        );
        let folders: BTreeSet<PathBuf> = wanted
            .iter()
            .filter_map(|file| nearest_folder(file))
            .collect();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        for folder in &self.watched {
            // A removed folder has no watch any more.
            let _ = watcher.unwatch(folder);
        }
        let all = folders
            .iter()
            .try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive));
        self.watched = folders;
        if let Err(error) = all {
            tracing::warn!(%error, "folders cannot be watched: files are polled instead");
            self.watcher = None;
        }
    }

    /// Waits for the next change, and a moment longer for the writer to finish.
    pub(crate) async fn changed(&self) {
        let pause = Duration::from_millis(limits::RELOAD_POLL_MILLIS_MAX);
        match self.watcher {
            Some(_) => self.changed.notified().await,
            None => tokio::time::sleep(pause).await,
        }
        tokio::time::sleep(Duration::from_millis(limits::RELOAD_SETTLE_MILLIS)).await;
    }
}

/// The nearest existing folder of `file`, which may be one itself.
fn nearest_folder(file: &Path) -> Option<PathBuf> {
    let folder = file.ancestors().find(|above| above.is_dir());
    folder.map(Path::to_owned)
}

/// Whether the event may have changed one of `wanted`. Reading is no change: we read
/// the files ourselves.
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
