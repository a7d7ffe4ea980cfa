//! The few system calls that no crate wraps safely: fork, pidfds, and closing
//! what was inherited. What they are used for is the callers'.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::unistd::{ForkResult, Pid};

/// Forks. Only in a process that has one thread, as the supervisor and what it
/// forks are: they never start another.
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: with one thread no lock can be held by a thread that the child
    // does not have.
    unsafe { nix::unistd::fork() }
}

/// A descriptor that becomes readable when `pid` ends.
pub(super) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and gives a descriptor that is ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match c_int::try_from(fd) {
        // SAFETY: as above; it is owned by nothing else.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Kills the process behind `pidfd`, whoever has its number by now.
pub(super) fn kill(pidfd: &OwnedFd) {
    // SAFETY: a descriptor that is open, an integer, and no signal data. That
    // the process has ended already is fine.
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

/// Closes every descriptor above stderr: what a careless gateway left open.
/// Called first of all, before this process owns any as a value.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: three integers; nothing here owns one of those descriptors yet,
    // and all that are opened later close by themselves at an execution.
    match unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The Landlock version of this kernel; 0 where it has none.
pub(super) fn landlock_version() -> i32 {
    /// `LANDLOCK_CREATE_RULESET_VERSION`: ask, make nothing.
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel reads no memory and makes nothing.
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

/// Every signal back to what a program expects at its start.
pub(super) fn reset_signals() {
    for signal in 1..=64_i32 {
        // The kernel's own form of the action: all zero is the default. The C
        // library's call leaves out the two signals that it keeps for itself.
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

/// Ends this process at once, with nothing run or flushed on the way.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: ends the process; there is no state left to be wrong.
    unsafe { libc::_exit(code) }
}

/// Makes `fd` the descriptor `place` (0, 1 or 2), kept over the execution.
pub(super) fn place_at(fd: &OwnedFd, place: c_int) -> io::Result<()> {
    // SAFETY: `fd` is open; whatever stood at `place` is meant to be replaced,
    // and nothing in this process owns it as a value.
    match unsafe { libc::dup2(fd.as_raw_fd(), place) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The socket that stands at stdin, taken away from there.
pub(super) fn take_stdin() -> io::Result<OwnedFd> {
    // SAFETY: duplicating gives a descriptor that is ours alone.
    let fd = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) };
    match fd {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}
