//! The lease on an execution: a store that holds a locked file beside the
//! database. The kernel releases the lock when the process ends, however it ends,
//! so a lease needs no clock and never expires under a slow process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::files::with_ending;
use crate::platform;
use crate::store::StoreError;

/// This store as an owner. Dropping it releases everything that it owns.
pub(crate) struct Owner {
    /// The value of `execution.owner`.
    pub(super) id: String,
    lock_path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Owner {
    /// `id` must be unique.
    pub(super) fn new(database: &Path, id: String) -> Result<Owner, StoreError> {
        let lock_path = lock_path(database, &id);
        let file = open(&lock_path, true).map_err(|error| cannot_lock(&lock_path, &error))?;
        file.try_lock()
            .map_err(|error| cannot_lock(&lock_path, &error))?;
        Ok(Owner {
            id,
            lock_path,
            _file: file,
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // `is_gone` removes a file that remains.
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Whether the owner `id` has ended. Removes the lock file that it left.
pub(super) fn is_gone(database: &Path, id: &str) -> bool {
    let path = lock_path(database, id);
    let file = match open(&path, false) {
        Ok(file) => file,
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    };
    match file.try_lock() {
        Ok(()) => {
            let _ = std::fs::remove_file(&path);
            true
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn lock_path(database: &Path, id: &str) -> PathBuf {
    with_ending(database, &format!("-owner-{id}"))
}

fn open(path: &Path, create: bool) -> std::io::Result<File> {
    let mut options = platform::private_options();
    options.read(true).write(true).create(create).open(path)
}

fn cannot_lock(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable {
        reason: format!("{} cannot be locked: {error}", path.display()),
        hint: "check the folder and its permissions; it must be on a local disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("mimo.db");
        assert!(is_gone(&database, "nobody"));
        let owner = Owner::new(&database, "one".to_owned()).expect("an owner");
        assert!(!is_gone(&database, "one"));
        drop(owner);
        assert!(is_gone(&database, "one"));
        // A killed process leaves the file without the lock.
        std::fs::write(lock_path(&database, "dead"), "").expect("a file");
        assert!(is_gone(&database, "dead"));
        assert!(!lock_path(&database, "dead").exists());
    }
}
