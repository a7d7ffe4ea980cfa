//! The layer of the new root directory: only what the skill was granted exists in it,
//! and all but its own folders is read-only. That also covers what Landlock does not:
//! modes, owners, times and attributes of files, their names, and inotify.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::fstat;
use nix::unistd::{chdir, pivot_root};
use rustix::mount::{MountAttrFlags, MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::files::{Access, Files};
use super::profile::STABLE_SETTINGS;
use crate::limits::SANDBOX_COPY_BYTES_MAX;

/// Where the new root is built: a folder that every machine has, and whose own
/// content is granted before it is covered.
const STAGING: &str = "/proc";
/// It holds only folders, links and mount points.
const OPTIONS: &str = "size=1m,nr_inodes=4096,mode=0755";
/// Folders that programs expect, even empty.
const FOLDERS: [&str; 1] = ["tmp"];
/// Links that programs expect in `/dev`. The two random devices are the same, and a
/// link is cheaper than a mount.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("dev/random", "urandom"),
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// A granted file or folder in the new root.
struct Part<'a> {
    path: &'a Path,
    content: Content,
}

enum Content {
    /// A mount that is attached nowhere yet.
    Mount { tree: OwnedFd, folder: bool },
    /// A copy of a file. A mount takes five times as long, to make and to remove.
    Copy(Vec<u8>),
}

/// Makes the granted `files` this process's root directory. Called in a mount
/// namespace of its own with a `/proc` of its own. After an error the old root is
/// still in place.
pub(super) fn enter(files: &Files) -> io::Result<()> {
    let mut parts = Vec::with_capacity(files.grants.len());
    let is_link = |path: &Path| {
        DEVICE_LINKS
            .iter()
            .any(|(at, _)| below(path) == Path::new(at))
    };
    for (path, access) in files.grants.iter().filter(|(path, _)| !is_link(path)) {
        let content = match copy(path, *access) {
            Some(bytes) => Some(Content::Copy(bytes)),
            None => detached(path, *access)?,
        };
        parts.extend(content.map(|content| Part { path, content }));
    }
    let tmpfs = Some("tmpfs");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(tmpfs, STAGING, tmpfs, flags, Some(OPTIONS))?;
    let built = build(files, &parts);
    if built.is_err() {
        chdir("/")?;
        umount2(STAGING, MntFlags::MNT_DETACH)?;
    }
    built
}

fn build(files: &Files, parts: &[Part<'_>]) -> io::Result<()> {
    chdir(STAGING)?;
    // A granted folder holds its own links.
    let granted = |path: &Path| parts.iter().any(|each| path.starts_with(each.path));
    for (at, target) in files.links.iter().filter(|(at, _)| !granted(at)) {
        link(target, below(at))?;
    }
    // The mounted folders that the current part may be in, the innermost one last.
    let mut above: Vec<&Path> = Vec::new();
    for part in parts {
        let place = below(part.path);
        while above
            .pop_if(|above| !part.path.starts_with(above))
            .is_some()
        {}
        let is_covered = !above.is_empty();
        let (tree, folder) = match &part.content {
            Content::Mount { tree, folder } => (tree, *folder),
            Content::Copy(bytes) => {
                // A folder that is granted as a whole holds the file itself.
                if !is_covered {
                    placeholder(place, false)?;
                    fs::write(place, bytes)?;
                }
                continue;
            }
        };
        if !is_covered {
            placeholder(place, folder)?;
        }
        // A folder that the skill can change may have gained links meanwhile.
        let place = opened(place)?;
        let empty =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(tree, "", &place, "", empty)?;
        above.push(part.path);
    }
    for (at, target) in DEVICE_LINKS {
        link(Path::new(target), Path::new(at))?;
    }
    for folder in FOLDERS
        .iter()
        .filter(|each| fs::symlink_metadata(each).is_err())
    {
        fs::create_dir(folder)?;
    }
    let root = opened(Path::new("."))?;
    set_attributes(
        &root,
        libc::AT_EMPTY_PATH,
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )?;
    // Puts the old root on top of the new one, then takes it away.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    Ok(())
}

/// The bytes of a file that is copied; nothing where it is to be mounted.
fn copy(path: &Path, access: Access) -> Option<Vec<u8>> {
    if access != Access::Read || !STABLE_SETTINGS.iter().any(|each| path == Path::new(each)) {
        return None;
    }
    let found = fs::symlink_metadata(path).ok()?;
    let is_small = found.is_file() && found.len() <= SANDBOX_COPY_BYTES_MAX;
    is_small.then(|| fs::read(path).ok()).flatten()
}

/// The mounts at and below `path`; nothing where it does not exist.
fn detached(path: &Path, access: Access) -> io::Result<Option<Content>> {
    let opened = match opened(path) {
        Ok(opened) => opened,
        // A link has appeared there since links were followed.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let folder = fstat(&opened)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(&opened, "", flags)?;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID;
    if !path.starts_with("/dev") {
        attributes |= MountAttrFlags::MOUNT_ATTR_NODEV;
    }
    if access == Access::Read {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    let recursive = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    set_attributes(&tree, recursive, attributes)?;
    Ok(Some(Content::Mount { tree, folder }))
}

/// Opens `path` without following links.
fn opened(path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, path, how)
}

/// The absolute `path` below the working directory.
fn below(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn link(target: &Path, at: &Path) -> io::Result<()> {
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent)?;
    }
    symlink(target, at)
}

/// Something to mount on.
fn placeholder(at: &Path, folder: bool) -> io::Result<()> {
    if folder {
        return fs::create_dir_all(at);
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create(at).map(drop)
}

/// The argument of the mount_setattr system call.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

fn set_attributes(mount: &OwnedFd, flags: i32, attributes: MountAttrFlags) -> io::Result<()> {
    let wanted = MountAttributes {
        set: attributes.bits().into(),
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: an open descriptor, an empty path with its NUL, and a structure that
    // outlives the call, with its size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(&wanted),
            size_of::<MountAttributes>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
