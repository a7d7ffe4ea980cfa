//! The few system calls without a safe wrapper: fork, pidfds, and closing inherited
//! descriptors.

use std::ffi::{c_int, c_long};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};

/// Forks. Only for single-threaded processes: the supervisor and its children never
/// start a thread.
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: with one thread no lock can be held by a thread that the child
    // lacks.
    unsafe { nix::unistd::fork() }
}

/// The argument of the clone3 system call, in its second version and later.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks into the control group whose folder is `cgroup`. A process that moves there
/// later waits for all processors, some milliseconds. Fails before Linux 5.7.
pub(super) fn fork_into(cgroup: &impl AsRawFd) -> nix::Result<ForkResult> {
    /// `CLONE_INTO_CGROUP`; libc has it cut to 32 bits.
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let arguments = CloneArguments {
        flags: INTO_CGROUP,
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        cgroup: cgroup.as_raw_fd().unsigned_abs().into(),
        ..CloneArguments::default()
    };
    // SAFETY: without CLONE_VM this is a fork, and sound for the same reason as the one
    // above. The structure and its size outlive the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_ref(&arguments),
            size_of::<CloneArguments>(),
        )
    };
    match Errno::result(pid)? {
        0 => Ok(ForkResult::Child),
        pid => {
            let pid = i32::try_from(pid).map_err(|_| Errno::EOVERFLOW)?;
            let child = Pid::from_raw(pid);
            Ok(ForkResult::Parent { child })
        }
    }
}

/// A descriptor that becomes readable when `pid` ends.
pub(super) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and returns a descriptor that we own.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
}

/// The new descriptor that a system call has returned, or its error.
pub(super) fn owned(returned: c_long) -> io::Result<OwnedFd> {
    match c_int::try_from(returned) {
        // SAFETY: the kernel has just created it, and nothing else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The process of the thread `pid`.
pub(super) fn leader(pid: Pid) -> Option<Pid> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}

/// Kills the process of `pidfd`, even where its pid was reused.
pub(super) fn kill(pidfd: &OwnedFd) {
    // SAFETY: an open descriptor, an integer, and no signal data. The process may
    // have ended already.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
}

/// Closes every descriptor above stderr that the gateway left open. Called first,
/// before this process owns any as a value.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: three integers; nothing owns one of those descriptors yet.
    match unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The Landlock version of this kernel; 0 without Landlock.
pub(super) fn landlock_version() -> i32 {
    /// `LANDLOCK_CREATE_RULESET_VERSION`: return the version, create nothing.
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel reads no memory and creates nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            VERSION,
        )
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Resets every signal to the default that a program expects.
pub(super) fn reset_signals() {
    for signal in 1..=64_i32 {
        // The kernel's form of the action, where all zero is the default. The C
        // library's call skips the two signals that it reserves.
        let default = [0_u64; 4];
        let none = std::ptr::null_mut::<u64>();
        // SAFETY: the kernel reads an action of four words with a mask of
        // eight bytes, and writes nothing; numbers that cannot be set are
        // refused without effect.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                none,
                8_usize,
            )
        };
    }
    // An empty set is always accepted.
    let _ = nix::sys::signal::sigprocmask(
        nix::sys::signal::SigmaskHow::SIG_SETMASK,
        Some(&nix::sys::signal::SigSet::empty()),
        None,
    );
}

/// Ends this process at once; nothing is flushed.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Makes `fd` the descriptor `place` (0, 1 or 2), which stays open in the program.
pub(super) fn place_at(fd: &OwnedFd, place: c_int) -> io::Result<()> {
    // SAFETY: `fd` is open; the descriptor at `place` is meant to be replaced, and
    // nothing in this process owns it as a value.
    match unsafe { libc::dup2(fd.as_raw_fd(), place) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Duplicates the socket at stdin.
pub(super) fn take_stdin() -> io::Result<OwnedFd> {
    // SAFETY: duplicating returns a descriptor that we own.
    let fd = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) };
    match fd {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}
