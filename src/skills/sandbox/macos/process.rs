//! The system calls without a safe wrapper: fork, signals, and what the kernel tells of
//! processes.

use std::fs;
use std::io;
use std::mem::MaybeUninit;

use nix::libc::{self, c_int};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::unistd::{ForkResult, close};

/// What the kernel tells of a process.
pub(super) struct ProcessInfo {
    pub(super) parent: i32,
    /// With the pid it names one process for ever.
    pub(super) started: (u64, u64),
    pub(super) threads: u64,
    pub(super) cpu_nanos: u64,
    /// As Activity Monitor shows it.
    pub(super) memory_bytes: u64,
}

/// Forks. Only for single-threaded processes: the supervisor and its children never
/// start a thread.
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: with one thread no lock can be held by a thread that the child
    // lacks.
    unsafe { nix::unistd::fork() }
}

/// Ends this process at once; nothing is flushed.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor above stderr. Nothing may be used afterwards that owns one.
pub(super) fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/dev/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        open.extend(number.filter(|fd: &c_int| *fd > 2));
    }
    for fd in open {
        // The one that read the folder is closed already.
        let _ = close(fd);
    }
    Ok(())
}

/// Resets every signal to the default that a program expects.
pub(super) fn reset_signals() {
    for each in Signal::iterator() {
        // SAFETY: the default action calls no function of ours. Two signals refuse it.
        let _ = unsafe { signal(each, SigHandler::SigDfl) };
    }
    // An empty set is always accepted.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// The processes of the machine.
pub(super) fn pids() -> Vec<i32> {
    // SAFETY: without a buffer the call writes nothing and returns a number.
    let count = unsafe { libc::proc_listallpids(std::ptr::null_mut(), 0) };
    // Some may start meanwhile.
    let mut pids = vec![0_i32; usize::try_from(count).unwrap_or(0) + 64];
    let bytes = c_int::try_from(size_of_val(pids.as_slice())).unwrap_or(0);
    // SAFETY: the kernel writes at most `bytes` bytes to a buffer of that size.
    let count = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
    pids.truncate(usize::try_from(count).unwrap_or(0));
    pids
}

/// `None` where `pid` has ended, and where it belongs to somebody else.
pub(super) fn examine(pid: i32) -> Option<ProcessInfo> {
    let mut info = MaybeUninit::<libc::proc_taskallinfo>::zeroed();
    let bytes = c_int::try_from(size_of::<libc::proc_taskallinfo>()).ok()?;
    // SAFETY: the kernel writes at most `bytes` bytes, the size of the structure.
    let written = unsafe {
        libc::proc_pidinfo(
            pid,
            libc::PROC_PIDTASKALLINFO,
            0,
            info.as_mut_ptr().cast(),
            bytes,
        )
    };
    if written != bytes {
        return None;
    }
    // SAFETY: all of it was written, and every pattern of bytes is a value of it.
    let info = unsafe { info.assume_init() };
    let task = info.ptinfo;
    Some(ProcessInfo {
        parent: i32::try_from(info.pbsd.pbi_ppid).ok()?,
        started: (info.pbsd.pbi_start_tvsec, info.pbsd.pbi_start_tvusec),
        threads: u64::try_from(task.pti_threadnum).unwrap_or(1),
        cpu_nanos: nanos(task.pti_total_user.saturating_add(task.pti_total_system)),
        memory_bytes: footprint(pid).unwrap_or(task.pti_resident_size),
    })
}

/// The memory that `pid` alone has: resident and compressed, without shared libraries.
fn footprint(pid: i32) -> Option<u64> {
    let mut info = MaybeUninit::<libc::rusage_info_v2>::zeroed();
    // SAFETY: for this flavor the kernel writes this structure. The header declares the
    // pointer as one to a pointer, which it is not.
    let answer =
        unsafe { libc::proc_pid_rusage(pid, libc::RUSAGE_INFO_V2, info.as_mut_ptr().cast()) };
    if answer != 0 {
        return None;
    }
    // SAFETY: the call succeeded, and every pattern of bytes is a value of it.
    Some(unsafe { info.assume_init() }.ri_phys_footprint)
}

/// The kernel counts time in units that depend on the processor.
#[allow(deprecated, reason = "libc recommends another crate for it")]
fn nanos(units: u64) -> u64 {
    let mut base = libc::mach_timebase_info { numer: 0, denom: 0 };
    // SAFETY: the call writes the structure that it gets.
    let answer = unsafe { libc::mach_timebase_info(&mut base) };
    if answer != 0 || base.denom == 0 {
        return units;
    }
    let nanos = u128::from(units) * u128::from(base.numer) / u128::from(base.denom);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
