//! Folders and files that only their owner may read, because Mimo stores what people
//! say.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::failure::{Failure, Kind};
use crate::platform;

/// Creates `path` and its missing parents, each with mode 0700. An existing folder
/// keeps its mode, which its owner may have chosen.
pub(crate) fn private_folder(path: &Path) -> Result<(), Failure> {
    platform::create_private_folder(path).map_err(|error| cannot("make the folder", path, error))
}

/// Opens `path` for appending, makes it with mode 0600 where it is missing.
/// SQLite gives its side files the mode of the database they belong to, so an
/// empty file made here keeps those private too.
pub(crate) fn private_file(path: &Path) -> Result<File, Failure> {
    if let Some(folder) = path.parent() {
        private_folder(folder)?;
    }
    let mut options = platform::private_options();
    options
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| cannot("write the file", path, error))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Failure {
    Failure::new(
        Kind::Unavailable,
        format!("Mimo cannot {what} {}: {error}", path.display()),
    )
    .hint("give your account the right to write there, or name another folder with --data-dir")
    .source(error)
}
