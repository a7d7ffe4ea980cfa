//! Bounds of the sandbox of Linux.

/// RLIMIT_DATA of a skill's process, in units of its tree's memory: a backstop
/// behind the watchdog, which counts what is used rather than what is asked for.
pub(crate) const SANDBOX_DATA_FACTOR: u64 = 2;
/// POSIX message queues of a skill, which no process's memory shows.
pub(crate) const SANDBOX_QUEUES_BYTES_MAX: u64 = 0;
/// Signals and timers of a skill that wait, each of which is memory of the kernel.
pub(crate) const SANDBOX_SIGNALS_MAX: u64 = 256;
/// Memory that one process of a skill may lock.
pub(crate) const SANDBOX_LOCKED_BYTES_MAX: u64 = 64 * 1024;
/// A file that is copied into a skill's root rather than mounted there.
pub(crate) const SANDBOX_COPY_BYTES_MAX: u64 = 64 * 1024;
/// Inotify instances of a skill; the account's are few.
pub(crate) const SANDBOX_INOTIFY_MAX: u32 = 16;
/// The data that one socket holds: Linux's default of 208 KiB and one packet that may
/// exceed it.
pub(crate) const SANDBOX_SOCKET_BYTES_MAX: u64 = 212 * 1024;
/// The data that one pipe holds.
pub(crate) const SANDBOX_PIPE_BYTES_MAX: u64 = 64 * 1024;
/// The estimate of CPU time that ends a skill, as a share of its bound and beside it: an
/// estimate from samples may be too high.
pub(crate) const SANDBOX_CPU_ESTIMATE_PERCENT: u64 = 125;
pub(crate) const SANDBOX_CPU_ESTIMATE_SECONDS: u64 = 2;
/// How long the main process of a skill may be stopped, in which it answers no call.
pub(crate) const SANDBOX_STOPPED_SECONDS_MAX: u64 = 5;
/// Measurements in a row that may find the open files of a process unreadable.
pub(crate) const SANDBOX_UNREADABLE_MEASUREMENTS_MAX: u32 = 2;
/// How long the private folder is walked before the next measurement of memory.
pub(crate) const SANDBOX_WALK_MILLIS_MAX: u64 = 5;
/// How long the processes of a control group may take to end after they were killed.
pub(crate) const SANDBOX_CGROUP_END_MILLIS_MAX: u16 = 2_000;
