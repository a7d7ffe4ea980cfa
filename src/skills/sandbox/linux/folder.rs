//! Folders by descriptor: skills may make trees deeper than a path can name, take away
//! their own rights, and move folders while they are read.

use std::ffi::OsStr;
use std::fs::{self, Permissions, ReadDir};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Begins the names of folders that are being removed.
const REMOVED: &str = ".mimo-removed-";

/// Opens the folder `path`, which must not be a link.
pub(in crate::skills) fn open(path: &Path) -> io::Result<OwnedFd> {
    open_at(AT_FDCWD, path.as_os_str())
}

/// Opens the folder `name` in `parent`, even where its owner took away his own rights.
pub(super) fn open_in(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let folder = match open_at(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            allow_owner(parent, name)?;
            open_at(parent, name)?
        }
        opened => opened?,
    };
    // A folder that can be listed but not searched hides what its entries are.
    let mode = Mode::from_bits_truncate(fstat(&folder)?.st_mode);
    if !mode.contains(Mode::S_IXUSR) {
        fchmod(&folder, mode | Mode::S_IRWXU)?;
    }
    Ok(folder)
}

fn open_at(parent: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// Gives the owner of the folder `name` all rights, through a descriptor: the name may
/// become a link at any time.
fn allow_owner(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let folder = openat(parent, name, flags, Mode::empty())?;
    fs::set_permissions(path_of(&folder), Permissions::from_mode(0o700))
}

/// The entries of an open folder.
pub(super) fn entries(folder: &OwnedFd) -> io::Result<ReadDir> {
    fs::read_dir(path_of(folder))
}

fn path_of(folder: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}

/// Removes the folder `name` in `parent` with everything in it, however deep, in
/// constant descriptors and without recursion: inner folders are moved up to `top`, on
/// the same file system, and removed there.
pub(super) fn remove(top: &OwnedFd, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let mut next = 0_u64;
    let mut waiting = vec![moved_up(top, parent, name, &mut next)?];
    while let Some(name) = waiting.pop() {
        empty(top, &name, &mut next, &mut waiting)?;
    }
    Ok(())
}

/// Removes the folder `name` in `parent` with everything in it.
pub(in crate::skills) fn remove_in(parent: &Path, name: &OsStr) -> io::Result<()> {
    let parent = open(parent)?;
    remove(&parent, &parent, name)
}

/// Removes what interrupted calls of [`remove`] left in `top`.
pub(super) fn finish_removals(top: &OwnedFd) -> io::Result<()> {
    for entry in entries(top)? {
        let name = entry?.file_name();
        if name.as_bytes().starts_with(REMOVED.as_bytes()) {
            remove(top, top, &name)?;
        }
    }
    Ok(())
}

/// Removes the folder `name` in `top`; the folders in it that are not empty are moved
/// to `top` and added to `waiting`.
fn empty(top: &OwnedFd, name: &str, next: &mut u64, waiting: &mut Vec<String>) -> io::Result<()> {
    let folder = open_in(top, name.as_ref())?;
    loop {
        let mut removed = 0_usize;
        for entry in entries(&folder)? {
            let (name, removal) = match entry {
                Ok(entry) if entry.file_type()?.is_dir() => {
                    (entry.file_name(), UnlinkatFlags::RemoveDir)
                }
                Ok(entry) => (entry.file_name(), UnlinkatFlags::NoRemoveDir),
                Err(error) => return Err(error),
            };
            match unlinkat(&folder, name.as_os_str(), removal) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => {
                    waiting.push(moved_up(top, &folder, &name, next)?);
                }
                Err(error) => return Err(error.into()),
            }
            removed += 1;
        }
        // Some file systems skip entries while others are removed.
        match unlinkat(top, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if removed > 0 => {}
            done => return Ok(done?),
        }
    }
}

/// Moves the folder `name` from `parent` to `top`; gives its new name.
fn moved_up(top: &OwnedFd, parent: &OwnedFd, name: &OsStr, next: &mut u64) -> io::Result<String> {
    let mut allowed = false;
    loop {
        let new = format!("{REMOVED}{next}");
        *next += 1;
        match renameat(parent, name, top, new.as_str()) {
            Ok(()) => return Ok(new),
            // What an interrupted removal left.
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) if !allowed => {
                allow_owner(parent, name)?;
                allowed = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
