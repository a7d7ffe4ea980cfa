//! Linux and macOS.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::{AccessFlags, User, access, getegid, geteuid};

use super::{FileId, HomeFolders};

/// Options whose new files only their owner may read and write.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Creates `path` and its missing parents, for their owner only. An existing folder
/// keeps its mode.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens `path` to read. Never waits: an ordinary open of a pipe waits for a writer.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Writes what `file` holds to the disk.
pub(crate) fn sync_file(file: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()
}

/// Writes the names in `folder` to the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The space that this user may still fill on the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    // Systems count blocks in different widths.
    fn wide(number: impl Into<u64>) -> u64 {
        number.into()
    }
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    Some(wide(found.blocks_available()).saturating_mul(wide(found.fragment_size())))
}

/// Gives `file` the owner and the mode of `old`.
pub(crate) fn take_owner_and_mode(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

pub(crate) fn file_id(file: &File) -> io::Result<FileId> {
    file.metadata().map(|found| (found.dev(), found.ino()))
}

pub(crate) fn file_id_at(path: &Path) -> io::Result<FileId> {
    path.metadata().map(|found| (found.dev(), found.ino()))
}

/// Like `file_id_at`, and the same after the machine was started again.
pub(crate) fn lasting_file_id_at(path: &Path) -> io::Result<FileId> {
    let found = path.symlink_metadata()?;
    Ok((lasting_device(path, &found)?, found.ino()))
}

/// Tells folders with the same inode apart.
#[cfg(target_os = "linux")]
fn lasting_device(path: &Path, found: &Metadata) -> io::Result<u64> {
    // btrfs, overlayfs and nfs get their devices in the order in which they are
    // mounted, all with the major number 0.
    if nix::sys::stat::major(found.dev()) != 0 {
        return Ok(found.dev());
    }
    Ok(nix::sys::statvfs::statvfs(path)?.filesystem_id())
}

/// Volumes of macOS get their numbers in the order in which they are mounted, and have no
/// other. An inode of APFS is never used again.
#[cfg(not(target_os = "linux"))]
fn lasting_device(_path: &Path, _found: &Metadata) -> io::Result<u64> {
    Ok(0)
}

/// Shows others that this process has the open `file` in use, until it is closed, however
/// this process ends.
pub(crate) fn hold(file: &File) -> io::Result<()> {
    file.lock()
}

/// Whether a process has called `hold` on the file and still has it open.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether another process holds a lock on any of the `length` bytes from `start`. Closes
/// the file, which gives up this process's own locks on it.
pub(crate) fn is_locked(path: &Path, start: i64, length: i64) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Whether a file that SQLite has open can be renamed, and replaced by another one.
pub(crate) const RENAMES_OPEN_DATABASES: bool = true;

pub(crate) fn may_write(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

pub(crate) fn may_read_and_write(path: &Path) -> bool {
    access(path, AccessFlags::R_OK | AccessFlags::W_OK).is_ok()
}

pub(crate) fn may_write_in_folder(path: &Path) -> bool {
    access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// Whether not even the owner may write the file.
pub(crate) fn is_read_only(found: &Metadata) -> bool {
    found.mode() & 0o200 == 0
}

/// Whether other accounts may open the file in any way, where that can be told.
pub(crate) fn is_open_to_others(found: &Metadata) -> Option<bool> {
    Some(found.mode() & 0o077 != 0)
}

pub(crate) fn is_own(found: &Metadata) -> bool {
    found.uid() == geteuid().as_raw()
}

/// Whether the file belongs to neither this account nor root.
pub(crate) fn is_of_another_account(found: &Metadata) -> bool {
    !is_own(found) && found.uid() != 0
}

pub(crate) fn others_may_write(found: &Metadata) -> bool {
    found.mode() & 0o022 != 0
}

/// Whether every account may replace the files of a folder. In a sticky one others
/// cannot replace ours.
pub(crate) fn anyone_may_replace_in(folder: &Metadata) -> bool {
    folder.mode() & 0o002 != 0 && folder.mode() & 0o1000 == 0
}

pub(crate) fn is_executable(found: &Metadata) -> bool {
    found.mode() & 0o111 != 0
}

/// Why another account could change the file, if one could. The members of
/// `root_groups` count as root.
pub(crate) fn why_others_can_change(found: &Metadata, root_groups: &[u32]) -> Option<String> {
    if is_of_another_account(found) {
        return Some(format!("belongs to another account (user {})", found.uid()));
    }
    // The mode of a link has no meaning; its folder decides.
    if found.is_symlink() {
        return None;
    }
    if found.mode() & 0o002 != 0 {
        return Some("can be changed by anyone".into());
    }
    let gid = found.gid();
    // Many systems give each account a private group with the same id.
    let own_group =
        root_groups.contains(&gid) || (gid == geteuid().as_raw() && getegid().as_raw() == gid);
    (found.mode() & 0o020 != 0 && !own_group).then(|| format!("can be changed by the group {gid}"))
}

/// The home folders of the machine's accounts.
pub(crate) fn homes() -> HomeFolders {
    // The range of people's accounts: useradd's defaults.
    const PEOPLE: std::ops::Range<u32> = 1_000..60_000;
    let us = geteuid().as_raw();
    let mut homes = HomeFolders::default();
    for line in std::fs::read_to_string("/etc/passwd")
        .unwrap_or_default()
        .lines()
    {
        let mut fields = line.split(':').skip(2);
        let Some(id) = fields.next().and_then(|id| id.parse::<u32>().ok()) else {
            continue;
        };
        // "/" is the home of many accounts that nobody uses.
        let is_home = |home: &&str| home.starts_with('/') && *home != "/";
        let Some(home) = fields.nth(2).filter(is_home) else {
            continue;
        };
        if id == us {
            homes.own.push(home.into());
        } else if id == 0 || PEOPLE.contains(&id) {
            homes.others.push(home.into());
        }
    }
    homes
}

/// The home folder of the account, whatever HOME says. May ask the network.
pub(crate) fn account_folder() -> Option<PathBuf> {
    Some(User::from_uid(geteuid()).ok()??.dir)
}

/// The name of the account that runs Mimo.
pub(crate) fn user_name() -> String {
    let uid = nix::unistd::Uid::current();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

pub(crate) fn host_name() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    host.to_string_lossy().into_owned()
}

/// Characters besides letters and digits that need no quotes in a shell.
pub(crate) const PLAIN_IN_SHELLS: &str = "/._-+:";

/// The path of a URI whose decoded path is `text`.
pub(crate) fn path_of_uri(text: String) -> PathBuf {
    text.into()
}

/// The type of the file system that `folder` is on.
#[cfg(target_os = "linux")]
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounted(&mounts, &folder.canonicalize().ok()?)
}

/// The type of the file system that `folder` is on.
#[cfg(target_os = "macos")]
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let found = nix::sys::statfs::statfs(folder).ok()?;
    Some(found.filesystem_type_name().to_owned())
}

/// The type of the file system that `mounts` (a `mountinfo` of proc) has at `path`.
#[cfg(any(target_os = "linux", test))]
fn mounted(mounts: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        let depth = Path::new(&point).components().count();
        // A later mount hides an earlier one at the same place.
        if path.starts_with(&point) && best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, after.split(' ').next()?));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// A descriptor of its own for standard output.
pub(crate) fn stdout_file() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Waits for the reader of standard output to leave; whether it left in that time.
pub(crate) fn stdout_closes_within(millis: u16) -> io::Result<bool> {
    let stdout = io::stdout();
    // No events are asked for: poll reports the closed reader anyway.
    let mut reader = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut reader, millis) {
        Ok(_) => Ok(reader[0].any() == Some(true)),
        // SIGSTOP and SIGCONT interrupt the wait.
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Keeps Ctrl-C, which is for Mimo, from the process that `command` starts.
pub(crate) fn without_our_signals(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Ends this process at once, as by a crash: nothing of ours runs after this.
pub(crate) fn kill_ourselves() {
    use nix::sys::signal::{Signal, kill};
    let _ = kill(nix::unistd::Pid::this(), Signal::SIGKILL);
}

/// The signals that end a server, and SIGHUP.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes them over. Needs a tokio runtime with I/O.
    pub(crate) fn install() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The number of the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => libc::SIGTERM,
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.hangup.recv() => libc::SIGHUP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_latest_mount_has_the_path() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home/me/team\\040drive rw shared:5 - nfs4 server:/x rw
31 22 0:41 / /mnt rw - tmpfs none rw
32 31 0:42 / /mnt rw - fuse.sshfs me@host: rw
33 22 0:43 / /mnt/c rw - 9p drvfs rw
";
        for (path, kind) in [
            ("/home/me/.local/share/mimo", "ext4"),
            ("/home/me/team drive/mimo", "nfs4"),
            ("/home/me/team drives", "ext4"),
            ("/mnt/data", "fuse.sshfs"),
            ("/mnt/c/Users", "9p"),
        ] {
            let found = mounted(mounts, Path::new(path));
            assert_eq!(found.as_deref(), Some(kind), "{path}");
        }
    }
}
