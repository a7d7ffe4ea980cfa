//! Folders in which skills may have put anything.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens the folder `path`, which must not be a link.
pub(in crate::skills) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Removes the folder `name` in `parent` with everything in it. The library follows no
/// link meanwhile.
pub(in crate::skills) fn remove_in(parent: &Path, name: &OsStr) -> io::Result<()> {
    fs::remove_dir_all(parent.join(name))
}
