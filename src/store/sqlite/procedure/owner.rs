//! Who drives an execution: a store with a locked file beside the database. The
//! kernel lets the lock go when its process ends, however it ends, so a lease
//! needs no clock and never runs out under a process that is only slow.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// This store as an owner. Dropping it lets everything it owns go.
pub struct Owner {
    /// What stands in the owner's column.
    pub id: String,
    place: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Owner {
    /// Becomes an owner under `id`, which nobody else has.
    pub fn new(database: &Path, id: String) -> Result<Owner, StoreError> {
        let place = place(database, &id);
        let file = open(&place, true).map_err(|error| unusable(&place, &error))?;
        file.try_lock().map_err(|error| unusable(&place, &error))?;
        Ok(Owner {
            id,
            place,
            _file: file,
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays is taken for what it is by the next who looks.
        let _ = std::fs::remove_file(&self.place);
    }
}

/// Whether the owner `id` is gone; its file goes with it.
pub fn is_gone(database: &Path, id: &str) -> bool {
    let place = place(database, id);
    let file = match open(&place, false) {
        Ok(file) => file,
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    };
    match file.try_lock() {
        Ok(()) => {
            let _ = std::fs::remove_file(&place);
            true
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn place(database: &Path, id: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-owner-");
    name.push(id);
    PathBuf::from(name)
}

fn open(place: &Path, create: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).mode(0o600);
    options.open(place)
}

fn unusable(place: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable {
        reason: format!("{} cannot be locked: {error}", place.display()),
        hint: "check the folder and its permissions; it must be on a local disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_there_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("mimo.db");
        assert!(is_gone(&database, "nobody"));
        let owner = Owner::new(&database, "one".to_owned()).expect("an owner");
        assert!(!is_gone(&database, "one"));
        drop(owner);
        assert!(is_gone(&database, "one"));
        // As a process that was killed leaves it: the file without the lock.
        std::fs::write(place(&database, "dead"), "").expect("a file");
        assert!(is_gone(&database, "dead"));
        assert!(!place(&database, "dead").exists(), "it was cleared away");
    }
}
