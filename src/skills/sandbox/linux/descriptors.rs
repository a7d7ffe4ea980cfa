//! Resources held by the open files of a tree: data in sockets and pipes, which is memory of the
//! kernel, and deleted files.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::policy::{NetworkAccess, Policy};
use super::sock_diag;
use super::tree::Process;
use crate::limits::{SANDBOX_PIPE_BYTES_MAX, SANDBOX_SOCKET_BYTES_MAX};

/// Counts data in sockets and pipes, which no process's memory shows.
pub(super) struct Buffers {
    /// Whether every socket of the network namespace is the skill's.
    private: bool,
    /// Whether it has sockets other than Unix pairs.
    with_network: bool,
}

impl Buffers {
    pub(super) fn new(policy: &Policy, private: bool) -> Buffers {
        Buffers {
            private,
            with_network: policy.network != NetworkAccess::None,
        }
    }

    /// The bytes in the buffers of `processes`, which have `descriptors` open files
    /// together. Counts each of them only where they could hold more than `allowed`
    /// and is otherwise 0, since that takes milliseconds for thousands.
    pub(super) fn bytes(&self, processes: &[Process], descriptors: u64, allowed: u64) -> u64 {
        let could_hold = |each: u64| descriptors.saturating_mul(each);
        if self.private
            && let Some(listed) = sock_diag::buffers(self.with_network)
        {
            // Sockets on their way from one process to another are listed as well.
            let sockets = listed.values().sum::<u64>();
            let pipes = could_hold(SANDBOX_PIPE_BYTES_MAX);
            return match sockets.saturating_add(pipes) > allowed {
                true => sockets.saturating_add(OpenFiles::of(processes).pipe_bytes()),
                false => sockets,
            };
        }
        // The buffers of TCP grow, and a socket that listens holds those of others.
        if !self.with_network && could_hold(SANDBOX_SOCKET_BYTES_MAX) <= allowed {
            return 0;
        }
        let open = OpenFiles::of(processes);
        open.socket_bytes(self.with_network) + open.pipe_bytes()
    }
}

/// The open sockets, pipes and deleted files of a tree, each once.
#[derive(Default)]
pub(super) struct OpenFiles {
    /// By inode.
    sockets: HashSet<u64>,
    pipes: HashSet<Identity>,
    /// The bytes on disk of files that no folder contains any more.
    deleted: HashMap<Identity, u64>,
}

/// Device, major and minor, and inode.
type Identity = (u32, u32, u64);

impl OpenFiles {
    pub(super) fn of(processes: &[Process]) -> OpenFiles {
        let mut found = OpenFiles::default();
        for process in processes {
            let entries = fs::read_dir(process.folder.join("fd"));
            for entry in entries.into_iter().flatten().flatten() {
                // A file that was closed meanwhile holds nothing.
                if let Some(file) = status(&entry.path()) {
                    found.add(&file);
                }
            }
        }
        found
    }

    fn add(&mut self, file: &libc::statx) {
        match u32::from(file.stx_mode) & libc::S_IFMT {
            libc::S_IFSOCK => drop(self.sockets.insert(file.stx_ino)),
            libc::S_IFIFO => drop(self.pipes.insert(identity(file))),
            libc::S_IFREG if file.stx_nlink == 0 => {
                let bytes = file.stx_blocks.saturating_mul(512);
                self.deleted.insert(identity(file), bytes);
            }
            _ => {}
        }
    }

    /// The bytes on disk of deleted files that are still open or mapped. Of a mapped
    /// file only the mapped length is known.
    pub(super) fn deleted_bytes(mut self, processes: &[Process]) -> u64 {
        for (identity, bytes) in processes.iter().flat_map(mapped) {
            self.deleted.entry(identity).or_insert(bytes);
        }
        self.deleted.values().sum()
    }

    fn socket_bytes(&self, with_network: bool) -> u64 {
        if self.sockets.is_empty() {
            return 0;
        }
        let listed = sock_diag::buffers(with_network);
        let bytes = |inode| match &listed {
            // One that is missing was closed meanwhile.
            Some(listed) => listed.get(inode).copied().unwrap_or(0),
            None => SANDBOX_SOCKET_BYTES_MAX,
        };
        self.sockets.iter().map(bytes).sum()
    }

    fn pipe_bytes(&self) -> u64 {
        let pipes = u64::try_from(self.pipes.len()).unwrap_or(u64::MAX);
        pipes.saturating_mul(SANDBOX_PIPE_BYTES_MAX)
    }
}

/// The deleted files that a process has mapped, with the mapped bytes of each.
fn mapped(process: &Process) -> HashMap<Identity, u64> {
    let mut found = HashMap::new();
    let maps = fs::read(process.folder.join("maps")).unwrap_or_default();
    for line in String::from_utf8_lossy(&maps).lines() {
        let parsed = line.strip_suffix(" (deleted)").and_then(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (from, to) = fields.next()?.split_once('-')?;
            let (major, minor) = fields.nth(2)?.split_once(':')?;
            let inode: u64 = fields.next()?.parse().ok()?;
            // Shared memory, which counts as memory.
            if fields.next()? == "/dev/zero" {
                return None;
            }
            let number = |text| u64::from_str_radix(text, 16).ok();
            let device = |text| u32::from_str_radix(text, 16).ok();
            let bytes = number(to)?.checked_sub(number(from)?)?;
            Some(((device(major)?, device(minor)?, inode), bytes))
        });
        if let Some((identity, bytes)) = parsed {
            *found.entry(identity).or_insert(0) += bytes;
        }
    }
    found
}

fn identity(file: &libc::statx) -> Identity {
    (file.stx_dev_major, file.stx_dev_minor, file.stx_ino)
}

/// The status of a file, as far as the kernel knows it: a network file system that
/// does not answer must not stop the watchdog.
fn status(path: &Path) -> Option<libc::statx> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut found = MaybeUninit::zeroed();
    let flags = libc::AT_STATX_DONT_SYNC;
    let wanted = libc::STATX_BASIC_STATS;
    // SAFETY: the path ends with a NUL, and the kernel writes one `statx`.
    let failed = unsafe {
        libc::statx(
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            wanted,
            found.as_mut_ptr(),
        )
    };
    // SAFETY: zeroed above, and integers may have any value.
    (failed == 0).then(|| unsafe { found.assume_init() })
}
