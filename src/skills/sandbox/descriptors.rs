//! What the open files of a tree hold in the kernel: data in sockets and pipes.

use std::collections::HashSet;
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

/// Each socket and pipe of a tree once, by inode.
#[derive(Default)]
struct OpenFiles {
    sockets: HashSet<u64>,
    pipes: HashSet<(u32, u32, u64)>,
}

impl OpenFiles {
    fn of(processes: &[Process]) -> OpenFiles {
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
            _ => {}
        }
    }

    fn socket_bytes(&self, with_network: bool) -> u64 {
        if self.sockets.is_empty() {
            return 0;
        }
        let buffers = sock_diag::buffers(with_network).unwrap_or_default();
        let each = self.sockets.iter().map(|inode| buffers.get(inode).copied());
        each.map(|bytes| bytes.unwrap_or(SANDBOX_SOCKET_BYTES_MAX))
            .sum()
    }

    fn pipe_bytes(&self) -> u64 {
        let pipes = u64::try_from(self.pipes.len()).unwrap_or(u64::MAX);
        pipes.saturating_mul(SANDBOX_PIPE_BYTES_MAX)
    }
}

fn identity(file: &libc::statx) -> (u32, u32, u64) {
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
