//! Reads the manifest's file so that neither a pipe nor another account's link
//! can mislead us.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::limits::SKILLS_FILE_BYTES_MAX;
use crate::platform;
use crate::skills::refusal::{Class, Refusal};

/// The bytes of the file; `None` where it is missing.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Refusal> {
    let refused = |why: String, fix: &str| Refusal::new(Class::File, why, fix);
    let unreadable = |error: io::Error| {
        refused(
            format!("cannot be read: {error}"),
            "check whether your account may read it",
        )
    };
    let file = match platform::open_at_once(path) {
        Ok(file) => file,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    trusted(&file, path)?;
    let mut bytes = Vec::new();
    file.take(SKILLS_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match bytes.len() > SKILLS_FILE_BYTES_MAX {
        true => Err(refused(
            format!("is longer than {SKILLS_FILE_BYTES_MAX} bytes"),
            "keep only skills in it",
        )),
        false => Ok(Some(bytes)),
    }
}

/// Checks the opened file, since the path may mean another one by now.
fn trusted(file: &File, path: &Path) -> Result<(), Refusal> {
    let refused = |why: &str, fix: String| Err(Refusal::new(Class::File, why, fix));
    let unreadable = |error: io::Error| {
        Refusal::new(
            Class::File,
            format!("cannot be examined: {error}"),
            "check whether your account may read it",
        )
    };
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return refused(
            "is not a regular file but a folder, a pipe or a device",
            "put a file there, or name another one with SKILLS_PATH".into(),
        );
    }
    if platform::is_of_another_account(&found) {
        return refused(
            "belongs to another account, which could make Mimo run anything",
            format!("make your own copy of {}", path.display()),
        );
    }
    if platform::others_may_write(&found) {
        return refused(
            "others can write it, and could make Mimo run anything",
            format!("chmod go-w {}", path.display()),
        );
    }
    let folder = real(path)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_else(|| PathBuf::from("/"));
    if platform::anyone_may_replace_in(&folder.metadata().map_err(unreadable)?) {
        return refused(
            "anyone can replace it, because its folder is writable by all",
            format!("chmod o-w {}", folder.display()),
        );
    }
    Ok(())
}

/// The path with links followed, so that a link stays one when its file is replaced.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
