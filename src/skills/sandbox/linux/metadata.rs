//! Calls that change the mode, owner or times of a file, made by the supervisor where
//! there is no new root. Landlock does not cover them.

use std::ffi::OsString;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use libc::{c_int, c_long, timespec};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Gid, Pid, Uid};

/// The number of `fchmodat2` on every architecture; libc does not name it on all.
pub(super) const FCHMODAT2: c_long = 452;

pub(super) const CALLS: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// The size of a page, or a part of one.
const PAGE: usize = 4096;

/// One call with a copy of its arguments.
pub(super) struct Change {
    /// A descriptor of the caller, or AT_FDCWD.
    base: c_int,
    /// Absent where the file is the descriptor's.
    path: Option<PathBuf>,
    follow: bool,
    metadata: Metadata,
}

enum Metadata {
    Mode(u32),
    /// All ones leave it as it is.
    Owner(u32, u32),
    /// Absent for the time of the call.
    Times(Option<[timespec; 2]>),
}

impl Change {
    pub(super) fn of(number: c_long, arguments: &[u64; 6], caller: Pid) -> nix::Result<Change> {
        // The kernel reads these as 32 bits.
        let low = |at: usize| arguments[at] as u32;
        let path = |at: usize| read_path(caller, arguments[at]).map(Some);
        let descriptor = |at: usize| low(at) as c_int;
        let (base, path, flags, metadata) = match number {
            libc::SYS_fchmod => (descriptor(0), None, 0, Metadata::Mode(low(1))),
            libc::SYS_fchmodat => (descriptor(0), path(1)?, 0, Metadata::Mode(low(2))),
            FCHMODAT2 => (descriptor(0), path(1)?, low(3), Metadata::Mode(low(2))),
            libc::SYS_fchown => (descriptor(0), None, 0, Metadata::Owner(low(1), low(2))),
            libc::SYS_fchownat => {
                let owner = Metadata::Owner(low(2), low(3));
                (descriptor(0), path(1)?, low(4), owner)
            }
            libc::SYS_utimensat => {
                let path = match arguments[1] {
                    0 => None,
                    _ => path(1)?,
                };
                let times = Metadata::Times(read_times(caller, arguments[2])?);
                (descriptor(0), path, low(3), times)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => (libc::AT_FDCWD, path(0)?, 0, Metadata::Mode(low(1))),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown | libc::SYS_lchown => {
                let flags = match number {
                    libc::SYS_chown => 0,
                    _ => libc::AT_SYMLINK_NOFOLLOW.unsigned_abs(),
                };
                let owner = Metadata::Owner(low(1), low(2));
                (libc::AT_FDCWD, path(0)?, flags, owner)
            }
            _ => return Err(Errno::ENOSYS),
        };
        let known = (libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH).unsigned_abs();
        if flags & !known != 0 {
            return Err(Errno::EINVAL);
        }
        let empty_allowed = flags & libc::AT_EMPTY_PATH.unsigned_abs() != 0;
        let path = match path {
            Some(path) if path.as_os_str().is_empty() && empty_allowed => None,
            Some(path) if path.as_os_str().is_empty() => return Err(Errno::ENOENT),
            path => path,
        };
        let (base, path) = match path.as_deref().and_then(own_descriptor) {
            Some(number) => (number, None),
            None => (base, path),
        };
        Ok(Change {
            base,
            path,
            follow: flags & libc::AT_SYMLINK_NOFOLLOW.unsigned_abs() == 0,
            metadata,
        })
    }

    /// Opens the file as `caller` sees it, without reading or writing it.
    pub(super) fn open(&self, caller: Pid) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let base = || {
            let link = match self.base {
                libc::AT_FDCWD => format!("/proc/{caller}/cwd"),
                number => format!("/proc/{caller}/fd/{number}"),
            };
            openat(AT_FDCWD, link.as_str(), flags, Mode::empty()).map_err(|_| Errno::EBADF)
        };
        let Some(path) = &self.path else {
            return base();
        };
        let last = match self.follow {
            true => OFlag::empty(),
            false => OFlag::O_NOFOLLOW,
        };
        let how = OpenHow::new()
            .flags(flags | last)
            .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match path.is_absolute() {
            true => openat2(AT_FDCWD, path, how),
            false => openat2(base()?, path, how),
        }
    }

    /// Makes the change, if `file` lies in one of the skill's `own` folders.
    pub(super) fn apply(&self, file: &OwnedFd, own: &[PathBuf]) -> nix::Result<()> {
        let place = nix::fcntl::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str())?;
        if !own.iter().any(|own| Path::new(&place).starts_with(own)) {
            return Err(Errno::EPERM);
        }
        match self.metadata {
            Metadata::Mode(mode) => set_mode(file, mode),
            Metadata::Owner(user, group) => {
                // The skill has no right to give files away, and the supervisor may.
                let same = |id, own| id == u32::MAX || id == own;
                if !same(user, Uid::effective().as_raw()) || !same(group, Gid::effective().as_raw())
                {
                    return Err(Errno::EPERM);
                }
                let id = |id: u32| (id != u32::MAX).then_some(id);
                let (user, group) = (id(user).map(Uid::from_raw), id(group).map(Gid::from_raw));
                nix::unistd::fchownat(file.as_fd(), "", user, group, AtFlags::AT_EMPTY_PATH)
            }
            Metadata::Times(times) => set_times(file, times.as_ref()),
        }
    }
}

fn set_mode(file: &OwnedFd, mode: u32) -> nix::Result<()> {
    // SAFETY: an open descriptor, an empty path with its NUL, and integers.
    let done = unsafe {
        libc::syscall(
            FCHMODAT2,
            file.as_raw_fd(),
            c"".as_ptr(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    match Errno::result(done) {
        // Before Linux 6.6.
        Err(Errno::ENOSYS) => {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            let follow = nix::sys::stat::FchmodatFlags::FollowSymlink;
            nix::sys::stat::fchmodat(
                AT_FDCWD,
                link.as_str(),
                Mode::from_bits_truncate(mode),
                follow,
            )
        }
        done => done.map(drop),
    }
}

fn set_times(file: &OwnedFd, times: Option<&[timespec; 2]>) -> nix::Result<()> {
    let times = times.map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: an open descriptor, an empty path with its NUL, and two times or none.
    let done = unsafe {
        libc::syscall(
            libc::SYS_utimensat,
            file.as_raw_fd(),
            c"".as_ptr(),
            times,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

/// The number in `/proc/self/fd/N` and its like, which in the supervisor would mean
/// one of its own.
fn own_descriptor(path: &Path) -> Option<c_int> {
    let text = path.to_str()?;
    let folders = ["/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"];
    folders
        .iter()
        .find_map(|folder| text.strip_prefix(folder)?.parse().ok())
}

fn read_path(caller: Pid, address: u64) -> nix::Result<PathBuf> {
    let mut text = vec![0; libc::PATH_MAX as usize];
    let length = read(caller, address, &mut text)?;
    text.truncate(length);
    let end = text.iter().position(|byte| *byte == 0);
    text.truncate(end.ok_or(Errno::ENAMETOOLONG)?);
    Ok(OsString::from_vec(text).into())
}

fn read_times(caller: Pid, address: u64) -> nix::Result<Option<[timespec; 2]>> {
    if address == 0 {
        return Ok(None);
    }
    let mut bytes = [0; size_of::<[timespec; 2]>()];
    if read(caller, address, &mut bytes)? < bytes.len() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: as many bytes as two structures of integers have.
    Ok(Some(unsafe {
        std::ptr::read_unaligned(bytes.as_ptr().cast())
    }))
}

/// Copies memory of `caller`, at most `to.len()` bytes; stops at the first page that
/// cannot be read.
fn read(caller: Pid, address: u64, to: &mut [u8]) -> nix::Result<usize> {
    let address = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let mut pages = Vec::new();
    let mut at = address;
    let end = address.checked_add(to.len()).ok_or(Errno::EFAULT)?;
    while at < end {
        let next = end.min((at / PAGE + 1) * PAGE);
        pages.push(RemoteIoVec {
            base: at,
            len: next - at,
        });
        at = next;
    }
    process_vm_readv(caller, &mut [IoSliceMut::new(to)], &pages)
}
